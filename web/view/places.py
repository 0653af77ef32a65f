"""The pages a reader can go to, in the order of the frame."""

from dataclasses import dataclass

from web.view.say import Text, say


@dataclass(frozen=True, slots=True)
class Place:
    """One page.

    Attributes:
        kind: what the page's template gets as `kind` when it is this one.
    """

    kind: str
    path: str
    name: Text


PLACES = (
    Place("sensor", "/", say("Live")),
    Place("energy", "/energy", say("Energy")),
    Place("demand", "/demand", say("Demand")),
    Place("cost", "/cost", say("Cost")),
    Place("anomalies", "/anomalies", say("Anomalies")),
    Place("meter", "/meters", say("Meters")),
    Place("project", "/projects", say("Projects")),
    Place("sensors", "/sensors", say("Sensors")),
    Place("replays", "/replays", say("Replays")),
    Place("system", "/system", say("System")),
)
