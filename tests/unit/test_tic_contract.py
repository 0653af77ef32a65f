"""The decode contract written down once more, character by character, without speed: both must say the same."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.bytes import with_parity
from producers.tic.decode import capture_json
from producers.tic.labels import LABELS, Mode
from tests.tic import CAPTURES, FRAMES, cut, flipped, framed, historic, standard

BAD = "\u2047"


def plainly(data: bytes) -> dict[str, object]:
    """R1 to R9."""
    text = "".join(BAD if b > 127 and b.bit_count() % 2 else chr(b & 127) for b in data)
    frames, rejected, discarded, modes = [], 0, 0, []
    inside: str | None = None
    for character in text + "\x00":
        if inside is None:
            inside = "" if character == "\x02" else None
        elif character == "\x03":
            groups = [one for one in re.split("[\r\n]", inside) if one]
            entries = [entry for entry in map(group, groups) if entry]
            frames += [{label: value for label, value, _ in entries}] if entries else []
            rejected += len(groups) - len(entries) if entries else 0
            discarded += not entries
            modes += {label: mode for label, _, mode in entries}.values()
            inside = None
        elif character in "\x02\x04":
            discarded += 1
            inside = "" if character == "\x02" else None
        else:
            inside += character
            if len(inside) > 4096:
                discarded += 1
                inside = None
    discarded += inside is not None
    mode = max(("standard", "historic"), key=modes.count) if modes else None
    return {"mode": mode, "frames": frames, "rejected_groups": rejected, "discarded_frames": discarded}


def group(piece: str) -> tuple[str, dict[str, object], str] | None:
    stamp: str | None = None
    if "\t" in piece:
        mode, parts = "standard", piece.split("\t")
        if len(parts) not in (3, 4) or len(parts[-1]) != 1:
            return None
        label, *between, data, check = parts
        stamp, summed = (between or [None])[0], piece[:-1]
    else:
        mode, found = "historic", re.fullmatch("([^ ]*) (.*) (.)", piece, re.DOTALL)
        if found is None:
            return None
        label, data, check = found.groups()
        summed = f"{label} {data}"
    if any(not " " <= c <= "~" for c in piece if c != "\t"):
        return None
    if chr((sum(map(ord, summed)) & 0x3F) + 0x20) != check or not re.fullmatch("[A-Z0-9+-]{1,9}", label):
        return None
    known = LABELS[Mode(mode)].get(label)
    kind = known.kind.value if known else "text"
    value: object = None
    if data.strip(" "):
        if not re.fullmatch({"int": "[0-9]+", "bitfield": "[0-9A-F]+"}.get(kind, ".*"), data):
            return None
        value = {"int": lambda: int(data), "bitfield": lambda: data, "text": lambda: data.strip(" "), "horodate": lambda: None}[
            kind
        ]()
    entry: dict[str, object] = {"value": value, "horodate": time_of(stamp or "")}
    if (stamp or "")[:1] in ("h", "e"):
        entry["degraded"] = True
    return label, entry, mode


def time_of(stamp: str) -> str | None:
    if not re.fullmatch("[HEhe ][0-9]{12}", stamp):
        return None
    try:
        local = datetime.strptime("20" + stamp[1:], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    paris = ZoneInfo("Europe/Paris")
    offset = local.replace(tzinfo=paris).utcoffset()
    hours = {"h": 1, "e": 2}.get(stamp[0].lower())
    utc = local - (offset if hours is None else timedelta(hours=hours))  # type: ignore[operator]
    if hours is None and utc.replace(tzinfo=ZoneInfo("UTC")).astimezone(paris).replace(tzinfo=None) != local:
        return None
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ")


characters = st.text(st.sampled_from("0123456789ABFHh e\t\rq\x7f"), max_size=14)
labels = st.sampled_from([label for mode in Mode for label in LABELS[mode]] + ["", "NEW", "low", "ABCDEFGHIJ"])
stamps = st.one_of(st.none(), characters, st.from_regex(r"[HEhe x][0-9]{6}[0-2][0-9][0-5][0-9]{3}", fullmatch=True))
right = st.builds(standard, labels, characters, stamps) | st.builds(historic, labels, characters)
noise = st.binary(max_size=20) | st.sampled_from([b"\x02", b"\x03", b"\x04", b"\r", b"\n", b"\t", b" ", b"A" * 4096])
lines = st.lists(right | noise | st.lists(right, max_size=6).map(lambda groups: framed(*groups)), max_size=8).map(b"".join)


@given(lines, st.booleans(), st.lists(st.integers(0, 5000), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_input(line: bytes, parity: bool, at: list[int]) -> None:
    sent = with_parity(bytes(b & 0x7F for b in line)) if parity else line
    assert capture_json(cut(sent, at)) == plainly(sent)


@given(st.lists(st.sampled_from(FRAMES + CAPTURES), max_size=4), st.integers(0, 2**32), st.sampled_from([1e-4, 1e-3, 1e-2]))
@settings(max_examples=60, deadline=None)
def test_damaged_frames(paths: list[object], seed: int, rate: float) -> None:
    sent = b"".join(path.read_bytes() for path in paths)  # type: ignore[attr-defined]
    for line in (sent, with_parity(sent)):
        damaged = flipped(line, rate, np.random.default_rng(seed)) if line else line
        assert capture_json([damaged]) == plainly(damaged)
