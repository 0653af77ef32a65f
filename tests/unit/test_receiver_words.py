"""The page of receivers: what each is told, in words, and what became of its messages as far as the log says."""

import threading
from zoneinfo import ZoneInfo

import msgspec

from infra.errors import PartUnavailable
from schemas.notification import DELIVERED, DUE, HELD, LATE, Notification
from streams.catalog.commands import PutReceiver
from streams.catalog.state import Receiver
from streams.core.anomaly.verdict import NAMES
from streams.core.notices.quiet import Span
from streams.core.notices.rules import Rules
from tests.notices import World, anomaly
from web.deliveries import NEWEST, DeliveryLog, by_receiver
from web.view import anomaly as words
from web.view import receivers as view

PARIS = ZoneInfo("Europe/Paris")


def receiver(**said: object) -> Receiver:
    command = PutReceiver(receiver_id="ops", channel="email", address="ops@example.com", **said)  # type: ignore[arg-type]
    return Receiver(**msgspec.structs.asdict(command), changed_at_ms=0)


def messages(rules: Rules, until_s: int = 300, takes_after_s: int = 0) -> list[Notification]:
    world = World({"ops": rules}, log=[(1, anomaly()), (200, anomaly(end_s=190))], takes=lambda _, at: at >= takes_after_s)
    return list(world.run(until_s).kept.values())


def test_what_a_receiver_is_told_in_one_line() -> None:
    assert view.wants(receiver()) == "everything"
    one = receiver(severity="severe", rules=("sag", "swell", "silence", "stuck"), sites=("mill",))
    assert view.wants(one) == "only what is severe · Voltage dip, Overvoltage, Silence and 1 more · mill"
    assert view.quiet(one) is None
    quiet = receiver(quiet=("22:00-07:00",), zone="Europe/Paris", severe_passes=False)
    assert view.quiet(quiet) == "22:00-07:00 (Europe/Paris)"


def test_every_rule_can_be_chosen_by_its_name() -> None:
    assert set(words.RULES) == set(NAMES)


def test_the_newest_message_is_the_last_one_and_says_what_became_of_it() -> None:
    found = by_receiver(messages(Rules()))["ops"]
    assert [one.transition for one in found.newest] == ["ended", "began"]
    assert view.counts(found.states) == "delivered: 2"
    last = view.listed(receiver(), found.newest, PARIS)["last"]
    assert last["about"] == "Over: Silence, gre000001, 2027-01-15 09:00:00 to 2027-01-15 09:03:10"
    assert (last["state"], last["attempts"], last["trouble"]) == ("delivered", None, False)


def test_a_message_that_does_not_arrive_is_trouble_one_that_is_held_is_not() -> None:
    lost = by_receiver(messages(Rules(), takes_after_s=1000))["ops"].newest[-1]
    assert lost.state == DUE
    row = view.told(lost, PARIS)
    assert (row["state"], row["reason"], row["trouble"]) == ("being tried again", "503", True)
    held = by_receiver(messages(Rules(quiet=(Span.parse("00:00-24:00"),), severe_passes=False)))["ops"].newest[-1]
    assert (held.state, view.told(held, PARIS)["trouble"]) == (HELD, False)


def test_only_the_newest_are_kept_and_what_counts_for_a_summary_is_no_message() -> None:
    many = [Notification(f"{k:032x}", "ops", "g", "began", DELIVERED, k, k, "{}", covers=("x",)) for k in range(NEWEST + 5)]
    late = Notification("l", "ops", "l", LATE, HELD, 10**9, 10**9, "{}")
    found = by_receiver([*many, late])["ops"]
    assert [one.made_ms for one in found.newest] == list(range(NEWEST + 4, 4, -1))
    assert found.states == {DELIVERED: NEWEST + 5}


async def test_no_page_waits_for_a_log_that_does_not_come() -> None:
    come = threading.Event()

    def read() -> list[Notification]:
        come.wait(20)
        return messages(Rules())

    log = DeliveryLog(read)
    first = await log.look()
    assert (first.of, first.trouble) == (None, None)
    come.set()
    assert log._reading is not None
    await log._reading
    assert (await log.look()).of is not None
    await log.close()


async def test_a_log_that_cannot_be_read_is_said_and_leaves_what_was_known() -> None:
    answers = iter([messages(Rules()), PartUnavailable("no broker")])

    def read() -> list[Notification]:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    log = DeliveryLog(read)
    await log.look()
    assert log._reading is not None
    await log._reading
    known = await log.look()
    await log._again()
    now = await log.look()
    assert (now.of, now.trouble) == (known.of, "no broker")
    await log.close()
