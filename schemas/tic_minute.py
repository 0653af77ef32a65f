"""Minutes of a Linky: records of `tic.minutes`."""

from dataclasses import asdict, dataclass
from typing import Any

from schemas import avro, topics
from schemas.units import MINUTE_S

_SECONDS_END = 1 << 32


@dataclass(frozen=True, slots=True)
class TicPhase:
    """One phase's voltage or current."""

    frames: int
    sum: int
    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class TicIndex:
    """One index of active energy."""

    label: str
    first_wh: int
    last_wh: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class TicMinute:
    """As in tic_minute.avsc."""

    meter_id: str
    minute_s: int
    version: int
    frames: int
    seconds_mask: int
    apparent_frames: int
    apparent_sum_va: int
    apparent_min_va: int | None
    apparent_max_va: int | None
    injected_max_va: int | None
    voltages: list[TicPhase]
    currents: list[TicPhase]
    tariff: int
    tariff_name: str
    indexes: list[TicIndex]
    drawn_wh: int
    injected_wh: int
    contract_va: int
    tempo_today: str
    tempo_tomorrow: str
    over_power: bool
    clock_degraded: bool
    characters: int
    bad_characters: int
    rejected_groups: int
    discarded_frames: int
    lost_frames: int
    quarantined: int

    def message(self, header: bytes) -> tuple[bytes, bytes]:
        """As (key, value) for the topic.

        Args:
            header: `avro.header` of the schema's id.
        """
        return self.meter_id.encode(), header + avro.encode_body(topics.TIC_MINUTES, asdict(self))


def decode_minute(value: bytes | None, schema_of: avro.SchemaOf) -> TicMinute:
    """One value of the topic.

    Raises:
        WireError: it is none.
        RegistryUnavailable: a schema id is new and the registry cannot be asked; nothing is lost, try again.
    """
    record: dict[str, Any] = avro.decode(topics.TIC_MINUTES, value, schema_of)
    minute = TicMinute(
        **record
        | {
            "voltages": [TicPhase(**one) for one in record["voltages"]],
            "currents": [TicPhase(**one) for one in record["currents"]],
            "indexes": [TicIndex(**one) for one in record["indexes"]],
        }
    )
    if not 1 <= len(minute.meter_id) <= 64 or minute.version < 0:
        raise avro.WireError(
            f"meter {minute.meter_id[:40]!r}, version {minute.version}; expected 1 to 64 characters and an offset"
        )
    if minute.minute_s % MINUTE_S or not 0 <= minute.minute_s < _SECONDS_END:
        raise avro.WireError(f"minute_s is {minute.minute_s}; expected the start of a minute in seconds since 1970")
    return minute
