"""Carries what the devices send, and what comes back to them."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import IO

import msgspec

from infra.errors import PowermonError
from producers.simulate.actions import NO_ANSWER, Action, Answer, AskTime, Grant, Post
from producers.simulate.faults import GOOD, fault
from producers.simulate.figures import Totals
from producers.simulate.fleet import Body
from producers.simulate.link import Link
from producers.simulate.machine import Machine
from producers.simulate.plan import Plan, Rights

STOP_GRACE_S = 5.0
RIGHT_REFRESH_S = 302_400.0


class Courier:
    """Every request under way.

    Args:
        truth: file for what was acknowledged, or None.
        now_s: simulated time.

    Attributes:
        begun: the first boots are over: from now on links may be bad.
        draining: all is measured: from now on no link goes down for minutes.
        stopping: nothing new is sent.
        crash: why a request ended otherwise than with an answer.
    """

    def __init__(
        self, plan: Plan, link: Link, rights: Rights, totals: Totals, truth: IO[bytes] | None, now_s: Callable[[], float]
    ) -> None:
        self.begun = self.draining = self.stopping = False
        self.crash: BaseException | None = None
        self._plan, self._link, self._rights, self._totals = plan, link, rights, totals
        self._truth, self._now_s = truth, now_s
        self._attempts = 0
        self._random = random.Random(plan.fleet.seed)  # noqa: S311 (spreads retries)
        self._right_gate = asyncio.Semaphore(64)
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, machine: Machine, action: Action, body: Body | None = None) -> None:
        """Begin a request; what the answer leads to is sent as well.

        Args:
            body: of a single second, if it is made already.
        """
        self._start(self._send(machine, action, body))

    def rob(self, machine: Machine, token: str, second: int) -> None:
        """Somebody who holds a dead token posts with it."""
        self._start(self._rob(machine, token, second))

    async def settle(self) -> None:
        """Wait a moment for what is under way, then give it up."""
        self.stopping = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def write_truth(self, line: dict[str, object]) -> None:
        """Add a line to the file of what was acknowledged."""
        if self._truth is not None:
            self._truth.write(msgspec.json.encode(line) + b"\n")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crash = error

    async def _send(self, machine: Machine, action: Action, body: Body | None) -> None:
        device, totals = machine.device, self._totals
        answer, took_s = await self._carry(machine, action, body)
        totals.requests += 1
        if isinstance(action, Post):
            totals.posts += 1
            totals.statuses[answer.status] += 1
            if answer.status != NO_ANSWER:
                totals.latency_s.append(took_s)
        if machine.device is not device:
            return  # a power cut: nobody waits for this answer any more
        answered_s = time.monotonic()
        device.answered(action, answer, answered_s, self._random.random())
        if answer.grant is not None:
            machine.tokens.append(answer.grant.token)
        if isinstance(action, Post) and answer.good and self._truth is not None:
            refused = {t for t, _ in answer.refused}
            for second in action.seconds:
                if second not in refused:
                    self.write_truth({"sensor_id": machine.flash.sensor_id, "timestamp": second})
        for following in () if self.stopping else machine.due(answered_s):
            self.send(machine, following)

    async def _carry(self, machine: Machine, action: Action, body: Body | None) -> tuple[Answer, float]:
        if not isinstance(action, Post | AskTime) and not machine.flash.secret:
            return await self._by_right(machine), 0.0
        plan, now_s = self._plan, self._now_s()
        self._attempts += 1
        met = GOOD
        if plan.faults and self.begun:
            outages = plan.outages and not self.draining
            met = fault(plan.fleet.seed, machine.index, int(now_s), self._attempts, outages=outages)
        return await self._link.send(
            machine.index,
            action,
            secret=machine.flash.secret,
            urls=machine.device.urls,
            error_ms=machine.error_ms(now_s),
            body=body,
            fault=met,
            over_socket=plan.uses_socket(machine.index),
        )

    async def _by_right(self, machine: Machine) -> Answer:
        """A token for a device whose secret somebody else holds."""
        try:
            async with self._right_gate:
                token = await self._rights.token(machine.flash.sensor_id)
        except PowermonError:
            if not self.begun:
                raise  # at the start it is the person's to know
            return Answer(NO_ANSWER)
        return Answer(200, grant=Grant(token, RIGHT_REFRESH_S))

    async def _rob(self, machine: Machine, token: str, second: int) -> None:
        answer, _ = await self._link.send(machine.index, Post((second,), batch=False, live=False, token=token))
        self._totals.thefts += answer.status != NO_ANSWER
        self._totals.thefts_taken += answer.good
