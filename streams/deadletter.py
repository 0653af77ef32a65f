"""What could not be used goes to `dead.letters`, with its bytes, its place and the reason."""

from faust.types import TP

from schemas.dead_letter import DeadLetter
from schemas.run import Run


def letter(schema_id: int, tp: TP, run: Run, at: int, reason: str, stage: str) -> tuple[bytes, bytes]:
    """One dead letter as (key, value) for the topic.

    Args:
        schema_id: of DeadLetter.
        tp, run, at: the message as it came: its partition, run and position in the run.
        reason: what came, what was expected.
        stage: who gave up on it.
    """
    return DeadLetter(
        source_topic=tp.topic,
        source_partition=tp.partition,
        source_offset=int(run.offset[at]),
        message_key=run.key(at),
        message_value=run.value(at),
        reason=reason,
        at_ms=int(run.appended_ms[at]),
        stage=stage,
    ).message(schema_id)
