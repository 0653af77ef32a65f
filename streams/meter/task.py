"""What one run of the meter is computed from: plain values, the same wherever they were read."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.90
"""Of the half-widths, when the settings say nothing else."""


READY, DONE, FAILED = "ready", "done", "failed"
"""What a process that computes has to say: it can begin; a run's result; why a run has none."""


class RunFailed(Exception):
    """A run that cannot give any result; the sentence says what came, what was expected, and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """n records by rising start; a record ends where the next begins, so the last one only closes the series.

    Attributes:
        start_us: shape (n,), microseconds since 1970, UTC.
        value: shape (n,), NaN: none.
        estimated: shape (n,).
    """

    start_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    estimated: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, start_us: Any = (), value: Any = (), estimated: Any = None) -> Self:
        """Take sequences; of records with one start the last stays."""
        starts = np.asarray(start_us, np.int64)
        values = np.array([np.nan if v is None else v for v in value], np.float64) if isinstance(value, list) else value
        flags = np.zeros(len(starts), np.bool_) if estimated is None else np.asarray(estimated, np.bool_)
        order = np.argsort(starts, kind="stable")
        starts = starts[order]
        kept = order[np.append(starts[1:] != starts[:-1], True)[: len(starts)]]
        return cls(np.asarray(start_us, np.int64)[kept], np.asarray(values, np.float64)[kept], flags[kept])

    def __len__(self) -> int:
        return len(self.start_us)

    def feed(self, digest: "hashlib._Hash") -> None:
        """Add every byte of the records to a digest; a missing value is the same whatever NaN stands for it."""
        value = np.where(np.isnan(self.value), np.nan, self.value)
        for column in (self.start_us.astype("<i8"), value.astype("<f8"), self.estimated.astype("u1")):
            digest.update(len(column).to_bytes(8, "big") + column.tobytes())


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace: interpretation and unit as in the contract, and its records."""

    pk: int
    interpretation: str
    unit: str
    records: Columns


@dataclass(frozen=True, slots=True)
class Weather:
    """Temperatures of one station.

    Attributes:
        unit: DEGC or DEGF.
        timezone: of the station.
        observed: as measured.
        normal: a normal year; empty: the mean of all observed years stands for it.
    """

    station: int
    station_id: str
    unit: str
    timezone: str
    observed: Columns
    normal: Columns


@dataclass(frozen=True, slots=True)
class Project:
    """A building; times in microseconds since 1970, UTC.

    Attributes:
        timezone: IANA name; None: the station's, and without a station UTC.
    """

    pk: int
    project_id: str
    baseline_period_end_us: int | None
    reporting_period_start_us: int | None
    zipcode: str | None = None
    timezone: str | None = None

    def periods(self) -> tuple[int, int]:
        """The end of the baseline, and the start of the reporting period: never before it.

        Raises:
            RunFailed: the project says neither when the baseline ends.
        """
        end = self.baseline_period_end_us
        if end is None:
            raise RunFailed(
                f"project {self.project_id} has no baseline_period_end: nothing tells which usage is from before the retrofit; "
                "set it and run again"
            )
        return end, max(end, self.reporting_period_start_us or end)


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """What a caller may choose.

    Attributes:
        subdaily_model: of traces metered every hour or more often: "daily" or "hourly".
        confidence_level: of the half-widths.
        ignore_disqualification: model what is not sufficient, too.
    """

    subdaily_model: str = "daily"
    confidence_level: float = CONFIDENCE
    ignore_disqualification: bool = False

    @classmethod
    def of(cls, given: Any) -> Self:
        """Read `meter_settings`; what the meter does not know is left alone.

        Raises:
            RunFailed: a value it knows is of no use.
        """
        if not isinstance(given, dict):
            return cls()
        known = {name: given[name] for name in cls.__slots__ if given.get(name) is not None}
        level, model = known.get("confidence_level", CONFIDENCE), known.get("subdaily_model", "daily")
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise RunFailed(f"confidence_level {level!r} came in meter_settings; expected a number between 0 and 1, as 0.9")
        if model not in ("daily", "hourly"):
            raise RunFailed(f"subdaily_model {model!r} came in meter_settings; expected daily or hourly")
        if not isinstance(known.get("ignore_disqualification", False), bool):
            raise RunFailed("ignore_disqualification in meter_settings is neither true nor false")
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Task:
    """One run, complete.

    Attributes:
        run: its primary key; all ids in the result derive from it.
        meter_settings: as the caller sent them.
        weather: None: no station serves the project.
        as_of: next offset by topic; what stands before it was seen.
    """

    run: int
    project: Project
    meter_class: str
    meter_settings: Any
    traces: tuple[Trace, ...]
    weather: Weather | None
    as_of: dict[str, int] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of all that the result depends on, besides the versions of the programs."""
        digest = hashlib.sha256()

        def text(value: Any) -> None:
            encoded = json.dumps(value, sort_keys=True).encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)

        text([asdict(self.project), self.meter_class, self.meter_settings])
        for trace in self.traces:
            text([trace.pk, trace.interpretation, trace.unit])
            trace.records.feed(digest)
        if self.weather is not None:
            text([self.weather.station, self.weather.station_id, self.weather.unit, self.weather.timezone])
            self.weather.observed.feed(digest)
            self.weather.normal.feed(digest)
        return digest.hexdigest()
