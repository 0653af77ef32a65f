"""Anomalies: intervals in which a rule was broken."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas import avro, topics

POWER, LINKY = "power", "linky"
"""Kinds of sources."""

OPEN, CLOSED, WITHDRAWN = "open", "closed", "withdrawn"
"""States."""

NOTICE, WARNING, SEVERE = "notice", "warning", "severe"
"""Severities."""


@dataclass(frozen=True, slots=True)
class AnomalySecond:
    """One probe-second beside the worst moment; as in anomaly.avsc, packed."""

    timestamp_s: int
    probe_id: int
    power_mw: bytes
    pf_pct: bytes
    voltage_mv: bytes

    def lists(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int32]]:
        """Power in mW and power factor in percent, n samples each; voltage in mV, n or one."""
        return np.frombuffer(self.power_mw, "<i4"), np.frombuffer(self.pf_pct, "i1"), np.frombuffer(self.voltage_mv, "<i4")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """As in anomaly.avsc."""

    id: str
    rule: str
    kind: str
    source: str
    phase: int
    start_us: int
    end_us: int | None
    last_us: int
    state: str
    final: bool
    severity: str
    unit: str
    worst: int
    limit: int
    ieee1159: str = ""
    en50160: str = ""
    details: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[AnomalySecond, ...] = ()
    log_partition: int = 0
    version: int = 0

    @property
    def duration_us(self) -> int:
        """How long it lasted, or has lasted so far."""
        return (self.last_us if self.end_us is None else self.end_us) - self.start_us

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return self.id.encode(), avro.encode(topics.ANOMALIES, schema_id, asdict(self))


def anomaly_id(rule: str, kind: str, source: str, phase: int, start_us: int) -> str:
    """The id of what began then: a replay gives it the same one."""
    return hashlib.blake2b(f"{rule}\n{kind}\n{source}\n{phase}\n{start_us}".encode(), digest_size=16).hexdigest()


def decode_anomaly(value: bytes | None, schema_of: avro.SchemaOf) -> Anomaly:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    record: dict[str, Any] = avro.decode(topics.ANOMALIES, value, schema_of)
    samples = tuple(AnomalySecond(**one) for one in record.pop("samples"))
    return Anomaly(**record, samples=samples)
