"""Bad links, clocks and power; replies as firmware reads them; where the server's addresses lead."""

import pytest

from producers.simulate.actions import Answer, Grant, Orders, Urls
from producers.simulate.clock import Exchange
from producers.simulate.faults import (
    CLOCK_STEP_MOST_S,
    OUTAGE_BLOCK_S,
    POWER_CUT_MOST_S,
    boot_clock_ms,
    clock_step_ms,
    fault,
    outage,
    powered,
    theft,
    token_lost,
)
from producers.simulate.link import address
from producers.simulate.machine import Machine
from producers.simulate.outbox import Flash
from producers.simulate.replies import answer_of, exchange_of, grant_of

START_S = 1_772_442_000
OK = Answer(202)


def test_outages_come_and_go() -> None:
    down = [outage(3, 5, t) for t in range(START_S, START_S + 40 * OUTAGE_BLOCK_S)]
    assert 0.02 < sum(down) / len(down) < 0.2


def test_every_fault_is_met() -> None:
    met = [fault(3, 5, START_S + t, t) for t in range(3000)]
    for name in ("down", "lost_reply", "duplicate", "delay_s", "upload_s", "truncated"):
        assert any(getattr(f, name) for f in met), name


def test_every_trouble_is_met_and_passes() -> None:
    day = range(START_S, START_S + 86_400)
    steps = [s for t in day if (s := clock_step_ms(3, 5, t))]
    assert steps
    assert all(abs(s) <= CLOCK_STEP_MOST_S * 1000 for s in steps)
    assert 5 < sum(token_lost(3, 5, t) for t in day) < 144
    assert 5 < sum(theft(3, 5, t) for t in day) < 144
    off = "".join("_" if powered(3, 5, t) else "x" for t in day).split("_")
    cuts = [len(cut) for cut in off if cut]
    assert 5 < len(cuts) < 144
    assert max(cuts) <= POWER_CUT_MOST_S + 1


def test_a_clock_says_anything_after_power_up() -> None:
    says = [boot_clock_ms(3, 5, boot, START_S * 1000.0) / 1000 - START_S for boot in range(100)]
    assert any(s < -START_S + 100 for s in says)
    assert any(s > 80_000 for s in says)
    assert any(-4 < s <= 0 for s in says)


def test_a_power_cut_leaves_the_flash_and_nothing_else() -> None:
    machine = Machine(3, 5, Flash("gre000001", "pms_x"), START_S, bad=True)
    machine.device.synced = True
    devices = []
    for t in range(START_S, START_S + 7200):
        machine.second(t)
        if not devices or devices[-1] is not machine.device:
            devices.append(machine.device)
    assert machine.tally.power_cuts > 1
    assert len(devices) == 1 + 2 * machine.tally.power_cuts
    assert all(device.flash is machine.flash for device in devices)
    assert not any(device.synced for device in devices[1:])


@pytest.mark.parametrize(
    ("status", "text", "retry_after", "expected"),
    [
        pytest.param(202, b'{"status":"accepted","timestamp":1}', None, OK, id="accepted"),
        pytest.param(202, b'{"status":"acc', None, OK, id="accepted, and the reply broke off: the status is enough"),
        pytest.param(202, b'{"refresh_token":true}', None, Answer(202, refresh_token=True), id="token past its half-life"),
        pytest.param(503, b'{"code":"unavailable"}', "5", Answer(503, "unavailable", 5.0), id="Retry-After in seconds"),
        pytest.param(503, b"<html>", "Fri, 31 Dec 1999 23:59:59 GMT", Answer(503), id="what it cannot read it ignores"),
    ],
)
def test_replies_are_read_as_firmware_does(status: int, text: bytes, retry_after: str | None, expected: Answer) -> None:
    assert answer_of(status, text, retry_after) == expected


def test_a_batch_reply_that_broke_off_is_none() -> None:
    text = b'{"accepted":1,"rejected":[{"index":0,"timestamp":7,"code":"x"}]}'
    assert answer_of(202, text, None, batch=True) == Answer(202, refused=((7, "x"),))
    assert answer_of(202, text[:30], None, batch=True) == Answer(0)


def test_the_time_in_a_reply_tells_how_wrong_the_clock_is() -> None:
    answer = answer_of(202, b'{"server_time":1700000000}', None, clock_ms=1_700_000_042_000)
    assert answer.behind_s == -42


BOOTED = (
    b'{"token":"pm1_x","token_type":"Bearer","expires_in":604800,"refresh_after":302400,"host":"http://10.0.0.1:8090",'
    b'"urls":{"data":"/powermon/data","batch":"/b","later":"/x"},"settings":{"batch_max_seconds":60,"mode":"x","post_interval_s":0},'
    b'"time":{"t0":5,"t1":1000,"t2":1001}}'
)


def test_a_boot_reply_is_read_and_what_is_not_known_is_ignored() -> None:
    urls = Urls(host="http://10.0.0.1:8090", batch="/b")
    assert grant_of(BOOTED) == Grant("pm1_x", 302400, urls, Orders(batch_max_seconds=60))
    assert exchange_of(BOOTED, 5, 50) == Exchange(5, 1000, 1001, 50)
    assert exchange_of(BOOTED, 6, 50) is None, "an answer to another question"
    assert exchange_of(b'{"t0":5,"t1":1000,"t2":1001}', 5, 50) == Exchange(5, 1000, 1001, 50)


@pytest.mark.parametrize("text", [b"", BOOTED[:100], b'{"token":"","refresh_after":1}', b'{"token":5,"refresh_after":1}', b"[]"])
def test_a_grant_that_cannot_be_read_is_none(text: bytes) -> None:
    assert grant_of(text) is None


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        pytest.param("", "/powermon/data", "http://boot:8090/powermon/data", id="no host: where it booted"),
        pytest.param("other:1", "/d", "http://other:1/d", id="a name and a port"),
        pytest.param("https://other", "/d", "https://other/d", id="an address"),
        pytest.param("", "http://third:2/d", "http://third:2/d", id="a whole address as path"),
    ],
)
def test_where_the_servers_addresses_lead(host: str, path: str, expected: str) -> None:
    assert str(address("http://boot:8090", host, path)) == expected
