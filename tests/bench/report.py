"""The table at the end of `make bench`."""

import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.settings import Settings

COLUMNS = ("what", "ours", "other", "ratio", "to reach", "reached", "results")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside another of the same run.

    Attributes:
        ours, other: as a person reads them.
        ratio: ours by other, or the other way round where less is better; more is always better.
        reach: what the ratio should be; None where nothing is promised.
        wrong: how the results differ from what they must be; None: they are right.
    """

    what: str
    ours: str
    other: str
    ratio: float
    reach: float | None
    wrong: str | None

    def cells(self) -> tuple[str, ...]:
        reached = "" if self.reach is None else "yes" if self.ratio >= self.reach else "no"
        reach = "" if self.reach is None else f"{self.reach:g}"
        return self.what, self.ours, self.other, f"{self.ratio:.2f}", reach, reached, self.wrong or "right"


@dataclass(slots=True)
class Report:
    """What was measured so far; the machine's load is noted before anything runs."""

    lines: list[Line] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, what: str, ours: str, other: str, ratio: float, reach: float | None, wrong: str | None) -> None:
        self.lines.append(Line(what, ours, other, ratio, reach, wrong))

    @property
    def title(self) -> str:
        return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}; load {self.load:.1f} when it began"

    def show(self, console: Console) -> None:
        table = Table(title=self.title)
        for name in COLUMNS:
            table.add_column(name, justify="right" if name in ("ours", "other", "ratio", "to reach") else "left")
        for line in self.lines:
            table.add_row(*line.cells())
        console.print(table)

    def write(self) -> Path:
        """Keep it in the cache folder, to read and to compare with. Returns the file of the table."""
        folder = Settings().parts / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        rows = [COLUMNS, ("---",) * len(COLUMNS), *(line.cells() for line in self.lines)]
        text = "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)
        (folder / "latest.md").write_text(f"{self.title}\n\n{text}\n")
        (folder / "latest.json").write_text(json.dumps({"machine": self.title, "figures": self.figures}, indent=1, default=str))
        return folder / "latest.md"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
