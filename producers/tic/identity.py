"""Whose frame it is, and how to say so without naming a home."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from producers.tic.groups import Group
from producers.tic.labels import ADDRESSES, PERSONAL

PSEUDONYM_HEX = 20
KEY_MIN_BYTES = 16
"""The addresses can be guessed one by one; the key cannot be."""


def address_of(groups: Mapping[str, Group]) -> str | None:
    """The meter's address in this frame, of either mode; None when the group was refused or empty."""
    return next((str(groups[label].value) for label in ADDRESSES if label in groups and groups[label].value), None)


@dataclass(frozen=True, slots=True)
class Meter:
    """The meter at the end of this line.

    A new address counts once two frames in a row carry it, so that no damaged one makes a meter of its own.

    Attributes:
        address: whose frames these are; None before the first address was confirmed.
        claimed: another address, seen in the last frame that had one.
    """

    address: str | None = None
    claimed: str | None = None

    def after(self, groups: Mapping[str, Group]) -> "Meter":
        """What is known after one more frame."""
        seen = address_of(groups)
        if seen is None:
            return self
        if seen in (self.address, self.claimed):
            return Meter(seen)
        return replace(self, claimed=seen)

    def owns(self, groups: Mapping[str, Group]) -> bool:
        """Whether a frame is this meter's: it says so, or says nothing."""
        return self.address is not None and address_of(groups) in (None, self.address)


def pseudonym(text: str, key: bytes) -> str:
    """The same text and key give the same name; without the key it tells nothing: HMAC-SHA-256, first 80 bits.

    Raises:
        ValueError: the key is too short.
    """
    if len(key) < KEY_MIN_BYTES:
        raise ValueError(f"the pseudonym's key has {len(key)} bytes; expected at least {KEY_MIN_BYTES} random ones")
    return f"m{hmac.digest(key, text.encode(), 'sha256').hex()[:PSEUDONYM_HEX]}"


def hidden(groups: Mapping[str, Group], key: bytes) -> dict[str, Group]:
    """The same groups; what names a home (ADSC, ADCO, PRM) under a pseudonym."""
    return {
        label: replace(group, value=pseudonym(str(group.value), key)) if label in PERSONAL and group.value else group
        for label, group in groups.items()
    }
