"""What a Linky's frame says, whatever its mode: its labels under the names of the quantities."""

from collections.abc import Mapping

from schemas.tic_frame import TicFrame, Value

Values = Mapping[str, Value]
"""By label."""

HISTORIC_V = 200
"""ISOUSC = PREF / 200 V (54E 6.1)."""
_DAYS = {"JB": "blue", "JW": "white", "JR": "red"}
_TOMORROW = {"BLEU": "blue", "BLAN": "white", "ROUG": "red"}


def values_of(frame: TicFrame) -> dict[str, Value]:
    """A frame's accepted labels."""
    return {one.label: one.value for one in frame.labels}


def apparent_va(values: Values) -> int | None:
    """Apparent power drawn."""
    return _first(values, "SINSTS", "SINST1", "PAPP")


def injected_va(values: Values) -> int | None:
    """Apparent power injected; None when the meter does not say."""
    return _first(values, "SINSTI")


def voltages_v(values: Values) -> tuple[int | None, ...]:
    """By phase, as many as the meter has; historic mode has none."""
    return _phases(values, "URMS")


def currents_a(values: Values) -> tuple[int | None, ...]:
    """By phase, as many as the meter has."""
    single = _first(values, "IINST")
    return _phases(values, "IRMS") or _phases(values, "IINST") or (() if single is None else (single,))


def contract_va(values: Values) -> int:
    """Apparent power of the contract; 0 when the frame does not say."""
    reference, per_phase = _first(values, "PREF"), _first(values, "ISOUSC")
    if reference is not None:
        return reference * 1000
    phases = 3 if "IINST1" in values else 1
    return (per_phase or 0) * HISTORIC_V * phases


def tariff(values: Values) -> int:
    """The index in force, 1 to 10; 0 when the frame does not say (historic mode names a period instead)."""
    return _first(values, "NTARF") or 0


def tariff_name(values: Values) -> str:
    """The tariff in force as the meter writes it, LTARF or PTEC."""
    return next((str(values[label]) for label in ("LTARF", "PTEC") if values.get(label)), "")


def tempo(values: Values, today: str = "none", tomorrow: str = "none") -> tuple[str, str]:
    """Tempo's colours of today and tomorrow: none, blue, white, red.

    Args:
        today, tomorrow: as the status register says; historic mode has none and says it by PTEC and DEMAIN.
    """
    period, announced = str(values.get("PTEC") or ""), str(values.get("DEMAIN") or "")
    told = _DAYS.get(period[2:4], "none"), _TOMORROW.get(announced, "none")
    return (told[0] if today in ("", "none") else today), (told[1] if tomorrow in ("", "none") else tomorrow)


def over_power(values: Values) -> bool:
    """Historic mode: more current than the contract allows, now. Standard mode says it in STGE."""
    return any(label in values for label in ("ADPS", "ADIR1", "ADIR2", "ADIR3"))


def _first(values: Values, *labels: str) -> int | None:
    return next((found for label in labels if isinstance(found := values.get(label), int)), None)


def _phases(values: Values, name: str) -> tuple[int | None, ...]:
    last = max((phase for phase in (1, 2, 3) if f"{name}{phase}" in values), default=0)
    return tuple(_first(values, f"{name}{phase}") for phase in range(1, last + 1))
