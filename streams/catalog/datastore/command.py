"""What every command of the datastore has, and the texts and numbers that may stand in one.

Times are microseconds since 1970, UTC.
"""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct

_FIRST_US = -62_135_596_800_000_000
_END_US = 253_402_300_800_000_000
"""The years 1 to 9999."""

Pk = Annotated[int, Meta(ge=1, lt=2**53)]
TimeUs = Annotated[int, Meta(ge=_FIRST_US, lt=_END_US)]
Label = Annotated[str, Meta(min_length=1, max_length=255)]
TraceLabel = Annotated[str, Meta(max_length=140)]
Zipcode = Annotated[str, Meta(max_length=10)]
KeyName = Annotated[str, Meta(min_length=1, max_length=100)]
StationId = Annotated[str, Meta(min_length=1, max_length=64)]
StationLabel = Annotated[str, Meta(max_length=200)]
ZoneName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z", max_length=64)]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
SealedText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{40,200}\Z")]
KeyId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Salt = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
DateText = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
CharValue = Annotated[str, Meta(max_length=100)]
IntValue = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Json = Annotated[str, Meta(max_length=100_000)]

DataType = Literal["BOOLEAN", "CHAR", "DATE", "DATETIME", "FLOAT", "INTEGER"]
Interpretation = Literal["E_C_S", "E_C_T", "E_C_N", "E_OSG_T", "E_OSG_C", "E_OSG_U", "NG_C_S"]
EnergyUnit = Literal["KWH", "THM"]
TemperatureUnit = Literal["DEGC", "DEGF"]


class Datastore(Struct, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str]

    @property
    def entity(self) -> str:
        """The resource, and the object's key when the command is about one that has it."""
        pk = getattr(self, "pk", None)
        return self.RESOURCE if pk is None else f"{self.RESOURCE}/{pk}"

    def changes(self) -> dict[str, Any]:
        """What is named besides the key, by field."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "pk")
        return {name: value for name, value in values if value is not UNSET}
