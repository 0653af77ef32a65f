"""Speed and parity of a line are found by what gives right frames; the clock is moved by hand."""

import pytest

from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, Event
from producers.tic.labels import Mode
from producers.tic.rules import LINE, LINE_WITHOUT_PARITY
from producers.tic.tuning import BAD_AFTER_S, Opening, Patience, Speeds, Trouble, is_right
from tests.tic import GOLDEN, framed, heard, historic, standard

STANDARD = (GOLDEN / "frames" / "std_mono_hchp.tic").read_bytes()
HISTORIC = (GOLDEN / "frames" / "hist_mono_hc.tic").read_bytes()
SHORT = (GOLDEN / "frames" / "hist_tri_short_adir.tic").read_bytes()
PATIENCE = Patience()


def opening(mode: Mode | None = None, speed: int = 9600, *, known: bool = False) -> Opening:
    return Opening(speed, mode, 0.0, PATIENCE, known=known)


def frames(events: list[Event]) -> int:
    return sum(isinstance(event, DecodedFrame) for event in events)


# ---- parity


@pytest.mark.parametrize("frame", [STANDARD, HISTORIC, SHORT], ids=["standard", "historic", "short"])
def test_a_line_with_parity(frame: bytes) -> None:
    one = opening()
    assert frames(one.feed(with_parity(frame), 0.1)) == 1
    assert one.rules is LINE


def test_an_adapter_without_parity() -> None:
    one = opening()
    assert frames(one.feed(STANDARD, 0.1)) == 1
    assert one.rules is LINE_WITHOUT_PARITY
    assert frames(one.feed(STANDARD * 2, 0.2)) == 2


def test_a_line_with_parity_and_much_noise_is_not_read_without() -> None:
    noisy = bytearray(with_parity(STANDARD))
    for at in range(1, len(noisy) - 1, 7):
        noisy[at] ^= 0x80
    one = opening()
    assert frames(one.feed(bytes(noisy) * 3, 0.1)) == 0
    assert one.rules is None
    assert frames(one.feed(with_parity(STANDARD), 0.2)) == 1
    assert one.rules is LINE


def test_the_cut_does_not_matter() -> None:
    one = opening()
    sent = b"\x03junk" + STANDARD + STANDARD
    assert sum(frames(one.feed(sent[at : at + 1], 0.1)) for at in range(len(sent))) == 2


# ---- what is right


@pytest.mark.parametrize(
    ("frame", "mode", "right"),
    [
        pytest.param(STANDARD, None, True, id="any mode"),
        pytest.param(STANDARD, Mode.STANDARD, True, id="the mode"),
        pytest.param(STANDARD, Mode.HISTORIC, False, id="the other mode"),
        pytest.param(SHORT, Mode.HISTORIC, True, id="the shortest"),
        pytest.param(STANDARD.replace(b"\x03", standard("PRM", "123") + b"\x03"), None, True, id="one group always refused"),
        pytest.param(framed(*[historic("PAPP", "00960")], *[b"\nPAPP 00961 X\r"] * 4), None, False, id="mostly refused"),
    ],
)
def test_a_right_frame(frame: bytes, mode: Mode | None, right: bool) -> None:
    one = opening(mode)
    one.feed(with_parity(frame), 0.1)
    assert (one.rules is not None) is right


def test_a_frame_of_noise_is_no_frame_before_the_line_is_known() -> None:
    mostly_wrong = with_parity(framed(historic("PAPP", "00960"), *[b"\nPAPP 00961 X\r"] * 4))
    one = opening()
    assert frames(one.feed(mostly_wrong, 0.1)) == 0
    one.feed(with_parity(HISTORIC), 0.2)
    assert frames(one.feed(mostly_wrong, 0.3)) == 1  # now it has something to say
    assert not any(is_right(event, None) for event in one.feed(mostly_wrong, 0.4))


# ---- patience


def test_silence() -> None:
    one = opening()
    assert one.trouble(4.9) is None
    assert one.trouble(5.0) is Trouble.SILENT
    one.feed(with_parity(STANDARD), 5.0)
    assert one.trouble(14.9) is None
    assert one.trouble(5.0 + BAD_AFTER_S) is Trouble.SILENT


def test_another_speed_is_garbage() -> None:
    one, now_s = opening(), 0.0
    while one.trouble(now_s) is None:
        now_s += 0.5
        assert frames(one.feed(heard(HISTORIC, 1200, 9600), now_s)) == 0
    assert (one.trouble(now_s), now_s) == (Trouble.GARBAGE, 5.5)


def test_frames_that_come_late_after_a_silence_get_their_time() -> None:
    one = opening()
    one.feed(with_parity(STANDARD), 0.1)
    one.feed(with_parity(STANDARD)[:100], 10.0)  # the first bytes after 9.9 s of silence
    assert one.trouble(10.5) is None
    one.feed(with_parity(STANDARD)[100:], 10.9)
    assert one.trouble(19.0) is None


def test_frames_of_one_label_refused_for_ever_are_no_trouble() -> None:
    newer = with_parity(STANDARD.replace(b"\x03", standard("PRM", "123") + b"\x03"))
    one = opening()
    for second in range(1, 100):
        one.feed(newer, float(second))
        assert one.trouble(second + 0.5) is None


def test_a_speed_that_was_right_before_gets_more_time() -> None:
    one = opening(known=True)
    one.feed(b"\x55" * 9, 0.1)
    assert one.trouble(9.9) is None
    assert one.trouble(10.1) is Trouble.SILENT


# ---- the order of speeds


def test_the_speed_of_an_earlier_start_is_the_first() -> None:
    speeds = Speeds([9600, 1200], 1200)
    assert (speeds.speed, speeds.known) == (1200, True)
    speeds.after(1200, settled=False, trouble=Trouble.SILENT)
    assert (speeds.speed, speeds.known) == (1200, True)
    speeds.after(1200, settled=False, trouble=Trouble.GARBAGE)
    assert (speeds.speed, speeds.known) == (9600, False)
    assert not Speeds([9600], 1200).known


def test_speeds_take_turns_until_one_is_right() -> None:
    speeds = Speeds([9600, 1200])
    tried = []
    for _ in range(4):
        tried.append(speeds.speed)
        speeds.after(speeds.speed, settled=False, trouble=Trouble.GARBAGE)
    assert tried == [9600, 1200, 9600, 1200]


def test_a_speed_that_was_right_is_the_first_to_be_tried_again() -> None:
    speeds = Speeds([9600, 1200])
    speeds.after(9600, settled=False, trouble=Trouble.SILENT)
    speeds.after(1200, settled=True, trouble=Trouble.GARBAGE)
    assert speeds.speed == 1200
    for trouble in (Trouble.SILENT, Trouble.GONE, Trouble.SILENT):
        speeds.after(1200, settled=False, trouble=trouble)
        assert speeds.speed == 1200
    speeds.after(1200, settled=False, trouble=Trouble.GARBAGE)
    assert speeds.speed == 9600


def test_one_speed_stays() -> None:
    speeds = Speeds([1200])
    for trouble in Trouble:
        speeds.after(1200, settled=False, trouble=trouble)
        assert speeds.speed == 1200
