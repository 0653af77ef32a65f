"""Which parts are down, since when, and the sentence for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from web.view.say import say

SENTENCES = {
    "database": say("The database does not answer: what is shown here stands still. Readings are kept in the log."),
    "log": say("The log (Kafka) does not answer: sensors keep their readings and send them again."),
    "gateway": say("The gateway does not answer: sensors keep their readings and send them again."),
    "worker": say("The worker does not answer: seconds still arrive, minutes stand still and catch up when it is back."),
    "sink": say("The sink does not answer: readings are in the log and appear here when it is back."),
}


@dataclass(frozen=True, slots=True)
class Outages:
    """Parts that do not answer, and when that was first noticed (UTC seconds)."""

    since_s: Mapping[str, float]

    def next(self, answers: Mapping[str, bool], now_s: float) -> "Outages":
        """After another round of checks."""
        return Outages({part: self.since_s.get(part, now_s) for part, fine in answers.items() if not fine})

    def banners(self) -> list[dict[str, Any]]:
        """For the page: part, sentence and ISO time, the worst first."""
        order = [part for part in SENTENCES if part in self.since_s] + [p for p in self.since_s if p not in SENTENCES]
        return [
            {
                "part": part,
                "since": datetime.fromtimestamp(self.since_s[part], UTC).isoformat(timespec="seconds"),
                "sentence": SENTENCES.get(part, say("{part} does not answer.", part=part)),
            }
            for part in order
        ]


NONE = Outages({})
