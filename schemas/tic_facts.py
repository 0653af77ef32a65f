"""What of a frame its minute is made of: one row of numbers a frame."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas import tic_kernels as k
from schemas.columns import Bools, Int64s
from schemas.names import Names
from schemas.tic_batch import FrameBatch

WH = (
    *("EAST", *(f"EASF{i:02}" for i in range(1, 11)), *(f"EASD{i:02}" for i in range(1, 5))),
    *("BASE", "HCHC", "HCHP", "EJPHN", "EJPHPM", "BBRHCJB", "BBRHPJB", "BBRHCJW", "BBRHPJW", "BBRHCJR", "BBRHPJR", "EAIT"),
)
"""Indexes of active energy, in Wh."""
NUMBERS = (
    *WH,
    *("ERQ1", "ERQ2", "ERQ3", "ERQ4", "SINSTS", "SINST1", "PAPP", "SINSTI", "URMS1", "URMS2", "URMS3", "IRMS1", "IRMS2", "IRMS3"),
    *("IINST", "IINST1", "IINST2", "IINST3", "PREF", "PCOUP", "ISOUSC", "NTARF", "ADPS", "ADIR1", "ADIR2", "ADIR3"),
)
"""Labels whose numbers a row holds."""
TEXTS = ("LTARF", "PTEC", "DEMAIN")
"""Labels whose texts matter."""

OFFSET, AT, BOOT, COUNTER, COVERS, CHARACTERS, BAD, DISCARDED, REJECTED = range(9)
OVER_POWER, DEGRADED, TODAY, TOMORROW, STATUS_INDEX, TARIFF, NAME = range(9, 16)
FIRST_NUMBER = 16
FACTS = FIRST_NUMBER + len(NUMBERS)
"""Columns of a row; -1: not sent. BOOT and NAME index vocabularies; TODAY and TOMORROW index COLOURS."""
COLUMN = {label: FIRST_NUMBER + i for i, label in enumerate(NUMBERS)}
COLOURS = ("none", "blue", "white", "red")

COVERS_MAX_S = 10
_BAUD = np.array([9600, 1200])
_BITS = 10
_OVER = [COLUMN[label] for label in ("ADPS", "ADIR1", "ADIR2", "ADIR3")]
_TARIFF_OF = {"TH..": 1, "HC..": 1, "HP..": 2, "HN..": 1, "PM..": 2}
_TARIFF_OF |= {"HCJB": 1, "HPJB": 2, "HCJW": 3, "HPJW": 4, "HCJR": 5, "HPJR": 6}
"""Historic tariff periods as numbers of the standard calendars."""
_TODAY_OF = {name: "BWR".index(name[3]) + 1 for name in _TARIFF_OF if name[3] in "BWR"}
_TOMORROW_OF = {"----": 0, "BLEU": 1, "BLAN": 2, "ROUG": 3}


@dataclass(frozen=True, slots=True)
class Facts:
    """n frames.

    Attributes:
        table: shape (n, FACTS).
        boots, names: vocabularies of the columns BOOT and NAME.
    """

    table: Int64s
    boots: list[str]
    names: list[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What n frames say, before it is put together; shape (n,) each.

    Attributes:
        numbers: shape (n, len(NUMBERS)).
        texts: by label of TEXTS, index into `vocabulary`; -1: not sent.
        status_index, today, tomorrow: of STGE; -1: not sent.
    """

    offset: Int64s
    at_s: Int64s
    boot: Int64s
    counter: Int64s
    mode: Int64s
    characters: Int64s
    bad: Int64s
    discarded: Int64s
    rejected: Int64s
    degraded: Bools
    status_index: Int64s
    over_power: Bools
    today: Int64s
    tomorrow: Int64s
    numbers: Int64s
    texts: dict[str, Int64s]
    vocabulary: list[str]


def together(sent: Sent) -> Int64s:
    """Rows of facts, shape (n, FACTS); NAME indexes the vocabulary of texts."""
    out = np.full((len(sent.offset), FACTS), -1, np.int64)
    out[:, FIRST_NUMBER:] = sent.numbers
    out[:, OFFSET], out[:, AT], out[:, BOOT], out[:, COUNTER] = sent.offset, sent.at_s, sent.boot, sent.counter
    out[:, COVERS] = covered_s(sent.characters, sent.mode)
    out[:, CHARACTERS], out[:, BAD] = sent.characters, sent.bad
    out[:, DISCARDED], out[:, REJECTED] = sent.discarded, sent.rejected
    out[:, OVER_POWER] = sent.over_power | (out[:, _OVER] >= 0).any(axis=1)
    out[:, DEGRADED] = sent.degraded
    name, period, colour = (sent.texts[label] for label in TEXTS)
    out[:, NAME] = np.where(name >= 0, name, period)
    out[:, TODAY] = np.where(sent.today >= 0, sent.today, _of(sent.vocabulary, period, _TODAY_OF))
    out[:, TOMORROW] = np.where(sent.tomorrow >= 0, sent.tomorrow, _of(sent.vocabulary, colour, _TOMORROW_OF))
    out[:, STATUS_INDEX] = sent.status_index
    tariff = out[:, COLUMN["NTARF"]]
    tariff = np.where(tariff >= 0, tariff, sent.status_index)
    out[:, TARIFF] = np.where(tariff >= 0, tariff, _of(sent.vocabulary, period, _TARIFF_OF))
    return out


def covered_s(characters: Int64s, mode: Int64s) -> Int64s:
    """Seconds that frames took to be sent, STX and ETX included, rounded up."""
    sent: Int64s = -(-(np.minimum(characters, 1 << 20) + 2) * _BITS // _BAUD[mode])
    return np.clip(sent, 1, COVERS_MAX_S)


def facts(batch: FrameBatch) -> Facts:
    """The facts of a batch."""
    t, groups, status = batch.table, batch.groups(), batch.statuses()
    boots, names = Names(), Names()
    has = t[:, k.STATUS_AT] >= 0
    numbers, texts = _scattered(batch, groups, names)
    sent = Sent(
        offset=batch.offset,
        at_s=batch.at_s,
        boot=boots.codes(batch.buffer, t[:, k.BOOT_AT], t[:, k.BOOT_LENGTH]),
        counter=t[:, k.COUNTER],
        mode=t[:, k.MODE],
        characters=t[:, k.CHARACTERS],
        bad=t[:, k.BAD_CHARACTERS],
        discarded=t[:, k.DISCARDED],
        rejected=t[:, k.REJECTED],
        degraded=t[:, k.DEGRADED] != 0,
        status_index=np.where(has, status[:, k.SUPPLIER], -1),
        over_power=status[:, k.OVER_POWER] != 0,
        today=np.where(has, status[:, k.TODAY], -1),
        tomorrow=np.where(has, status[:, k.TOMORROW], -1),
        numbers=numbers,
        texts=texts,
        vocabulary=names.names,
    )
    return Facts(together(sent), boots.names, names.names)


def word_of(label: str) -> int:
    """A label of at most eight characters as `groups` reads it."""
    return int.from_bytes(label.encode(), "little")


_WORDS = np.array([word_of(label) for label in (*NUMBERS, *TEXTS)])
_BY_WORD = np.argsort(_WORDS)


def _scattered(batch: FrameBatch, groups: Int64s, names: Names) -> tuple[Int64s, dict[str, Int64s]]:
    low = groups[:, k.WORD_LOW]
    at = np.minimum(np.searchsorted(_WORDS[_BY_WORD], low), len(_WORDS) - 1)
    code = np.where((_WORDS[_BY_WORD][at] == low) & (groups[:, k.WORD_HIGH] == 0), _BY_WORD[at], -1)
    kind, frame = groups[:, k.KIND], groups[:, k.FRAME]
    numbers = np.full((len(batch), len(NUMBERS)), -1, np.int64)
    k.scatter(frame, np.where((kind == 1) & (code < len(NUMBERS)), code, -1), groups[:, k.VALUE], numbers)
    texts = {}
    for i, label in enumerate(TEXTS):
        rows = np.flatnonzero((code == len(NUMBERS) + i) & (kind == 2) & (groups[:, k.VALUE_LENGTH] <= 64))
        texts[label] = np.full(len(batch), -1, np.int64)
        texts[label][frame[rows]] = names.codes(batch.buffer, groups[rows, k.VALUE], groups[rows, k.VALUE_LENGTH])
    return numbers, texts


def _of(vocabulary: list[str], index: Int64s, says: dict[str, int]) -> Int64s:
    """What texts stand for; -1 where there is none or it says nothing."""
    meanings: npt.NDArray[np.int64] = np.array([*(says.get(text, -1) for text in vocabulary), -1], np.int64)
    return meanings[index]
