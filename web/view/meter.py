"""A Linky as its pages know it: frames, minutes, tariffs by name."""

import re
from dataclasses import dataclass, field

from web.view.say import say

DEFAULT_ZONE = "Europe/Paris"
"""Of a meter that is not registered."""
LIVE_S = 30
"""A meter that sent nothing for longer than this is silent; frames travel in batches of some seconds."""
BROKEN_S = 10
"""A line without a right frame for this long is bad (54E 9.4.1): a gap."""
PHASES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, as far as a page shows it.

    Attributes:
        at_s: the frame's own time, UTC; several frames may have the same.
        counter: of one start of the reader.
        received_s: the reader's clock.
        injected_va: None: the meter does not say.
        voltage_v, current_a: by phase; empty when the meter does not say (historic mode has no voltage).
        tariff: index in force, 0 when not known; tariff_name: as the meter calls it.
        contract_va: 0 when not known.
        tempo_today, tempo_tomorrow: none, blue, white or red.
    """

    at_s: int
    counter: int
    received_s: float
    apparent_va: int | None
    injected_va: int | None = None
    voltage_v: tuple[int | None, ...] = ()
    current_a: tuple[int | None, ...] = ()
    tariff: int = 0
    tariff_name: str = ""
    contract_va: int = 0
    tempo_today: str = "none"
    tempo_tomorrow: str = "none"
    over_power: bool = False
    clock_degraded: bool = False
    clock_synchronised: bool = True
    mode: str = "standard"


@dataclass(frozen=True, slots=True)
class Energy:
    """One index over one minute, Wh."""

    first_wh: int
    last_wh: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Minute:
    """One row of `tic_minutes`.

    Attributes:
        minute_s: its start, UTC seconds.
        seconds: of these 60, so many were covered by right frames.
        energy: by the index's label.
        quarantined: frames put aside because they contradict those before them.
    """

    minute_s: int
    frames: int
    seconds: int
    apparent_mean_va: float | None
    apparent_min_va: int | None
    apparent_max_va: int | None
    injected_max_va: int | None
    voltage_min_v: tuple[float | None, ...]
    voltage_mean_v: tuple[float | None, ...]
    voltage_max_v: tuple[float | None, ...]
    tariff: int
    tariff_name: str
    energy: dict[str, Energy] = field(default_factory=dict)
    drawn_wh: int = 0
    injected_wh: int = 0
    contract_va: int = 0
    tempo_today: str = "none"
    tempo_tomorrow: str = "none"
    over_power: bool = False
    clock_degraded: bool = False
    characters: int = 0
    bad_characters: int = 0
    rejected_groups: int = 0
    discarded_frames: int = 0
    lost_frames: int = 0
    quarantined: int = 0


COLOURS = {"blue": say("Blue"), "white": say("White"), "red": say("Red")}
"""Tempo's colours by name; anything else was not said."""

HISTORIC = {
    "BASE": (1, say("Base")),
    "HCHC": (1, say("Off-peak")),
    "HCHP": (2, say("Peak")),
    "EJPHN": (1, say("Normal hours")),
    "EJPHPM": (6, say("Mobile peak")),
    "BBRHCJB": (1, say("Off-peak, blue days")),
    "BBRHPJB": (2, say("Peak, blue days")),
    "BBRHCJW": (3, say("Off-peak, white days")),
    "BBRHPJW": (4, say("Peak, white days")),
    "BBRHCJR": (5, say("Off-peak, red days")),
    "BBRHPJR": (6, say("Peak, red days")),
}
"""Indexes of historic mode: colour of their own, name."""
_PERIODS = {
    "TH..": "BASE",
    "HC..": "HCHC",
    "HP..": "HCHP",
    "HN..": "EJPHN",
    "PM..": "EJPHPM",
    "HCJB": "BBRHCJB",
    "HPJB": "BBRHPJB",
    "HCJW": "BBRHCJW",
    "HPJW": "BBRHPJW",
    "HCJR": "BBRHCJR",
    "HPJR": "BBRHPJR",
}
"""PTEC, the period in force, to the index that counts in it."""
_SUPPLIER = re.compile("EASF([0-9]{2})")


def tariff_index(tariff: int, name: str) -> int:
    """Number of the index in force, 1 to 10, for its colour; 0 when not known."""
    period = _PERIODS.get(name.strip())
    return tariff or (HISTORIC[period][0] if period else 0)


def tariff_text(tariff: int, name: str) -> str:
    """The tariff in force for people; the supplier's own name where there is one."""
    period = _PERIODS.get(name.strip())
    if period:
        return HISTORIC[period][1]
    return " ".join(name.split()) or (say("Index {n}", n=tariff) if tariff else "")


def tariff_of(label: str) -> int | None:
    """The tariff index that this label counts, 1 to 10; None for other indexes."""
    found = _SUPPLIER.fullmatch(label)
    if found:
        return int(found[1])
    return HISTORIC[label][0] if label in HISTORIC else None
