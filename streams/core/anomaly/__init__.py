"""What is wrong, as intervals: rules over the seconds of one sensor, in the order of their own time.

`limits` holds the thresholds as data, `seconds` the rules on whole seconds (compiled), `voltage` those on samples,
`judge` runs both over closed minutes (final) and over open ones (provisional). `meter_rules` and `meters` are the same for
Linkys. docs/anomalies.md says what each means.
"""
