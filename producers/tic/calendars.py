"""PJOURF+1 and PPOINTE: 11 blocks HHMMSSSS, what changes when (54E 6.2.3.22)."""

import re

from schemas.tic_frame import TicSwitch

_BLOCK = re.compile("([01][0-9]|2[0-3])([0-5][0-9])([0-9A-F]{4})")
UNUSED = "NONUTILE"
_CONTACT = ("unchanged", "tempo", "open", "closed")
INDEX_MAX = 10


def switches(profile: object) -> list[TicSwitch] | None:
    """The blocks in use; None when the value is no profile."""
    if not isinstance(profile, str):
        return None
    found = [(block, _BLOCK.fullmatch(block)) for block in profile.split(" ")]
    if any(match is None and block != UNUSED for block, match in found):
        return None
    return [_switch(match) for _, match in found if match]


def _switch(block: re.Match[str]) -> TicSwitch:
    action = int(block[3], 16)
    index = action & 0xF  # bits 0-3; 0 and 11 to 15: no change
    return TicSwitch(
        minute=int(block[1]) * 60 + int(block[2]),
        supplier_index=index if 1 <= index <= INDEX_MAX else None,
        virtual_closed=action >> 4 & 0x7F,
        contact=_CONTACT[action >> 14],
    )
