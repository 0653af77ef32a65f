"""What of the intervals that the rules hold now is to be told, after what was told before."""

from dataclasses import replace

from schemas.anomaly import WITHDRAWN, Anomaly

Now = dict[str, Anomaly]
"""By id."""


def news(told: Now, ended: Now, view: Now, *, changed: bool, settled: bool) -> tuple[list[Anomaly], Now, list[Anomaly]]:
    """Of one source.

    Args:
        told: what was published, and may still change.
        ended: over for good since the last time.
        view: all that goes on, or may still change.
        changed: whether its memory is written anyway: then small differences are told too.
        settled: whether what is not found any more is withdrawn; not while a restart reads again what was judged before.

    Returns:
        what is to be told, what may still change after that, and what of it is withdrawn.
    """
    sent = list(ended.values())
    kept: Now = {}
    for one in view.values():
        before = told.get(one.id)
        if before is None or _turned(before, one) or (changed and before != one):
            sent.append(one)
            before = one
        kept[one.id] = before
    gone = []
    for one in told.values():
        if one.id in view or one.id in ended:
            continue
        if settled:
            gone.append(replace(one, state=WITHDRAWN, final=True, end_us=one.last_us))
        else:
            kept[one.id] = one
    return sent + gone, kept, gone


def _turned(before: Anomaly, now: Anomaly) -> bool:
    """Whether something is new that people want to hear of at once."""
    return any(
        getattr(before, name) != getattr(now, name) for name in ("state", "final", "severity", "ieee1159", "en50160", "end_us")
    )
