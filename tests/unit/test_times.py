"""Durations and moments as people type them."""

import time

import click
import pytest

from infra.cli.times import Duration, Moment


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("3h", 10_800), ("2d", 172_800)])
def test_durations(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "10 minutes", "-5m", "1.5h", "m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="as 10m"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("1772442000", 1_772_442_000),
        ("2026-03-02T09:00:00Z", 1_772_442_000),
        ("2026-03-02T18:00:00+09:00", 1_772_442_000),
        ("2026-03-02T09:00:00", 1_772_442_000),
    ],
)
def test_moments(text: str, at_s: int) -> None:
    assert Moment().convert(text, None, None) == at_s


def test_a_duration_is_that_long_ago() -> None:
    before = int(time.time())
    assert before - 10_800 <= Moment().convert("3h", None, None) <= int(time.time()) - 10_800


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "12"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="three hours ago"):
        Moment().convert(text, None, None)
