"""Limits as laws with a clock moved by hand, and whose address counts."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from producers.gateway.addresses import client, counted, networks
from producers.gateway.limits import RateLimit, Seldom, WrongSecrets

gaps_s = st.lists(st.floats(0, 20), max_size=80)


@given(gaps_s, st.integers(1, 10), st.floats(1, 100))
def test_never_more_wrong_secrets_in_a_window(gaps: list[float], most: int, window_s: float) -> None:
    limit = WrongSecrets(most, window_s)
    counted_at = [at for at in itertools.accumulate(gaps) if limit.wait_s(("a",), at) == 0]
    for first, beyond in zip(counted_at, counted_at[most:]):
        assert beyond - first >= window_s - 1e-6


@given(gaps_s)
def test_after_the_wait_that_was_told_one_more_is_counted(gaps: list[float]) -> None:
    limit = WrongSecrets(3, 60)
    for at in itertools.accumulate(gaps):
        wait_s = limit.wait_s(("a", "b"), at)
        if wait_s:
            assert limit.wait_s(("a", "b"), at + wait_s) == 0
            return


def test_each_key_is_counted_and_none_when_one_had_enough() -> None:
    limit = WrongSecrets()
    for k in range(10):
        assert limit.wait_s((f"sensor {k}", "address 1"), 100.0) == 0
    assert limit.wait_s(("sensor 99", "address 1"), 130.0) == 30
    assert limit.wait_s(("sensor 99", "address 2"), 130.0) == 0
    assert len(limit) == 13
    assert limit.wait_s(("sensor 99", "address 1"), 160.0) == 0


def test_wrong_secrets_are_remembered_in_bounded_memory() -> None:
    limit = WrongSecrets(entries_max=100)
    for k in range(10_000):
        limit.wait_s((f"sensor {k}", "address"), float(k))
    assert len(limit) == 100


def test_a_rate_limit_remembers_those_who_ask_most() -> None:
    limit = RateLimit(1, 2, entries_max=100)
    assert [limit.wait_s("greedy", 0.0) for _ in range(3)] == [0, 0, 1]
    for k in range(10_000):
        limit.wait_s(f"address {k}", 0.0)
        assert len(limit) <= 100
    assert limit.wait_s("greedy", 0.0) == 1


def test_a_line_of_a_kind_in_a_second() -> None:
    seldom = Seldom()
    assert [seldom.more("a", at) for at in (0.0, 0.1, 0.9, 1.0, 1.5)] == [0, None, None, 2, None]
    assert seldom.more("b", 1.5) == 0


TRUSTED = networks("10.0.0.0/8, 192.0.2.7,2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        pytest.param("203.0.113.5", None, "203.0.113.5", id="no proxy"),
        pytest.param("203.0.113.5", "198.51.100.9", "203.0.113.5", id="a stranger's header counts for nothing"),
        pytest.param("10.1.2.3", "198.51.100.9", "198.51.100.9", id="our proxy's counts"),
        pytest.param("10.1.2.3", "1.1.1.1, 198.51.100.9", "198.51.100.9", id="what the client made up does not"),
        pytest.param("10.1.2.3", "198.51.100.9, 192.0.2.7", "198.51.100.9", id="two proxies of ours"),
        pytest.param("10.1.2.3", "198.51.100.9:4711", "198.51.100.9:4711", id="with a port"),
        pytest.param("10.1.2.3", "nonsense", "10.1.2.3", id="no address"),
        pytest.param("10.1.2.3", None, "10.1.2.3", id="no header"),
        pytest.param("::ffff:10.1.2.3", "2001:db9::1", "2001:db9::1", id="IPv4 in IPv6"),
    ],
)
def test_whose_request_it_is(peer: str, forwarded_for: str | None, expected: str) -> None:
    assert client(peer, forwarded_for, TRUSTED) == expected


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("198.51.100.9:4711", "198.51.100.9"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db9:1:2:3:4:5:6", "2001:db9:1:2::/64"),
        ("[2001:db9:1:2::9]:80", "2001:db9:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("", ""),
    ],
)
def test_what_is_counted(address: str, key: str | None) -> None:
    assert counted(address) == key


def test_a_proxy_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"has 'lb\.example'; expected addresses or networks"):
        networks("10.0.0.1, lb.example")
