"""Noise, garbage, the wrong speed: never a crash, never a value that the bytes themselves could have given away."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, Decoder, Event, decode, frame_json
from producers.tic.groups import label_of
from producers.tic.labels import LABELS, Mode
from producers.tic.quality import OTHER, LinkQuality
from producers.tic.rules import CONTRACT, LINE
from tests.tic import FRAMES, flipped, framed, heard, standard

SENT = {path.stem: with_parity(path.read_bytes()) for path in FRAMES}
TRUE = {
    name: frame_json(event) for name, sent in SENT.items() for event in decode([sent], LINE) if isinstance(event, DecodedFrame)
}
LINE_ENDS = re.compile(rb"[\n\x8d]")
"""LF and CR with their parity."""


def frames(events: list[Event]) -> list[DecodedFrame]:
    return [event for event in events if isinstance(event, DecodedFrame)]


@given(
    st.sampled_from(sorted(SENT)), st.integers(0, 2**32), st.sampled_from([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5]), st.integers(1, 3)
)
@settings(max_examples=150, deadline=None)
def test_bit_flips_at_any_rate(name: str, seed: int, rate: float, times: int) -> None:
    damaged = flipped(SENT[name] * times, rate, np.random.default_rng(seed))
    for frame in frames(list(decode([damaged], LINE))):
        assert frame.raw in damaged
        for label, group in frame.groups.items():
            known = LABELS[frame.mode].get(label)
            # Whatever passed has the right parity, checksum, length and form: found again in the damaged bytes.
            pieces = LINE_ENDS.split(frame.raw)
            own = [bytes(b & 0x7F for b in piece) for piece in pieces if all(b.bit_count() % 2 == 0 for b in piece)]
            mine = [piece for piece in own if label_of(piece) == label]
            assert mine
            if known is not None and isinstance(group.value, int):
                assert len(str(group.value)) <= known.chars


@pytest.mark.parametrize("name", sorted(SENT))
def test_no_single_flip_gives_a_wrong_value(name: str) -> None:
    sent, true, decoder = SENT[name], TRUE[name], Decoder(LINE)
    for bit in range(0, 8 * len(sent), 1 if len(sent) < 900 else 5):
        damaged = bytearray(sent)
        damaged[bit // 8] ^= 1 << bit % 8
        for frame in frames(decoder.feed(bytes(damaged)) + decoder.end()):
            assert frame_json(frame).items() <= true.items()
            assert len(true) - len(frame.groups) <= 2 or len(frame.raw) < len(sent) - 2


@pytest.mark.parametrize("name", sorted(SENT))
def test_half_frames(name: str) -> None:
    sent, true, decoder = SENT[name], TRUE[name], Decoder(LINE)
    for at in range(0, len(sent), 3):
        found = frames(decoder.feed(sent[at:] + sent[:at]) + decoder.feed(sent))
        assert frame_json(found[-1]) == true
        for frame in found:
            assert frame_json(frame).items() <= true.items()


@pytest.mark.parametrize(("sent_baud", "port_baud"), [(1200, 9600), (9600, 1200), (9600, 2400), (1200, 4800), (1200, 2400)])
def test_the_wrong_speed_gives_nothing(sent_baud: int, port_baud: int) -> None:
    for path in FRAMES:
        data = path.read_bytes() * 2
        assert frames(list(decode([heard(data, sent_baud, port_baud)], LINE))) == []


def test_the_right_speed_gives_the_frame() -> None:
    for path in FRAMES:
        (found,) = frames(list(decode([heard(path.read_bytes(), 1200, 1200)], LINE)))
        assert frame_json(found) == TRUE[path.stem]


def test_a_port_without_parity_gives_no_line() -> None:
    for path in FRAMES:
        assert all(frame_json(f).items() <= TRUE[path.stem].items() for f in frames(list(decode([path.read_bytes()], LINE))))


@given(st.binary(max_size=2000))
@settings(max_examples=300, deadline=None)
def test_garbage_never_harms_the_next_frame(garbage: bytes) -> None:
    for rules in (CONTRACT, LINE):
        found = frames(list(decode([garbage + SENT["hist_mono_hc"]], rules)))
        assert frame_json(found[-1]) == TRUE["hist_mono_hc"]


def test_the_quality_of_a_line_is_counted_by_label() -> None:
    quality = LinkQuality()
    assert quality.share_accepted() is None
    bad = standard("EASF01", "000000001").replace(b"0001", b"0002")
    odd = standard("SINST1", "01187")
    line = b"xx" + framed(standard("EAST", "000000001"), bad, odd) + b"\x02\x02\x03" + framed(standard("EAST", "000000001"))
    for event in decode([line], CONTRACT):
        quality.add(event)
    assert (quality.frames, quality.whole, quality.stray_characters) == (2, 1, 2)
    assert quality.accepted == {"EAST": 2, OTHER: 1}
    assert quality.rejected == {("EASF01", "checksum"): 1}
    assert quality.discarded == {"restarted": 1, "nothing right": 1}
    assert quality.share_accepted() == 0.75


@given(st.binary(max_size=3000))
@settings(deadline=None)
def test_noise_makes_no_counters_without_end(garbage: bytes) -> None:
    quality = LinkQuality()
    for event in decode([b"\x02\nPAPP 00960 0\r" + garbage.replace(b"\x02", b"") + b"\x03"]):
        quality.add(event)
    known = {label for mode in Mode for label in LABELS[mode]} | {OTHER, "?"}
    assert {label for label, _ in quality.rejected} | set(quality.accepted) <= known
