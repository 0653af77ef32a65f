"""The sensor or meter of ours whose hours a trace takes."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

SourceKind = Literal["power", "linky"]
SourceId = Annotated[str, Meta(pattern=r"\A[a-z0-9]{1,64}\Z")]
SourceEnergy = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_]{1,32}\Z")]

POWER_ENERGIES = ("import", "export", "net", "import_arithmetic", "export_arithmetic", "phase_a", "phase_b", "phase_c")
"""What a sensor can give; `net` is import less export, a phase's is signed. See docs/energy.md."""

DRAWN, INJECTED = "drawn", "injected"
"""Of a Linky: all that was drawn, all that was injected. Anything else is the label of an index, as EASF01 or HCHC."""

KINDS: tuple[str, ...] = get_args(SourceKind)
USUAL = {"power": "import", "linky": DRAWN}
"""The energy meant where none is named."""


class TraceSource(Struct, frozen=True):
    """Attributes:
    id: of the sensor or meter.
    energy: one of POWER_ENERGIES; of a Linky drawn, injected, or an index.
    """

    kind: SourceKind
    id: SourceId
    energy: SourceEnergy


def problem(source: TraceSource) -> str | None:
    """Why a source of this kind cannot have this energy; None when it can."""
    if source.kind == "power" and source.energy not in POWER_ENERGIES:
        return f"energy {source.energy} came for a power sensor; expected one of {', '.join(POWER_ENERGIES)}"
    if source.kind == "linky" and source.energy not in (DRAWN, INJECTED) and not source.energy.isupper():
        return f"energy {source.energy} came for a Linky; expected {DRAWN}, {INJECTED}, or the label of an index as EASF01"
    return None
