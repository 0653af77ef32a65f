"""Bodies of POST /powermon/tic: frames as JSON, in the shape of schemas/tic_frame.avsc. Bytes in, frames or a refusal out."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

import msgspec
from msgspec import Meta, Struct

from producers.gateway.members import RejectedError, kind, member, no, top_level, without_tokens, wrong_type
from producers.gateway.verdict import MISSING, Admission, Rejection
from streams.catalog.values import AT_MS_END, METER_NAME

FRAMES_MAX = 600

_Int = Annotated[int, Meta(ge=0, lt=1 << 31)]
_Long = Annotated[int, Meta(ge=0, lt=1 << 53)]
_Second = Annotated[int, Meta(ge=0, lt=AT_MS_END // 1000)]
_Number = Annotated[int, Meta(gt=-(1 << 53), lt=1 << 53)]
_Words = Annotated[str, Meta(max_length=512, pattern=r"\A[\x20-\x7e]*\Z")]
_Word = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,32}\Z")]
_Label = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,16}\Z")]
_Mask = Annotated[int, Meta(ge=0, le=255)]


class TicLabel(Struct):
    """One accepted group."""

    label: _Label
    value: _Number | _Words | None
    at_s: _Second | None = None
    degraded: bool = False


class TicStatus(Struct):
    """STGE by name."""

    contact_open: bool
    breaker: _Word
    cover_open: bool
    over_voltage: bool
    over_power: bool
    producer: bool
    energy_negative: bool
    supplier_index: _Mask
    distributor_index: _Mask
    clock_degraded: bool
    standard_mode: bool
    euridis: _Word
    plc: _Word
    plc_synchronised: bool
    tempo_today: _Word
    tempo_tomorrow: _Word
    peak_announced: _Mask
    peak_running: _Mask


class TicSwitch(Struct):
    """One change of a day's profile."""

    minute: Annotated[int, Meta(ge=0, lt=1440)]
    supplier_index: _Mask | None
    virtual_closed: _Mask
    contact: _Word


class TicLink(Struct):
    """The line's quality while the frame came."""

    characters: _Int
    bad_characters: _Int
    discarded_frames: _Int
    stray_characters: _Long


class TicRejected(Struct):
    """One group that the reader refused; its bytes in base64."""

    raw: Annotated[bytes, Meta(max_length=4096)]
    label: Annotated[str, Meta(pattern=r"\A[\x20-\x7e]{0,16}\Z")]
    code: _Word


_Switches = Annotated[list[TicSwitch], Meta(max_length=64)]


class TicFrame(Struct):
    """One frame; its identity is (meter_id, boot_id, counter). Members that are null may be left out."""

    meter_id: Annotated[str, Meta(pattern=rf"\A({METER_NAME})\Z")]
    boot_id: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,64}\Z")]
    counter: _Long
    clock_degraded: bool
    received_at_ms: Annotated[int, Meta(ge=0, lt=AT_MS_END)]
    clock_synchronised: bool
    monotonic_ms: _Long
    mode: Literal["standard", "historic"]
    labels: Annotated[list[TicLabel], Meta(max_length=200)]
    link: TicLink
    rejected: Annotated[list[TicRejected], Meta(max_length=200)]
    meter_at_s: _Second | None = None
    status: TicStatus | None = None
    relays_closed: _Mask | None = None
    tomorrow: _Switches | None = None
    peak_day: _Switches | None = None

    def record(self) -> dict[str, Any]:
        """As the Avro record."""
        made: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(bytes,))
        return made


@dataclass(frozen=True, slots=True)
class RejectedFrame:
    """One frame that was not taken."""

    index: int
    rejection: Rejection


class Frames(NamedTuple):
    """An accepted envelope; its frames may still all be rejected."""

    meter_id: str
    refresh: bool
    frames: list[TicFrame]
    rejected: list[RejectedFrame]


AdmitMeter = Callable[[Any, str | None], tuple[str, Admission] | Rejection]
"""Whose token it is and whether it may send: (the body's member `token` or MISSING, the header's token or None)."""


def judge(body: bytes, admit: AdmitMeter, header_token: str | None) -> Frames | Rejection:
    """Judge a body.

    Args:
        body: after decompression.
        admit: checks the token.
        header_token: of the Authorization header.
    """
    meter_id: str | None = None
    try:
        top = top_level(body)
        admitted = admit(top.get("token", MISSING), header_token)
        if isinstance(admitted, Rejection):
            return admitted
        meter_id, admission = admitted
        found = Frames(meter_id, admission.refresh, [], [])
        for index, one in enumerate(_frames_of(top)):
            try:
                frame = frame_of(one)
                if frame.meter_id != meter_id:
                    _of_another(index, meter_id)
                found.frames.append(frame)
            except RejectedError as error:
                if error.rejection.status == 403:
                    raise
                found.rejected.append(RejectedFrame(index, error.rejection))
        return found
    except RejectedError as error:
        return replace(error.rejection, sensor_id=meter_id)


def _frames_of(top: dict[str, Any]) -> list[Any]:
    frames = member(top, "frames", "")
    if not isinstance(frames, list):
        wrong_type("frames", frames, "an array")
    if not frames:
        no("out_of_range", "frames", f"0 frames came; expected 1 to {FRAMES_MAX}")
    if len(frames) > FRAMES_MAX:
        raise RejectedError(413, "body_too_large", "frames", f"{len(frames)} frames came; expected at most {FRAMES_MAX}")
    return frames


def _of_another(index: int, meter_id: str) -> NoReturn:
    detail = f"frame {index} is of another meter than the token, which speaks for {meter_id}"
    raise RejectedError(403, "token_sensor_mismatch", f"frames[{index}].meter_id", detail)


_MISSING = re.compile(r"missing required field `(\w+)`")
_PATH = re.compile(r"`\$\.?([^`]*)`\Z")
_TYPE = re.compile(r"Expected `[^`]*`, got `")


def frame_of(value: Any) -> TicFrame:
    """One member of `frames`.

    Raises:
        RejectedError: it is no frame.
    """
    if not isinstance(value, dict):
        no("not_an_object", None, f"{kind(value)} came; expected an object")
    try:
        return msgspec.convert(value, TicFrame)
    except msgspec.ValidationError as error:
        said = str(error)
    except UnicodeEncodeError:
        no("out_of_range", None, "text with half a surrogate pair came; expected text that can be written")
    return _refuse(said)


def _refuse(said: str) -> NoReturn:
    """In our words what msgspec found."""
    path = _PATH.search(said)
    at = path[1] if path is not None else ""
    missing = _MISSING.search(said)
    if missing is not None:
        field = f"{at}.{missing[1]}" if at else missing[1]
        no("missing_field", field, f"there is no {field}; it is required")
    words = without_tokens(said.partition(" - at ")[0])[:200]
    no("wrong_type" if _TYPE.match(said) else "out_of_range", at or None, words)
