"""Which index counts when: the contracts' hours, Tempo's colours and EJP's days, by local time.

Coloured days are more frequent than in France, and come in summer too, so that a short run shows them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from producers.simulate.linky.contract import Contract, Tariff
from producers.simulate.noise import Bools, Int64s, hashed, uniform

ZONE = ZoneInfo("Europe/Paris")
DAY = 1440
BLUE, WHITE, RED = 1, 2, 3
TEMPO_BEGIN, TEMPO_OFF_PEAK, TEMPO_KNOWN = 6 * 60, 22 * 60, 20 * 60
EJP_BEGIN, EJP_MINUTES, EJP_KNOWN, EJP_NOTICE = 7 * 60, 18 * 60, 17 * 60, 30
HC_END, HC_BEGIN = 6 * 60 + 30, 22 * 60 + 30
OF_COLOUR = {WHITE: 1, RED: 2}
"""Which mobile peak a colour is; blue is none."""
NAMES = {
    Tariff.BASE: ("      BASE      ", ("      BASE      ",)),
    Tariff.HCHP: ("H PLEINE/CREUSE ", (" HEURE  CREUSE  ", " HEURE  PLEINE  ")),
    Tariff.TEMPO: (
        "     TEMPO      ",
        ("    HC  BLEU    ", "    HP  BLEU    ", "   HC  BLANC    ", "   HP  BLANC    ", "    HC ROUGE    ", "    HP ROUGE    "),
    ),
    Tariff.EJP: ("      EJP       ", ("  HEURE NORMALE ", "  POINTE MOBILE ")),
}
"""NGTF, and LTARF by index."""
_PROFILES = {
    Tariff.BASE: ["00008001"],
    Tariff.HCHP: ["0000C001", "06308002", "2230C001"],
    Tariff.TEMPO: ["00004001", "06004002", "22004001"],
    Tariff.EJP: ["00004001"],
}
_PEAK_PROFILES = {
    (Tariff.TEMPO, 1): ["00004003", "06004004", "22004003"],
    (Tariff.TEMPO, 2): ["00004005", "06004006", "22004005"],
    (Tariff.EJP, 1): ["00004001", "07004002"],
}


def local_minutes(minute: Int64s) -> Int64s:
    """Local time in minutes since 1970; shape (n,).

    Args:
        minute: UTC, in minutes since 1970.
    """
    hours, where = np.unique(minute // 60, return_inverse=True)
    ahead = np.array([ahead_s(3600 * hour) // 60 for hour in hours.tolist()], np.int64)
    local: Int64s = minute + ahead[where]
    return local


def ahead_s(at_s: int) -> int:
    """Local time less UTC at a moment."""
    offset = datetime.fromtimestamp(at_s, ZONE).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def utc_s(local_minute: int) -> int:
    """The moment at which clocks say so; of two the first."""
    naive = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=local_minute)
    return int(naive.replace(tzinfo=ZONE).timestamp())


def colours(seed: int, day: Int64s) -> Int64s:
    """Tempo's colour of days counted from 06:00 of 1970-01-01; shape (n,)."""
    drawn = uniform(hashed(seed, 301, day))
    found: Int64s = BLUE + (drawn > 0.55).astype(np.int64) + (drawn > 0.82)
    return found


def mobile_peak(seed: int, local: Int64s) -> Bools:
    """Whether EJP's peak runs: from 07:00 of its day to 01:00; shape (n,)."""
    day, minute = np.divmod(local - EJP_BEGIN, DAY)
    peak: Bools = (uniform(hashed(seed, 302, day)) > 0.7) & (minute < EJP_MINUTES)
    return peak


def indexes(contract: Contract, local: Int64s) -> Int64s:
    """The supplier index in force, from 1; shape (n,)."""
    minute = local % DAY
    if contract.tariff is Tariff.HCHP:
        return 2 - off_peak(local)
    if contract.tariff is Tariff.TEMPO:
        peak = (minute >= TEMPO_BEGIN) & (minute < TEMPO_OFF_PEAK)
        return 2 * colours(contract.seed, (local - TEMPO_BEGIN) // DAY) - 1 + peak
    if contract.tariff is Tariff.EJP:
        return 1 + mobile_peak(contract.seed, local).astype(np.int64)
    return np.ones_like(local)


def off_peak(local: Int64s) -> Int64s:
    """1 in the night's hours, which are those of HC; shape (n,)."""
    minute = local % DAY
    return ((minute < HC_END) | (minute >= HC_BEGIN)).astype(np.int64)


def grid_indexes(local: Int64s) -> Int64s:
    """The distributor's index, 1 to 4: night and day, April to October and the rest; shape (n,)."""
    month = (local // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    summer = (month >= 4) & (month <= 10)
    return 2 - off_peak(local) + 2 * summer


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a meter knows of today and tomorrow at one minute.

    Attributes:
        today, tomorrow: Tempo's colours; 0 none, or not known yet.
        running, announced: the mobile peak; 0 none.
        begin, end: of the announced one, in local minutes.
        notice: whether EJP's notice of 30 minutes runs.
    """

    today: int = 0
    tomorrow: int = 0
    running: int = 0
    announced: int = 0
    begin: int = 0
    end: int = 0
    notice: bool = False


def calendar(contract: Contract, local: int) -> Calendar:
    """What is announced and runs at a local minute."""
    if contract.tariff is Tariff.TEMPO:
        day, minute = divmod(local - TEMPO_BEGIN, DAY)
        today, next_day = colours(contract.seed, np.array([day, day + 1])).tolist()
        tomorrow = next_day if minute >= TEMPO_KNOWN - TEMPO_BEGIN else 0
        begin = (day + 1) * DAY + TEMPO_BEGIN
        running, announced = OF_COLOUR.get(today, 0), OF_COLOUR.get(tomorrow, 0)
        return Calendar(today, tomorrow, running, announced, begin, begin + DAY)
    if contract.tariff is Tariff.EJP:
        day, minute = divmod(local - EJP_BEGIN, DAY)
        begin = (day + 1) * DAY + EJP_BEGIN
        running, coming = mobile_peak(contract.seed, np.array([local, begin])).tolist()
        known = coming and minute >= EJP_KNOWN - EJP_BEGIN
        notice = coming and minute >= DAY - EJP_NOTICE
        return Calendar(running=int(running), announced=int(known), begin=begin, end=begin + EJP_MINUTES, notice=notice)
    return Calendar()


def profile(contract: Contract, peak: int = 0) -> str:
    """PJOURF+1, or PPOINTE of a mobile peak: 11 blocks."""
    blocks = _PEAK_PROFILES[contract.tariff, peak] if peak else _PROFILES[contract.tariff]
    return " ".join(blocks + ["NONUTILE"] * (11 - len(blocks)))
