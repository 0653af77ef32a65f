"""Names and columns of what ClickHouse holds of Linkys. The statements that make them are in migrations/."""

from sinks.tables import Table

_SAID = (
    "clock_degraded",
    "clock_synchronised",
    "monotonic_ms",
    "mode",
    "label",
    "number",
    "text",
    "stamp",
    "stamp_degraded",
    "breaker",
    "contact_open",
    "over_voltage",
    "over_power",
    "supplier_index",
    "tempo_today",
    "tempo_tomorrow",
    "peak_announced",
    "peak_running",
    "relays_closed",
    "characters",
    "bad_characters",
    "discarded_frames",
    "stray_characters",
    "rejected_label",
    "rejected_code",
    "rejected_hex",
)
"""What one copy of a frame says."""

TIC_FRAMES_RAW = Table(
    "tic_frames_raw",
    (
        "meter_id",
        "boot_id",
        "counter",
        "second",
        "meter_second",
        "received_at",
        *_SAID,
        "log_partition",
        "rank",
    ),
    time="second",
)
"""One row per frame and copy; of a frame (meter, boot, counter) the copy with the highest rank stays, the first of the log."""

TIC_MINUTES_RAW = Table(
    "tic_minutes_raw",
    (
        "meter_id",
        "minute",
        "version",
        "frames",
        "seconds_mask",
        "apparent_frames",
        "apparent_sum_va",
        "apparent_min_va",
        "apparent_max_va",
        "injected_max_va",
        "voltage_frames",
        "voltage_sum_v",
        "voltage_min_v",
        "voltage_max_v",
        "current_frames",
        "current_sum_a",
        "current_max_a",
        "tariff",
        "tariff_name",
        "index_label",
        "index_first_wh",
        "index_last_wh",
        "energy_wh",
        "drawn_wh",
        "injected_wh",
        "contract_va",
        "tempo_today",
        "tempo_tomorrow",
        "over_power",
        "clock_degraded",
        "characters",
        "bad_characters",
        "rejected_groups",
        "discarded_frames",
        "lost_frames",
        "quarantined",
    ),
    time="minute",
)
"""One row per meter, minute and version; the highest version stays. Units are those of tic_minute.avsc."""

TIC_QUARTERS_RAW = Table(
    "tic_quarters_raw",
    (
        "meter_id",
        "quarter",
        "version",
        "minutes",
        "seconds",
        "drawn_wh",
        "injected_wh",
        "sliding_wh",
        "sliding_end",
        "apparent_max_va",
        "contract_va",
        "index_label",
        "index_first_wh",
        "index_last_wh",
        "energy_wh",
    ),
    time="quarter",
)
"""One row per meter, UTC quarter-hour and version, made from tic_minutes_raw.

Of each index its first and last counter and what it grew by, as in the minutes.
"""

TIC_QUARTERS = Table(
    "tic_quarters",
    (
        "meter_id",
        "quarter",
        "drawn_wh",
        "injected_wh",
        "demand_w",
        "sliding_demand_w",
        "sliding_end",
        "apparent_max_va",
        "contract_va",
        "index",
        "index_first_wh",
        "index_last_wh",
        "energy_wh",
        "seconds",
        "coverage",
        "minutes",
        "version",
    ),
)
"""One row per meter and UTC quarter-hour: energies in Wh, demand in W; coverage is of 900 seconds."""

TIC_FRAMES = Table(
    "tic_frames",
    (
        "meter_id",
        "second",
        "timestamp",
        "boot_id",
        "counter",
        "meter_second",
        "received_at",
        *_SAID,
        "log_partition",
        "log_offset",
    ),
)
"""The first copies; `second` is the time of the event, UTC."""

TIC_MINUTES = Table(
    "tic_minutes",
    (
        "meter_id",
        "minute",
        "frames",
        "seconds",
        "apparent_mean_va",
        "apparent_min_va",
        "apparent_max_va",
        "injected_max_va",
        "voltage_min_v",
        "voltage_mean_v",
        "voltage_max_v",
        "current_mean_a",
        "current_max_a",
        "tariff",
        "tariff_name",
        "index",
        "index_first_wh",
        "index_last_wh",
        "energy_wh",
        "drawn_wh",
        "injected_wh",
        "contract_va",
        "tempo_today",
        "tempo_tomorrow",
        "over_power",
        "clock_degraded",
        "characters",
        "bad_characters",
        "rejected_groups",
        "discarded_frames",
        "lost_frames",
        "quarantined",
        "version",
        "coverage",
    ),
)
"""The newest version of each minute of a Linky: Wh, VA, V, A; what is null or an empty array was not sent."""
