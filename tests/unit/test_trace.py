"""The verdict on one second: a table of what was found, and what is said of it."""

import pytest

from streams.core.trace import Copy, Facts, Letter, MinuteRow, RawRow, judge

T0 = 1_800_000_000
IN_TIME_MS = (T0 + 1) * 1000
LATE_MS = (T0 + 60 + 120) * 1000
FIRST = Copy(2, 10, IN_TIME_MS, {1: "a", 2: "b"})
RAW = [RawRow(1, 2, 10, ""), RawRow(2, 2, 10, "")]
MINUTE = [MinuteRow(1, 40, True, 60, 7), MinuteRow(2, 40, True, 60, 7)]
WITHOUT = [MinuteRow(1, 9, False, 12, 7)]
PAST = {2: 11}


def facts(**given: object) -> Facts:
    values: dict[str, object] = {"copies": [FIRST], "letters": [], "raw": RAW, "minutes": MINUTE, "searched": "here"}
    values |= {"worker_next": PAST, "sink_next": PAST} | given
    return Facts("gre000001", T0, 120, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        pytest.param(facts(), "counted", "in time", id="all the way"),
        pytest.param(facts(copies=[Copy(2, 10, LATE_MS, {1: "a"})]), "counted", "late", id="late and rebuilt"),
        pytest.param(facts(raw=[], minutes=[], sink_next={2: 7}), "sink_behind", "4 messages", id="the sink is behind"),
        pytest.param(facts(raw=[], minutes=[], sink_next={}), "sink_behind", "11 messages", id="the sink has not begun"),
        pytest.param(facts(raw=RAW[:1]), "not_in_raw", r"probes \[2\]", id="a probe is lost"),
        pytest.param(facts(minutes=WITHOUT, worker_next={2: 10}), "worker_behind", "1 messages", id="the worker is behind"),
        pytest.param(
            facts(copies=[Copy(2, 10, LATE_MS, {1: "a"})], minutes=[], late_waiting=3), "rebuild_waits", "3", id="not yet rebuilt"
        ),
        pytest.param(facts(minutes=[], minutes_waiting=5), "minutes_behind", "5", id="the minute is on its way"),
        pytest.param(facts(minutes=WITHOUT), "not_in_minute", "replay", id="against all expectation"),
        pytest.param(facts(copies=[], raw=[], minutes=WITHOUT), "not_in_log", "202", id="never came"),
        pytest.param(facts(copies=[]), "counted", "no longer holds", id="older than the log"),
        pytest.param(
            facts(copies=[], raw=[], letters=[Letter(2, 10, "not avro", "worker", 0)]), "dead_letter", "not avro", id="dead"
        ),
        pytest.param(
            facts(copies=[Copy(2, 10, 0, {1: "a"}, "far ahead")], raw=[], minutes=[]), "refused", "far ahead", id="refused"
        ),
    ],
)
def test_where_it_stopped(found: Facts, state: str, words: str) -> None:
    verdict = judge(found)
    assert verdict.state == state
    assert words.replace("\\", "") in verdict.why


def test_the_first_copy_of_each_probe_counts_and_others_are_told() -> None:
    later = Copy(2, 12, LATE_MS, {1: "a", 2: "other", 3: "c"})
    first, second = judge(facts(copies=[FIRST, later])).copies
    assert (first.counted, first.copied, first.late) == ([1, 2], [], False)
    assert (second.counted, second.copied, second.conflicting, second.late) == ([3], [1, 2], [2], True)


def test_a_refused_copy_does_not_count_before_a_good_one() -> None:
    refused = Copy(2, 3, 0, {1: "x"}, "far ahead")
    first, second = judge(facts(copies=[refused, FIRST])).copies
    assert (first.counted, second.counted) == ([], [1, 2])
