"""What a Linky says in historic mode, in the order of 54E 6.1.2."""

from collections.abc import Iterator

from producers.simulate.linky.contract import Contract, Tariff
from producers.simulate.linky.groups import Said, number, text
from producers.simulate.linky.meter import Reading
from producers.tic.labels import Mode

MODE = Mode.HISTORIC
INDEXES = {
    Tariff.BASE: ("BASE",),
    Tariff.HCHP: ("HCHC", "HCHP"),
    Tariff.TEMPO: ("BBRHCJB", "BBRHPJB", "BBRHCJW", "BBRHPJW", "BBRHCJR", "BBRHPJR"),
    Tariff.EJP: ("EJPHN", "EJPHPM"),
}
PERIODS = {
    Tariff.BASE: ("TH..",),
    Tariff.HCHP: ("HC..", "HP.."),
    Tariff.TEMPO: ("HCJB", "HPJB", "HCJW", "HPJW", "HCJR", "HPJR"),
    Tariff.EJP: ("HN..", "PM.."),
}
"""PTEC by index."""
OPTIONS = {Tariff.BASE: "BASE", Tariff.HCHP: "HC..", Tariff.TEMPO: "BBR(", Tariff.EJP: "EJP."}
TOMORROW = ("----", "BLEU", "BLAN", "ROUG")


def over(contract: Contract, r: Reading) -> dict[int, int]:
    """The current of each phase, from 1, that is above the subscribed one."""
    return {phase: current for phase, current in enumerate(r.current_a, 1) if current > contract.current_a}


def groups(contract: Contract, r: Reading) -> list[Said]:
    """All groups of a long frame."""
    return list(_groups(contract, r))


def short_groups(contract: Contract, r: Reading, warned: dict[int, int]) -> list[Said]:
    """A short frame of a three-phase meter.

    Args:
        warned: the current of each phase that is over, or was during the last minute.
    """
    warnings = [number(MODE, f"ADIR{phase}", current) for phase, current in sorted(warned.items())]
    return [*warnings, text(MODE, "ADCO", contract.address), *_currents(r)]


def _currents(r: Reading) -> Iterator[Said]:
    for phase, current in enumerate(r.current_a, 1):
        yield number(MODE, "IINST" if len(r.current_a) == 1 else f"IINST{phase}", current)


def _groups(contract: Contract, r: Reading) -> Iterator[Said]:
    tariff, calendar = contract.tariff, r.slow.calendar
    yield text(MODE, "ADCO", contract.address)
    yield text(MODE, "OPTARIF", OPTIONS[tariff])
    yield number(MODE, "ISOUSC", contract.current_a)
    for label, energy_wh in zip(INDEXES[tariff], r.supplier_wh, strict=False):
        yield number(MODE, label, energy_wh)
    if calendar.notice:
        yield number(MODE, "PEJP", 30)
    yield text(MODE, "PTEC", PERIODS[tariff][r.supplier - 1])
    if tariff is Tariff.TEMPO:
        yield text(MODE, "DEMAIN", TOMORROW[calendar.tomorrow])
    yield from _currents(r)
    if contract.phases == 1:
        for current in over(contract, r).values():
            yield number(MODE, "ADPS", current)
        yield number(MODE, "IMAX", 90)
    else:
        for phase in (1, 2, 3):
            yield number(MODE, f"IMAX{phase}", 60)
        yield number(MODE, "PMAX", r.slow.yesterday[0][0])
    yield number(MODE, "PAPP", 10 * ((r.drawn_va + 5) // 10))
    yield text(MODE, "HHPHC", "A")
    yield Said("MOTDETAT", "000000", "000000")
    if contract.phases == 3:
        yield Said("PPOT", "00", "00")
