"""What receivers are told, and when: one message for an outage, none for what flaps, nothing lost in quiet times."""

from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.anomaly import NOTICE, SEVERE, Anomaly
from streams.core.notices import retry
from streams.core.notices.desk import MEMBERS_MAX
from streams.core.notices.outgoing import KEEP_S
from streams.core.notices.quiet import Span
from streams.core.notices.rules import Place, Rules
from tests.notices import STEPS, World, anomaly, withdrawn

PARIS = ZoneInfo("Europe/Paris")


def world(*log: tuple[float, Anomaly], **rules: object) -> World:
    return World({"ops": Rules(**rules)}, list(log))  # type: ignore[arg-type]


def test_a_hundred_silent_sensors_are_one_message_and_one_when_they_are_back() -> None:
    names = [f"gre{n:06}" for n in range(112)]
    silent = [(7 + n % 20, anomaly(name, n % 20)) for n, name in enumerate(names)]
    back = [(600 + n % 5, anomaly(name, n % 20, 600, final=True)) for n, name in enumerate(names)]
    found = world(*sorted(silent + back, key=lambda one: one[0])).run(700)
    assert found.told() == [("began", 112), ("ended", 112)]
    began, ended = found.documents()
    assert began["start"] == "2027-01-15T08:00:00.000Z"
    assert (began["anomalies"]["open"], len(began["sources"]["named"]), began["end"]) == (112, 20, None)
    assert (ended["group"], ended["anomalies"]["closed"], ended["end"]) == (began["id"], 112, "2027-01-15T08:10:00.000Z")
    at = [second for second, _, _ in found.heard]
    assert at == [26 + 10, 604 + 10]


def test_when_most_are_back_and_the_others_are_not_that_is_told_once() -> None:
    names = [f"gre{n:06}" for n in range(10)]
    back = [(100 + 400 * (n > 5), anomaly(name, 0, 100, final=True)) for n, name in enumerate(names[:8])]
    last = [(2000, anomaly(name, 0, 2000, final=True)) for name in names[8:]]
    found = world(*[(5, anomaly(name)) for name in names], *back, *last).run(2100)
    assert found.told() == [("began", 10), ("partly", 10), ("ended", 10)]
    partly = found.documents()[1]
    assert (partly["anomalies"]["closed"], partly["sources"]["named"]) == (6, names[6:])


def test_what_flaps_or_is_withdrawn_at_once_is_not_told() -> None:
    one = anomaly()
    assert world((5, one), (14, withdrawn(one))).run(200).told() == []
    # Over before it is told: one message, not two.
    assert world((5, one), (9, anomaly(end_s=8))).run(200).told() == [("happened", 1)]


def test_what_was_told_and_then_proves_to_be_none_is_corrected() -> None:
    one, other = anomaly(), anomaly("gre000002", end_s=3)
    found = world((5, one), (40, withdrawn(one))).run(200)
    assert found.told() == [("began", 1), ("withdrawn", 1)]
    found = world((5, other), (90, withdrawn(other))).run(200)
    assert found.told() == [("happened", 1), ("withdrawn", 1)]
    # One of two: the other is final, then it is told.
    found = world(
        (5, other), (5, anomaly("gre000003", end_s=3)), (90, withdrawn(other)), (95, anomaly("gre000003", end_s=3, final=True))
    )
    assert found.run(200).told() == [("happened", 2), ("withdrawn", 2)]
    assert found.documents()[1]["anomalies"] == {"total": 2, "open": 0, "closed": 1, "withdrawn": 1}


def test_an_end_that_was_told_too_early_begins_again() -> None:
    found = world((5, anomaly()), (60, anomaly(end_s=55)), (100, anomaly()), (200, anomaly(end_s=190, final=True))).run(300)
    assert found.told() == [("began", 1), ("ended", 1), ("began", 1), ("ended", 1)]
    assert len({one["group"] for one in found.documents()}) == 2


def test_rules_and_places_are_told_apart() -> None:
    log = [
        (5, anomaly("gre000001")),
        (5, anomaly("gre000002")),
        (5, anomaly("gre000003")),
        (5, anomaly("gre000004", rule="stuck")),
    ]
    log += [(5, anomaly("gre000005")), (5, anomaly("gre000006"))]
    found = world(*log)
    places = {"gre000003": Place(site="plant-2"), "gre000005": Place(owner="Mill AG"), "gre000006": Place()}
    found.place = lambda source: places.get(source, Place(site="plant-1"))
    assert sorted(found.run(60).told()) == [("began", 1)] * 4 + [("began", 2)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({}, 4, id="all"),
        pytest.param({"rules": ("sag",)}, 1, id="one rule"),
        pytest.param({"severity": SEVERE}, 1, id="severe only"),
        pytest.param({"sensors": ("gre000001",)}, 1, id="one sensor"),
        pytest.param({"sites": ("plant-2",)}, 1, id="one site"),
        pytest.param({"sites": ("plant-2",), "sensors": ("gre000001",)}, 2, id="a site or a sensor"),
        pytest.param({"enabled": False}, 0, id="switched off"),
    ],
)
def test_a_receiver_hears_what_it_asked_for(rules: dict[str, object], expected: int) -> None:
    log = [
        anomaly("gre000001"),
        anomaly("gre000002", rule="sag"),
        anomaly("gre000003", severity=SEVERE),
        anomaly("gre000004", severity=NOTICE),
    ]
    found = world(*[(5, one) for one in log], **rules)
    found.place = lambda source: Place(site="plant-2") if source == "gre000004" else Place(owner=source)
    assert sum(number for _, number in found.run(60).told()) == expected


def test_what_falls_in_quiet_times_is_one_message_at_their_end() -> None:
    # T0 is 09:00 in Paris.
    passing = anomaly("gre000001", 100, 160, final=True)
    lasting, none = anomaly("gre000002", 200), anomaly("gre000003", 300)
    severe = anomaly("gre000004", 400, rule="sag", severity=SEVERE)
    log = [(110, anomaly("gre000001", 100)), (160, passing), (210, lasting), (310, none), (390, withdrawn(none)), (410, severe)]
    found = world(*log, (4000, anomaly("gre000002", 200, 3990, final=True)), quiet=(Span.parse("fri 08:30-10:00"),), zone=PARIS)
    found.run(4100)
    assert found.told() == [("began", 1), ("summary", 2), ("ended", 1)]
    severe_told, summary, _ = found.documents()
    assert severe_told["rule"] == "sag"
    assert found.heard[1][0] == 3600
    assert [(one["sources"]["named"], one["transition"]) for one in summary["listed"]] == [
        (["gre000002"], "began"),
        (["gre000001"], "happened"),
    ]


def test_nothing_is_said_at_the_end_of_quiet_times_when_nothing_was() -> None:
    one = anomaly()
    assert world((5, one), (100, withdrawn(one)), quiet=(Span.parse("08:00-10:00"),), zone=PARIS).run(4000).told() == []


def test_more_than_a_receiver_wants_an_hour_is_summed_up_and_not_lost() -> None:
    log = [(5 + 20 * n, anomaly(f"gre{n:06}", 20 * n, rule=f"r{n}")) for n in range(20)]
    found = world(*log, per_hour=5)
    assert found.run(1500).told()[:6] == [("began", 1)] * 5 + [("summary", 1)]
    told = Counter(
        name
        for one in found.documents()
        for group in (one["listed"] if "groups" in one else [one])
        for name in group["sources"]["named"]
    )
    assert told == {f"gre{n:06}": 1 for n in range(20)}


def test_an_old_anomaly_is_counted_and_not_told() -> None:
    old = [(5 + n, anomaly(f"gre{n:06}", -9000 - n, -8000, final=True)) for n in range(3)]
    assert world(*old).run(100).told() == []
    found = world(*old, (20, anomaly("gre000009", 15)), quiet=(Span.parse("08:00-09:05"),), zone=PARIS).run(400)
    assert found.told() == [("summary", 1)]
    assert found.documents()[0]["late"] == {"silence": 3}
    # One that began long ago and goes on still matters.
    assert world((5, anomaly(start_s=-90_000))).run(100).told() == [("began", 1)]


def test_one_that_fails_delays_nobody_else_and_hears_it_later_in_order() -> None:
    found = World({"ops": Rules(), "broken": Rules()}, [(5, anomaly()), (100, anomaly(end_s=95, final=True))])
    found.takes = lambda name, second: name == "ops" or second > 300
    found.run(3000)
    assert found.told("ops") == found.told("broken") == [("began", 1), ("ended", 1)]
    assert [second for second, name, _ in found.heard if name == "ops"] == [15, 110]


def test_a_receiver_that_never_answers_is_given_up_and_the_reason_kept() -> None:
    found = World({"ops": Rules()}, [(5, anomaly())], takes=lambda _, __: False)
    found.run(int(retry.GIVE_UP_S) + 3600)
    (record,) = found.kept.values()
    assert (record.state, record.reason) == ("given_up", "503")
    assert 90 < record.attempts < 150
    assert found.told() == []


def test_what_is_done_with_leaves_the_log() -> None:
    found = world((5, anomaly()), (100, anomaly(end_s=95, final=True))).run(10_000)
    assert len(found.kept) == 2
    found.run(int(KEEP_S) + 30_000, int(KEEP_S) + 20_000)
    assert found.kept == {}


def test_a_receiver_that_is_removed_is_forgotten() -> None:
    found = world((5, anomaly())).run(50)
    assert found.office is not None
    found.office.receivers({}, 0)
    found._take(51)
    found._keep(51)
    assert found.kept == {}


def test_more_than_a_record_holds_are_told_in_parts() -> None:
    found = world(*[(5, anomaly(f"gre{n:06}")) for n in range(MEMBERS_MAX + 7)]).run(40)
    assert found.told() == [("began", MEMBERS_MAX), ("began", 7)]


SOURCES = [f"gre{n:06}" for n in range(4)]
LIVES = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.integers(0, 150),  # appended
        st.one_of(st.none(), st.integers(1, 200)),  # over, so much later
        st.booleans(),  # withdrawn in the end, and not final
        st.sampled_from(["silence", "sag"]),
    ),
    max_size=8,
    unique_by=lambda one: (one[0], one[4]),
)
CRASHES = st.sets(st.tuples(st.integers(0, 500), st.sampled_from(STEPS)), max_size=12)
QUIET_TIMES = st.sampled_from([(), (Span.parse("09:01-09:04"),), (Span.parse("08:00-09:03"),)])


@settings(max_examples=60)
@given(LIVES, CRASHES, QUIET_TIMES, st.sampled_from([2, 30]))
@example([("gre000000", 0, 60, False, "silence")], {(s, step) for s in range(8, 13) for step in STEPS}, (), 30)
@example([("gre000000", 0, 171, False, "silence")], set(), (Span.parse("08:00-09:03"),), 30)
def test_nothing_is_lost_and_nothing_told_twice_whenever_it_crashes(
    lives: list[tuple[str, int, int | None, bool, str]], crashes: set[tuple[int, str]], quiet: tuple[Span, ...], per_hour: int
) -> None:
    log: list[tuple[float, Anomaly]] = []
    for source, at, lasts, none, rule in lives:
        log.append((at, anomaly(source, at, rule=rule)))
        if lasts is not None:
            log.append((at + lasts, anomaly(source, at, at + lasts, rule=rule)))
        if none:
            log.append((at + (lasts or 0) + 30, withdrawn(anomaly(source, at, rule=rule))))
        elif lasts is not None:
            log.append((at + lasts + 30, anomaly(source, at, at + lasts, rule=rule, final=True)))
    log.sort(key=lambda one: one[0])
    found = world(*log, quiet=quiet, zone=PARIS, per_hour=per_hour)
    found.place = lambda source: Place(owner=source)
    found.run(1300, crashes=crashes)
    begun: Counter[tuple[str, str]] = Counter()
    over: Counter[tuple[str, str]] = Counter()
    for one in found.documents():
        for group in one["listed"] if one["transition"] == "summary" else [one]:
            for source in group["sources"]["named"]:
                if group["transition"] in ("began", "happened"):
                    begun[source, group["rule"]] += 1
                if group["transition"] in ("ended", "happened"):
                    over[source, group["rule"]] += 1
    for source, _, lasts, none, rule in lives:
        if not none:
            assert begun[source, rule] == 1
            assert over[source, rule] == (lasts is not None)
        else:
            assert begun[source, rule] <= 1


def test_pauses_grow_and_are_as_long_as_the_receiver_asks() -> None:
    own = [retry.pause_s(n, None, 1.0) for n in range(1, 12)]
    assert own[:4] == [5, 10, 20, 40]
    assert own[-1] == retry.MOST_S
    assert retry.pause_s(1, None, 0.0) == 2.5
    assert retry.pause_s(1, 120.0, 0.0) == 120
    assert retry.pause_s(1, 1e9, 0.0) == retry.ASKED_MOST_S
