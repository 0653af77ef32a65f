"""What a Linky's indexes say was drawn: counters, so what was used unheard is in it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from streams.core.energy import local_day

Counted = Mapping[str, tuple[int, int, int]]
"""By label: first and last counter of a quarter-hour, and what it grew by in heard minutes, all Wh."""

_TOTALS = ("EAST", "EAIT")
_OTHER_SPLIT = "EASD"


def drawn(quarters: Iterable[tuple[int, Counted]], zone: str, since_s: int) -> dict[tuple[date, str], int]:
    """Wh by local day and label, of indexes of the supplier. What was used unheard counts on the day it is heard of.

    Args:
        quarters: by time; those before since_s only tell where counters stood.

    A counter that falls is another meter's: it counts from there on.
    """
    found: dict[tuple[date, str], int] = defaultdict(int)
    stood: dict[str, int] = {}
    for at_s, counted in quarters:
        for label, (first, last, heard) in counted.items():
            if label in _TOTALS or label.startswith(_OTHER_SPLIT):
                continue
            unheard = max(0, first - stood.get(label, first))
            stood[label] = last
            if at_s >= since_s:
                found[local_day(zone, at_s), label] += unheard + max(heard, last - first)
    return dict(found)


def option_of(used: Mapping[tuple[date, str], int]) -> str:
    """Which of the regulated options the labels that moved belong to: base, hchp, tempo or ejp."""
    moved = {label for (_, label), wh in used.items() if wh}
    for start, option in (("BBR", "tempo"), ("EJP", "ejp"), ("HC", "hchp"), ("BASE", "base")):
        if any(label.startswith(start) for label in moved):
            return option
    numbers = {int(label[4:]) for label in moved if label.startswith("EASF") and label[4:].isdigit()}
    return "tempo" if numbers & {3, 4, 5, 6} else "hchp" if 2 in numbers else "base"
