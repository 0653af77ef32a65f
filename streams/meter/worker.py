"""The meter's worker: takes runs from the log, lets a process compute each, writes what came of it.

Runs of one project are done in order, those of others side by side in as many slots as the settings give. This is
the shell: it holds the clock, and takes no decision but what to do with a run that does not end.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as Taken

from infra.errors import PartUnavailable
from infra.publish import LogUnavailable
from infra.settings import Settings
from schemas import topics, wire
from schemas.dead_letter import DeadLetter
from schemas.meter_run import MeterRun, decode_run
from schemas.meter_run_status import FAILED, RUNNING, SUCCESS, MeterRunStatus
from schemas.registry import Registry
from streams.meter import events, ledger, metrics
from streams.meter.inputs import Inputs, read
from streams.meter.ledger import Ledger, Message
from streams.meter.slot import Died, Done, Failed, Slot
from streams.meter.task import Task

DEATHS_MAX = 2
"""A run over which so many processes died in a row is not taken up again."""

LOAD_S = 300.0
"""A process that has not loaded the libraries within this time is as good as dead."""

_POLL_S = 0.1
_PAUSE_S = 2.0
_STALL_S = 120.0

log = structlog.get_logger()


@dataclass(slots=True)
class Job:
    """A run taken up.

    Attributes:
        partition, offset: where it stands.
        attempt: 1 when it is taken up for the first time.
        slot: that computes it.
        begun_s: when it was taken up; since_s: when its process last had reason to begin; monotonic.
        task: what was read for it; None: not yet.
        ended: what to write; None: it is under way.
        due_s: nothing is tried before.
    """

    run: MeterRun
    partition: int
    offset: int
    attempt: int
    slot: Slot
    begun_s: float
    since_s: float = 0.0
    computing: bool = False
    task: Task | None = None
    ended: list[Message] | None = None
    status: str = ""
    due_s: float = 0.0


class Worker:
    """One member of the meter's group, in a thread of its own.

    Args:
        settings: broker, instance, limit of time.
        registry: schemas.
        inputs: where records are read.
        slots: as many runs are computed at the same time.
    """

    def __init__(self, settings: Settings, registry: Registry, inputs: Inputs, slots: Sequence[Slot]) -> None:
        self._settings, self._registry, self._inputs = settings, registry, inputs
        self._free = list(slots)
        self._slots = list(slots)
        self._jobs: dict[int, Job] = {}
        self._ended: set[int] = set()  # runs that ended here: one may be asked for twice when a web server died over it
        self._stop = threading.Event()
        self._problem: str | None = "waiting for the broker to assign partitions"
        self._beat_s = time.monotonic()

    def work(self) -> None:
        """Do runs until `stop`. Blocks.

        Raises:
            KafkaException: another process has this one's place; this one must end.
        """
        self._member: Consumer = ledger.consumer(self._settings)
        self._ledger = Ledger(self._settings, self._member)
        try:
            asked = {"on_assign": self._assigned, "on_revoke": self._revoked, "on_lost": self._lost}
            self._member.subscribe([topics.METER_RUNS.name], **asked)
            while not self._stop.is_set():
                self._beat_s = time.monotonic()
                self._round()
        finally:
            self._hand_back(list(self._jobs))
            for slot in self._slots:
                slot.kill()
            self._member.close()
            del self._ledger  # its client ends with it

    def stop(self) -> None:
        """Let `work` put back what is under way and return."""
        self._stop.set()

    def problem(self) -> str | None:
        """What keeps runs from being done, as a sentence."""
        return self._problem

    def stalled(self) -> str | None:
        """That the thread hangs."""
        silent_s = time.monotonic() - self._beat_s
        return f"the meter's thread has not moved for {silent_s:.0f} s" if silent_s > _STALL_S else None

    def _round(self) -> None:
        message = self._member.poll(_POLL_S)
        if message is not None:
            error = message.error()
            if error is None:
                self._take(message)
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("kafka", reason=error.str())
        for job in list(self._jobs.values()):
            if time.monotonic() >= job.due_s:
                self._advance(job)
        metrics.UNDER_WAY.set(len(self._jobs))

    # ---- the group

    def _assigned(self, member: Consumer, _: list[TopicPartition]) -> None:
        self._problem = None
        self._hold_still(member)

    def _revoked(self, _: Consumer, gone: list[TopicPartition]) -> None:
        self._hand_back([tp.partition for tp in gone])

    def _lost(self, _: Consumer, gone: list[TopicPartition]) -> None:
        for tp in gone:
            self._drop(tp.partition)

    def _hand_back(self, partitions: list[int]) -> None:
        """Put runs back for whoever comes next: nobody died over them."""
        for partition in partitions:
            job = self._drop(partition)
            if job is not None and job.attempt:
                try:
                    self._ledger.write([], job.partition, job.offset, job.attempt - 1)
                except (LogUnavailable, KafkaException) as error:
                    log.warning("a run was put back without a word", run=job.run.run, reason=str(error))

    def _drop(self, partition: int) -> Job | None:
        job = self._jobs.pop(partition, None)
        if job is not None:
            if job.ended is None:
                job.slot.kill()
            self._free.append(job.slot)
        return job

    def _hold_still(self, member: Consumer) -> None:
        """Read on only where there is room: a partition's runs are done one after the other."""
        assigned = member.assignment()
        busy = [tp for tp in assigned if tp.partition in self._jobs or not self._free]
        member.pause(busy)
        member.resume([tp for tp in assigned if tp not in busy])

    # ---- a run

    def _take(self, message: Taken) -> None:
        partition, offset = message.partition(), message.offset()
        if not self._free or partition in self._jobs:  # it came between two looks
            self._member.seek(TopicPartition(topics.METER_RUNS.name, partition, offset))
            self._hold_still(self._member)
            return
        try:
            run = decode_run(message.value(), self._registry.schema_of)
            attempt = self._ledger.attempts(partition, offset) + 1
        except wire.WireError as error:
            self._bury(message, str(error))
            return
        except PartUnavailable as error:
            self._wait(error)
            self._member.seek(TopicPartition(topics.METER_RUNS.name, partition, offset))
            return
        if run.run in self._ended:
            self._pass_over(message)
            return
        job = Job(run, partition, offset, attempt, self._free.pop(), time.monotonic())
        self._jobs[partition] = job
        self._hold_still(self._member)
        log.info("a run is taken up", run=run.run, project=run.project, attempt=attempt)
        if attempt > DEATHS_MAX:
            self._end(job, FAILED, f"the worker died over this run {DEATHS_MAX} times in a row; it is not taken up again")

    def _advance(self, job: Job) -> None:
        try:
            if job.ended is not None:
                self._write(job)
            elif job.task is None:
                self._begin(job)
            else:
                self._look(job)
            self._problem = None
        except PartUnavailable as error:
            job.due_s = time.monotonic() + _PAUSE_S
            self._wait(error)

    def _begin(self, job: Job) -> None:
        """Say that it runs, read what it needs, hand it to its process."""
        running = events.status_of(job.run, RUNNING, job.attempt, _now_us() // 1000)
        self._ledger.write([self._status(running)], job.partition, job.offset, job.attempt)
        job.task = read(job.run, events.settings_of(job.run), self._inputs)
        job.slot.begin(job.task)
        job.since_s, job.computing = time.monotonic(), False

    def _look(self, job: Job) -> None:
        answer = job.slot.answer()
        if isinstance(answer, Done):
            self._succeed(job, answer)
        elif isinstance(answer, Failed):
            self._end(job, FAILED, answer.traceback)
        elif isinstance(answer, Died):
            self._died(job, answer.how)
        else:
            self._look_at_the_clock(job)

    def _look_at_the_clock(self, job: Job) -> None:
        now, limit_s = time.monotonic(), self._settings.meter_timeout_s
        if job.slot.computing() and not job.computing:
            job.computing, job.since_s = True, now
        if job.computing and now - job.since_s > limit_s:
            job.slot.kill()
            metrics.DEATHS.inc()
            self._end(
                job,
                FAILED,
                f"the run took longer than {limit_s:g} s and was ended; fewer traces in the project, or a longer "
                "POWERMON_METER_TIMEOUT_S, may help",
            )
        elif not job.computing and now - job.since_s > LOAD_S:
            job.slot.kill()
            self._died(job, f"its process had not loaded OpenDSM within {LOAD_S:.0f} s")

    def _died(self, job: Job, how: str) -> None:
        metrics.DEATHS.inc()
        log.warning("a process died over a run", run=job.run.run, attempt=job.attempt, how=how)
        if job.attempt >= DEATHS_MAX:
            self._end(job, FAILED, f"worker died: {how}; this was attempt {job.attempt}, it is not taken up again")
        else:
            job.attempt += 1
            job.task = None

    def _succeed(self, job: Job, answer: Done) -> None:
        at_us = _now_us()
        result, models = events.result_of(job.run, answer.result, at_us), events.models_of(job.run, answer.result)
        job.ended = [
            (topics.METER_RESULTS.name, *result.message(self._registry.id_of(topics.METER_RESULTS))),
            *((topics.METER_MODELS.name, *m.message(self._registry.id_of(topics.METER_MODELS))) for m in models),
            self._status(events.status_of(job.run, SUCCESS, job.attempt, at_us // 1000)),
        ]
        job.status = SUCCESS
        for model in models:
            metrics.MODELS.labels(model.kind, model.status).inc()
        self._write(job)

    def _end(self, job: Job, status: str, traceback: str) -> None:
        job.ended = [self._status(events.status_of(job.run, status, job.attempt, _now_us() // 1000, traceback))]
        job.status = status
        self._write(job)

    def _write(self, job: Job) -> None:
        assert job.ended is not None
        try:
            self._ledger.write(job.ended, job.partition, job.offset + 1)
        except LogUnavailable as error:
            job.due_s = time.monotonic() + _PAUSE_S
            self._wait(error)
            return
        except ledger.TooLarge as error:
            job.ended = None
            self._end(job, FAILED, f"{error}; divide the project")
            return
        log.info("a run has ended", run=job.run.run, status=job.status, seconds=round(time.monotonic() - job.begun_s, 1))
        self._ended.add(job.run.run)
        metrics.RUNS.labels(job.status).inc()
        metrics.SECONDS.observe(time.monotonic() - job.begun_s)
        self._drop(job.partition)
        self._hold_still(self._member)

    def _status(self, status: MeterRunStatus) -> Message:
        return topics.METER_RUN_STATUS.name, *status.message(self._registry.id_of(topics.METER_RUN_STATUS))

    def _bury(self, message: Taken, reason: str) -> None:
        """A message that is no run goes to the dead letters, and reading goes on behind it."""
        m = message
        letter = DeadLetter(m.topic(), m.partition(), m.offset(), m.key(), m.value(), reason, m.timestamp()[1], "meter")
        self._pass_over(message, (topics.DEAD_LETTERS.name, *letter.message(self._registry.id_of(topics.DEAD_LETTERS))))

    def _pass_over(self, m: Taken, *messages: Message) -> None:
        """Read on behind a message."""
        try:
            self._ledger.write(messages, m.partition(), m.offset() + 1)
        except LogUnavailable as error:
            self._wait(error)
            self._member.seek(TopicPartition(m.topic(), m.partition(), m.offset()))

    def _wait(self, error: PartUnavailable) -> None:
        self._problem = str(error)
        log.warning("nothing is lost, will try again", reason=str(error), after_s=_PAUSE_S)


def _now_us() -> int:
    return time.time_ns() // 1000
