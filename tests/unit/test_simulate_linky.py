"""A simulated Linky says what it means: every frame decodes to its truth, and its registers hold what the power adds up to."""

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulate.linky import hours
from producers.simulate.linky.contract import Contract, Tariff
from producers.simulate.linky.faults import BAD, Faults
from producers.simulate.linky.line import Line, Sent, truth
from producers.simulate.linky.load import TANGENT
from producers.simulate.linky.meter import Meter
from producers.tic.decode import DecodedFrame, Decoder, decode
from producers.tic.labels import LABELS, Mode
from producers.tic.record import Received, record
from producers.tic.rules import CONTRACT, LINE
from producers.tic.stge import status
from streams.core.tic_integrity import Indexes, check
from tests.tic import cut

CONTRACTS = [
    Contract(7, 0, mode, tariff, phases, producer)
    for mode, tariff, phases, producer in product(Mode, Tariff, (1, 3), (False, True))
]


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


BEGIN_S, END_S = utc("2025-01-04"), utc("2025-11-20")
TIMES = st.one_of(
    st.integers(BEGIN_S, END_S),
    st.sampled_from([utc("2025-10-26T00:59:50"), utc("2025-03-30T00:59:50"), utc("2025-06-30T21:59:55")]),
)


@cache
def meter(contract: Contract) -> Meter:
    return Meter(contract)


def said(sent: Sent) -> dict[str, object]:
    return {one.label: (one.value, one.at_s, one.degraded) for one in sent.said}


def read(frame: DecodedFrame) -> dict[str, object]:
    return {group.label: (group.value, group.at_s, group.degraded) for group in frame.groups.values()}


# ---- what it says


@settings(max_examples=25)
@given(st.sampled_from(CONTRACTS), TIMES, st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([LINE, CONTRACT]))
def test_every_frame_decodes_to_what_the_meter_means(contract: Contract, at_s: int, cuts: list[int], rules: object) -> None:
    sent = list(islice(Line(contract, at_s), 12))
    events = list(decode(cut(b"".join(one.data for one in sent), cuts), rules))  # type: ignore[arg-type]
    frames = [event for event in events if isinstance(event, DecodedFrame)]
    assert [read(frame) for frame in frames] == [said(one) for one in sent]
    assert [list(frame.groups) for frame in frames] == [[one.label for one in each.said] for each in sent]
    assert [frame.rejected for frame in frames] == [()] * 12
    assert {frame.mode for frame in frames} == {contract.mode}


@pytest.mark.parametrize("contract", CONTRACTS[:: len(Tariff) + 1], ids=str)
def test_labels_come_in_the_order_of_the_tables_and_fit_the_phases(contract: Contract) -> None:
    order = list(LABELS[contract.mode])
    other = "three-phase" if contract.phases == 1 else "single-phase"
    for sent in islice(Line(contract, utc("2025-01-14T18:00:00")), 5):
        labels = [one.label for one in sent.said]
        assert labels == sorted(labels, key=order.index)
        assert not [label for label in labels if LABELS[contract.mode][label].phases == other]
        assert any(LABELS[contract.mode][label].producer for label in labels) == (
            contract.producer and contract.mode is Mode.STANDARD
        )


def test_frames_take_as_long_as_their_characters() -> None:
    for contract in (Contract(), Contract(mode=Mode.HISTORIC)):
        for one, following in pairwise(islice(Line(contract, END_S), 20)):
            assert one.end_s - one.begin_s == pytest.approx(len(one.data) * 10 / contract.baud)
            assert 0.0167 <= following.begin_s - one.end_s <= 0.0334
    assert next(Line(Contract(), END_S + 60)).next_s - END_S - 60 == pytest.approx(0.926, abs=0.001)  # 865 characters and the gap


def test_both_hours_of_the_autumn_night_have_their_letter() -> None:
    line = Line(Contract(), utc("2025-10-26T00:59:50"))
    dates = [next(one.horodate for one in sent.said if one.label == "DATE") for sent in islice(line, 20)]
    assert dates[0] == "E251026025950"
    assert dates[-1].startswith("H25102602000")  # type: ignore[union-attr]
    assert {date[0] for date in dates if date} == {"E", "H"}


# ---- what it measures


@pytest.mark.parametrize("contract", [Contract(3), Contract(3, phases=3), Contract(3, 1, producer=True, phases=3)], ids=str)
def test_indexes_integrate_the_power(contract: Contract) -> None:
    begin_s = utc("2025-06-21T09:58:30")
    first, drawn_ws, injected_ws = Meter(contract).at(begin_s), 0, 0
    for at_s in range(begin_s, begin_s + 3700):
        now = meter(contract).at(at_s)
        assert abs((now.drawn_wh - first.drawn_wh) - drawn_ws / 3600) <= 1
        assert abs((now.injected_wh - first.injected_wh) - injected_ws / 3600) <= 1
        power_w = sum(now.power_w)
        drawn_ws, injected_ws = drawn_ws + max(power_w, 0), injected_ws + max(-power_w, 0)
    assert drawn_ws + injected_ws > 0


@settings(max_examples=20)
@given(st.sampled_from(CONTRACTS), TIMES, st.integers(1, 200_000))
def test_indexes_add_up_never_fall_and_a_meter_started_again_goes_on(contract: Contract, at_s: int, later_s: int) -> None:
    one = meter(contract).at(at_s)
    assert sum(one.supplier_wh) == sum(one.grid_wh) == one.drawn_wh
    running = Meter(contract)
    running.at(at_s)
    then, anew = running.at(at_s + later_s), Meter(contract).at(at_s + later_s)
    assert then == anew
    assert all(b >= a for a, b in zip(one.supplier_wh + one.grid_wh, then.supplier_wh + then.grid_wh, strict=True))
    assert then.injected_wh >= one.injected_wh


@pytest.mark.parametrize("contract", CONTRACTS[:: len(Tariff) + 1], ids=str)
def test_no_rule_over_successive_frames_is_broken(contract: Contract) -> None:
    known, decoder = Indexes(), Decoder(LINE)
    for begin in ("2025-10-25T21:59:50", "2025-10-26T00:59:50", "2025-10-27T04:59:50", "2025-10-27T21:29:50"):
        for sent in islice(Line(contract, utc(begin)), 25):
            (event,) = decoder.feed(sent.data)
            assert isinstance(event, DecodedFrame)
            frame = record(event, Received(contract.address, "b", sent.number, 0, True, 0, 0, 0))
            known, broken = check(known, frame, sent.begin_s)
            assert broken == []


def test_the_load_curve_is_the_mean_of_the_power() -> None:
    contract, end_s = Contract(5), utc("2025-03-03T12:30:00")
    mean_w = sum(sum(meter(contract).at(end_s - k).power_w) for k in range(1, 1801)) / 1800
    value, at_s = meter(contract).at(end_s + 60).slow.curve[0]
    assert (value, at_s) == (int(mean_w), end_s)


def test_the_days_highest_is_below_the_highest_second_and_its_stamp_lies_in_the_day() -> None:
    contract, midnight_s = Contract(5), utc("2025-03-02T23:00:00")
    late = meter(contract).at(midnight_s + 86_399).slow
    highest = max(sum(meter(contract).at(midnight_s + s).power_w) for s in range(0, 86_400, 30)) * TANGENT * 1.1
    assert 0 < late.today[0][0] <= highest
    assert midnight_s <= late.today[0][1] < midnight_s + 86_400
    next_day = meter(contract).at(midnight_s + 86_400 + 60).slow
    assert next_day.yesterday[0] == late.today[0] or next_day.yesterday[0][1] == midnight_s + 86_340


@pytest.mark.parametrize(
    ("tariff", "local", "index"),
    [
        pytest.param(Tariff.BASE, "2025-10-27T12:00", 1, id="base has one"),
        pytest.param(Tariff.HCHP, "2025-10-27T06:29", 1, id="night ends at half past six"),
        pytest.param(Tariff.HCHP, "2025-10-27T06:30", 2, id="the day begins"),
        pytest.param(Tariff.HCHP, "2025-07-10T22:29", 2, id="summer time: the day"),
        pytest.param(Tariff.HCHP, "2025-07-10T22:30", 1, id="summer time: the night"),
    ],
)
def test_the_index_follows_local_hours(tariff: Tariff, local: str, index: int) -> None:
    at_s = int(datetime.fromisoformat(local).replace(tzinfo=hours.ZONE).timestamp())
    assert meter(Contract(tariff=tariff)).at(at_s).supplier == index


def test_a_tempo_colour_is_told_the_evening_before_and_holds_from_six_to_six() -> None:
    contract = Contract(2, tariff=Tariff.TEMPO)
    seen = Counter()
    for day in range(12):
        six_s = utc("2025-01-06T05:00:00") + 86_400 * day
        evening, morning, night = (meter(contract).at(six_s + 3600 * h) for h in (-9, 1, 23))
        colour = morning.slow.calendar.today
        assert evening.slow.calendar.tomorrow == colour
        assert (morning.supplier, night.supplier) == (2 * colour, 2 * colour - 1)
        assert evening.slow.calendar.announced == morning.slow.calendar.running == max(colour - 1, 0)
        seen[colour] += 1
    assert len(seen) > 1


def test_an_overload_is_told_in_each_mode() -> None:
    def overload(contract: Contract) -> int:
        begin = utc("2025-01-06T00:00:00")
        return next(s for s in range(begin, END_S, 20) if meter(contract).at(s).drawn_va > 1000 * contract.power_kva)

    standard, single = Contract(4), Contract(4, mode=Mode.HISTORIC)
    three = Contract(4, mode=Mode.HISTORIC, phases=3)
    state = status(dict(said(next(Line(standard, overload(standard)))))["STGE"][0])  # type: ignore[index]
    assert state is not None
    assert state.over_power
    assert "ADPS" in said(next(Line(single, overload(single))))
    frames = [said(sent) for sent in islice(Line(three, overload(three)), 45)]
    assert ["ISOUSC" not in frame for frame in frames[:42]] == ([True] * 20 + [False]) * 2  # 20 short ones, a long one
    assert {label for label in frames[0] if label.startswith("ADIR")}


# ---- what the line does to it


@pytest.mark.parametrize("contract", [Contract(11), Contract(11, mode=Mode.HISTORIC, tariff=Tariff.TEMPO, phases=3)], ids=str)
def test_no_fault_makes_a_value_and_what_is_called_right_arrives(contract: Contract) -> None:
    sent = list(islice(Line(contract, END_S, BAD), 1500))
    meant = {(one.label, one.value, one.at_s) for each in sent for one in each.said}
    frames = [event for event in decode([one.data for one in sent], LINE) if isinstance(event, DecodedFrame)]
    for frame in frames:
        for group in frame.groups.values():
            assert group.at_s is None or (group.label, group.value, group.at_s) in meant
    whole = [read(frame) for frame in frames if not frame.rejected]
    arrived = iter(whole)
    for one in sent:
        if not one.damage:
            wanted = said(one)
            assert any(wanted == frame for frame in arrived), one.number
    kinds = Counter(one.damage for one in sent)
    assert set(kinds) == {"", "noise", "eot", "cut", "wrong speed"}
    assert kinds[""] > 0.5 * len(sent)


def test_the_same_seed_is_the_same_line() -> None:
    first, second = (list(islice(Line(Contract(9), END_S, BAD), 200)) for _ in range(2))
    assert first == second
    assert [one.data for one in first] != [one.data for one in islice(Line(Contract(10), END_S, BAD), 200)]


def test_a_clock_stands_still_and_never_goes_back_and_a_lost_one_says_so() -> None:
    stalled = [
        one for sent in islice(Line(Contract(12), END_S, Faults(stall=0.2)), 200) for one in sent.said if one.label == "DATE"
    ]
    steps = Counter(b.at_s - a.at_s for a, b in pairwise(stalled))  # type: ignore[operator]
    assert min(steps) == 0
    assert steps[0] > 20
    lost = list(islice(Line(Contract(12), END_S, Faults(degraded=1.0)), 3))
    date, stge = (said(lost[0])[label] for label in ("DATE", "STGE"))
    assert date == (None, END_S - 12_600, True)
    assert status(stge[0]).clock_degraded  # type: ignore[index,union-attr]


def test_truth_is_what_was_said() -> None:
    line = Line(Contract(13), END_S, numbered=True)
    next(line)
    told = truth("992662013001", next(line), read=True)
    assert (told["frame"], told["damage"]) == (1, None)
    assert told["groups"]["MSG1"] == ["N1", None, False]
    assert truth("992662013001", next(line), read=False)["damage"] == "unread"
