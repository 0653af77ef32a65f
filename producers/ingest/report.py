"""What became of a file, counted line by line."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from producers.ingest.lines import Refused

EXAMPLES = 5


@dataclass(slots=True)
class Report:
    """Figures of one file.

    Attributes:
        lines: that held anything.
        accepted: safe in the log, copies included.
        refused: by code.
        examples: the first few refused lines of each code.
        batches: requests that brought a verdict.
        retries: requests sent again.
        sensors: distinct ids.
        gave_up: why the file was not sent to its end, or empty.
    """

    lines: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Refused]] = field(default_factory=dict)
    batches: int = 0
    retries: int = 0
    sensors: set[str] = field(default_factory=set)
    took_s: float = 0.0
    gave_up: str = ""

    def refuse(self, line: Refused) -> None:
        self.refused[line.code] += 1
        kept = self.examples.setdefault(line.code, [])
        kept.append(line)
        kept.sort(key=lambda r: r.number)
        del kept[EXAMPLES:]

    @property
    def judged(self) -> int:
        return self.accepted + self.refused.total()

    @property
    def complete(self) -> bool:
        """Whether every line was accepted."""
        return not self.gave_up and self.accepted == self.lines

    def as_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "refused": dict(self.refused.most_common()),
            "examples": {c: [{"line": r.number, "detail": r.detail} for r in rs] for c, rs in self.examples.items()},
            "sensors": len(self.sensors),
            "batches": self.batches,
            "retries": self.retries,
            "took_s": round(self.took_s, 3),
            "gave_up": self.gave_up or None,
        }

    def sentences(self) -> list[str]:
        """The report for a person."""
        rate = self.judged / self.took_s if self.took_s else 0.0
        lines, sensors = self.lines, len(self.sensors)
        out = [
            f"{lines:,} line{_s(lines)} of {sensors:,} sensor{_s(sensors)}: {self.accepted:,} accepted, "
            f"{self.refused.total():,} refused, in {self.took_s:.1f} s ({rate:,.0f} lines/s)"
        ]
        for code, count in self.refused.most_common():
            more = " …" if count > len(self.examples[code]) else ""
            out.append(f"  {code} x {count:,}: {_named(self.examples[code])}{more}")
        if self.retries:
            out.append(f"  {self.retries:,} requests were sent again")
        if self.gave_up:
            out.append(f"  not finished: {self.gave_up}")
        return out


def _named(refused: list[Refused]) -> str:
    """Lines by number; what several have in common is said once."""
    by_detail: dict[str, list[str]] = {}
    for line in refused:
        by_detail.setdefault(line.detail, []).append(str(line.number))
    return "; ".join(
        f"line{_s(len(numbers))} {', '.join(numbers)}{f' ({detail})' if detail else ''}" for detail, numbers in by_detail.items()
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"
