"""Frames of a Linky's TIC: records of `tic.frames`."""

from dataclasses import dataclass
from typing import Any

from schemas import avro, topics

Value = int | str | None


@dataclass(frozen=True, slots=True)
class TicLabel:
    """One accepted group."""

    label: str
    value: Value
    at_s: int | None = None
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class TicStatus:
    """STGE by name."""

    contact_open: bool
    breaker: str
    cover_open: bool
    over_voltage: bool
    over_power: bool
    producer: bool
    energy_negative: bool
    supplier_index: int
    distributor_index: int
    clock_degraded: bool
    standard_mode: bool
    euridis: str
    plc: str
    plc_synchronised: bool
    tempo_today: str
    tempo_tomorrow: str
    peak_announced: int
    peak_running: int


@dataclass(frozen=True, slots=True)
class TicSwitch:
    """One change of a day's profile."""

    minute: int
    supplier_index: int | None
    virtual_closed: int
    contact: str


@dataclass(frozen=True, slots=True)
class TicLink:
    """The line's quality while the frame came."""

    characters: int
    bad_characters: int
    discarded_frames: int
    stray_characters: int


@dataclass(frozen=True, slots=True)
class TicRejected:
    """One group that was refused."""

    raw: bytes
    label: str
    code: str


@dataclass(frozen=True, slots=True)
class TicFrame:
    """As in tic_frame.avsc."""

    meter_id: str
    boot_id: str
    counter: int
    meter_at_s: int | None
    clock_degraded: bool
    received_at_ms: int
    clock_synchronised: bool
    monotonic_ms: int
    mode: str
    labels: list[TicLabel]
    status: TicStatus | None
    relays_closed: int | None
    tomorrow: list[TicSwitch] | None
    peak_day: list[TicSwitch] | None
    link: TicLink
    rejected: list[TicRejected]

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return self.meter_id.encode(), avro.header(schema_id) + self.body()

    def body(self) -> bytes:
        """What stands behind the schema's id in a value: Avro by the schema of this build."""
        return avro.encode_body(topics.TIC_FRAMES, _plain(self))


def _plain(value: Any) -> Any:
    """Records as dicts, all the way down: `dataclasses.asdict` copies every value as well and takes three times as long."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    names = getattr(value, "__slots__", None)
    return {name: _plain(getattr(value, name)) for name in names} if names else value


def decode_frame(value: bytes | None, schema_of: avro.SchemaOf) -> TicFrame:
    """One value of the topic.

    Raises:
        WireError: it is none.
        RegistryUnavailable: a schema id is new and the registry cannot be asked; nothing is lost, try again.
    """
    return of_record(avro.decode(topics.TIC_FRAMES, value, schema_of))


def of_record(record: dict[str, Any]) -> TicFrame:
    """A record of tic_frame.avsc as fastavro reads it."""
    return TicFrame(
        **record
        | {
            "labels": [TicLabel(**label) for label in record["labels"]],
            "status": TicStatus(**record["status"]) if record["status"] else None,
            "tomorrow": _switches(record["tomorrow"]),
            "peak_day": _switches(record["peak_day"]),
            "link": TicLink(**record["link"]),
            "rejected": [TicRejected(**one) for one in record["rejected"]],
        }
    )


def _switches(found: list[dict[str, Any]] | None) -> list[TicSwitch] | None:
    return None if found is None else [TicSwitch(**one) for one in found]


def meter_of(body: bytes) -> str:
    """The meter of an Avro body, whose first field it is."""
    length = shift = at = 0
    while True:
        byte = body[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return body[at : at + (length >> 1)].decode()
