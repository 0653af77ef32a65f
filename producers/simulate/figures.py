"""What a run came to, for people."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from producers.simulate.machine import Machine
from producers.simulate.outbox import Tally


@dataclass(slots=True)
class Totals:
    """What happened so far.

    Attributes:
        posts: posts answered or given up.
        requests: everything sent, posts included.
        statuses: how often each status came to a post; NO_ANSWER for nothing.
        latency_s: of the last posts since it was cleared.
        thefts: posts with a dead token; all must be refused.
        thefts_taken: those that were not.
    """

    posts: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latency_s: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    thefts: int = 0
    thefts_taken: int = 0
    ended: bool = False


def summed(machines: Iterable[Machine]) -> Tally:
    """The tallies of a fleet in one."""
    whole = Tally()
    for machine in machines:
        for one in fields(Tally):
            setattr(whole, one.name, getattr(whole, one.name) + getattr(machine.tally, one.name))
    return whole


def trouble(machines: list[Machine], totals: Totals, gateway: str) -> str | None:
    """Why a run was not what simulated sensors expect; None if it was."""
    devices = [machine.device for machine in machines]
    tally = summed(machines)
    backlog = sum(d.backlog for d in devices)
    stopped = next((d.stopped for d in devices if d.stopped), None)
    alarm = next((d.alarm for d in devices if d.alarm), None)
    codes = ", ".join(f"{n} x {code}" for code, n in tally.refused.most_common(5))
    found = (
        (stopped, f"the gateway at {gateway} answered {stopped}; check POWERMON_GATEWAY_URL"),
        (alarm, f"the gateway answered {alarm}; was a simulated sensor revoked, or given a new secret? use another --prefix"),
        (codes, f"the gateway refused {tally.refused.total()} good seconds ({codes}); look at its log"),
        (totals.thefts_taken, f"{totals.thefts_taken} posts with replaced tokens were taken; look at the gateway's catalog"),
        (
            totals.requests and not tally.acknowledged,
            f"nothing was acknowledged by the gateway at {gateway}; is it running?",
        ),
        (totals.ended and backlog, f"{backlog} seconds are still not acknowledged; the gateway is down or too slow"),
    )
    return next((words for wrong, words in found if wrong), None)
