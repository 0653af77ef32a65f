"""What holds for a sensor whatever its clock, its power, its link and its token do; the time moves by hand."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from producers.simulate.actions import Action, Answer, Post
from producers.simulate.clock import Clock
from producers.simulate.device import Device
from producers.simulate.outbox import Flash, Tally
from tests.fakes.edge import Edge

START_S = 1_772_442_000
STORE_MAX = 300


class World:
    """One sensor and its server; a second of the world is one tick.

    Attributes:
        used: every timestamp given to a second, in the order of measuring.
    """

    def __init__(self, store_max: int = STORE_MAX) -> None:
        self.edge = Edge()
        self.flash = Flash("gre000001", self.edge.secret)
        self.tally = Tally()
        self.used: list[int] = []
        self.now_s, self.oscillator_s, self.drift = float(START_S), 0.0, 0.0
        self.store_max = store_max
        self.flying: list[tuple[Action, Answer]] = []
        self.power_cut(0.0)

    def power_cut(self, says_ms: float) -> None:
        """Everything in memory is gone, answers on their way too; the clock says anything."""
        self.flying = []
        self.device = Device(self.flash, Clock(says_ms - self.oscillator_s * 1000), self.tally, self.store_max, lanes=2)

    def tick(self) -> None:
        self.now_s += 1
        self.oscillator_s += 1 + self.drift
        device = self.device
        arrived, self.flying = self.flying, []
        for action, answer in arrived:
            device.answered(action, answer, self.oscillator_s)
        label = device.label(self.oscillator_s)
        if label is not None:
            self.used.append(label)
            device.keep(label)
        for action in device.due(self.oscillator_s):
            error_ms = device.clock.read_ms(self.oscillator_s) - self.now_s * 1000
            self.flying.append((action, self.edge.answer(action, device, self.now_s, error_ms)))
        in_flight = [t for action, _ in self.flying if isinstance(action, Post) for t in action.seconds]
        assert len(in_flight) == len(set(in_flight)), "no second is on its way twice"

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.tick()


def _set(name: str, value: Any) -> Callable[[World], None]:
    return lambda world: setattr(world.edge, name, value)


def _clock_jumps(ms: float) -> Callable[[World], None]:
    def jump(world: World) -> None:
        world.device.clock.offset_ms += ms

    return jump


def _drifts(ppm: float) -> Callable[[World], None]:
    return lambda world: setattr(world, "drift", ppm * 1e-6)


EVENTS = st.one_of(
    st.integers(1, 90).map(lambda n: lambda world: world.run(n)),
    st.integers(300, 700).map(lambda n: lambda world: world.run(n)),
    st.booleans().map(lambda down: _set("down", down)),
    st.booleans().map(lambda lost: _set("lose_reply", lost)),
    st.sampled_from([1, 7, 600]).map(lambda most: _set("batch_max", most)),
    st.just(_set("live", [])),
    st.sampled_from([(20, 20), (5, 900), (4000, 10)]).map(lambda ms: _set("delay_ms", ms)),
    st.floats(-90_000_000, 90_000_000).map(_clock_jumps),
    st.floats(-40_000, 40_000).map(_clock_jumps),
    st.floats(-500, 500).map(_drifts),
    st.just(lambda world: world.device.credentials.lost()),
    st.floats(0, 2 * START_S * 1000.0).map(lambda ms: lambda world: world.power_cut(ms)),
)


def lived(events: list[Callable[[World], None]]) -> World:
    world = World()
    world.run(5)
    for event in events:
        event(world)
    return world


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=25))
@example([lambda w: w.run(60), lambda w: w.power_cut(0.0), lambda w: w.run(60)])
def test_no_timestamp_is_used_for_two_seconds(events: list[Callable[[World], None]]) -> None:
    used = lived(events).used
    assert all(a < b for a, b in itertools.pairwise(used))


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_nothing_acknowledged_is_kept_and_nothing_else_is_lost(events: list[Callable[[World], None]]) -> None:
    world = lived(events)
    tally = world.tally
    assert tally.measured == len(world.used)
    assert tally.acknowledged + tally.refused.total() + tally.thrown_away + len(world.flash.store) == tally.measured
    # All that ever left the store is in the log, was refused, or was thrown away; and only a full store throws away.
    gone = set(world.used) - set(world.flash.store)
    assert len(gone - set(world.edge.log)) <= tally.refused.total() + tally.thrown_away
    if len(world.used) <= STORE_MAX:
        assert tally.thrown_away == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=15))
def test_when_all_is_well_again_everything_measured_is_in_the_log(events: list[Callable[[World], None]]) -> None:
    world = lived(events)
    world.edge.down = world.edge.lose_reply = False
    world.edge.batch_max, world.edge.delay_ms, world.drift = 600, (20, 20), 0.0
    for _ in range(60):
        world.run(60)
        if not world.flash.store and not world.flying:
            break
    kept = set(world.used) - set(world.edge.log)
    assert len(world.flash.store) <= 2, "what was measured a moment ago"
    assert len(kept - set(world.flash.store)) <= world.tally.refused.total() + world.tally.thrown_away


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([401, 403, 429, 503, 0, 200, 202, 422]), min_size=1, max_size=40), st.booleans())
def test_no_answers_whatever_cause_a_storm_of_token_requests(statuses: list[int], good_token: bool) -> None:
    """Ever the same list of answers to posts, over and over; tokens are given or refused."""
    world, at = World(), 0
    real = world.edge.answer

    def answer(action: Action, device: Device, now_s: float, error_ms: float = 0.0) -> Answer:
        nonlocal at
        honest = real(action, device, now_s, error_ms)
        if not isinstance(action, Post):
            return honest if good_token or world.edge.issued < 2 else Answer(401)
        at += 1
        return Answer(statuses[at % len(statuses)], refresh_token=at % 2 == 0)

    world.edge.answer = answer  # type: ignore[method-assign]
    world.run(3600)
    asked = world.edge.token_requests
    for begin_s in asked:
        assert sum(begin_s <= s < begin_s + 60 for s in asked) <= 8
    assert len(asked) <= 24


def test_a_thief_who_retires_the_tokens_again_and_again_costs_few_requests() -> None:
    world = World()
    for _ in range(3600):
        world.tick()
        world.edge.live = []
    assert len(world.edge.token_requests) <= 24


def test_a_day_without_a_link_is_kept_and_drains_in_144_batches() -> None:
    world = World(store_max=100_000)
    world.run(10)
    world.edge.down = True
    world.run(86_400)
    assert len(world.flash.store) >= 86_400
    assert world.tally.thrown_away == 0
    world.edge.down = False
    world.run(600)
    assert len(world.flash.store) <= 2
    assert sorted(world.edge.log) == sorted(set(world.edge.log)), "a reply that came is not answered by a copy"
    assert set(world.used) - set(world.edge.log) <= set(world.flash.store)
