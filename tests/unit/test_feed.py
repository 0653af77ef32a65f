"""The pages' poller: what it asks its source for, and what reaches pages when the source fails."""

import asyncio
from dataclasses import dataclass, field

from infra.errors import PartUnavailable
from web.feed import MINUTES_EVERY, Feed, Page
from web.view.say import Told, say
from web.watched import Update


def told(text: str) -> Told:
    return Told({"text": say(text)})


@dataclass
class Thing:
    """Something watched; `seen` counts its news."""

    name: str
    seen: int = 0

    def whole(self, span: int, _: float) -> Update:
        return Update(now=told("whole of {name}"), past=told(f"span {span}"))


@dataclass
class Source:
    """News at every tick.

    Attributes:
        asked: the names and spans of each reading of the past.
        fails: how many of them still fail.
    """

    kind: str = "thing"
    tick_s: float = 0.0
    asked: list[list[tuple[str, int]]] = field(default_factory=list)
    fails: int = 0

    def begin(self, name: str, _: float) -> Thing:
        return Thing(name)

    async def load(self, watched: Thing, _: float) -> None:
        watched.seen = 0

    async def news(self, watched: list[Thing], _: float, *, deep: bool) -> list[Update]:
        for one in watched:
            one.seen += 1
        return [Update(now=told("news")) for _ in watched]

    async def past(self, wanted: list[tuple[Thing, int]], _: float) -> list[Update]:
        self.asked.append([(one.name, span) for one, span in wanted])
        if self.fails:
            self.fails -= 1
            raise PartUnavailable("the store is away")
        return [Update(past=told("past")) for _ in wanted]


async def run(source: Source, shown: list[tuple[str, int]], most: int) -> list[list[Update]]:
    """What each page got until it had `most` updates."""
    feed, got, done = Feed(source), [[] for _ in shown], asyncio.Event()  # type: ignore[var-annotated]

    def page(nth: int, name: str, span: int) -> Page:
        async def deliver(update: Update) -> None:
            got[nth].append(update)
            if all(len(one) >= most for one in got):
                done.set()

        return Page(name, span, deliver)

    for nth, (name, span) in enumerate(shown):
        feed.watch(page(nth, name, span))
    async with asyncio.timeout(10):
        await done.wait()
    await feed.close()
    return got


def test_the_past_of_all_that_is_shown_is_asked_for_at_once_and_each_once() -> None:
    source = Source()
    asyncio.run(run(source, [("a", 1), ("a", 1), ("a", 6), ("b", 1)], 2 * MINUTES_EVERY))
    assert [sorted(one) for one in source.asked[:2]] == [[("a", 1), ("a", 6), ("b", 1)]] * 2


def test_what_a_failing_look_had_found_reaches_every_page_with_the_whole() -> None:
    source = Source(fails=1)
    for got in asyncio.run(run(source, [("a", 1), ("b", 1)], MINUTES_EVERY + 1)):
        before, after, later = got[: MINUTES_EVERY - 1], got[MINUTES_EVERY - 1], got[MINUTES_EVERY]
        assert {one.now for one in before} == {told("news")}
        assert after.now == told("whole of {name}")
        assert later.now == told("news")
