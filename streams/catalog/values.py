"""What the fields of a command may hold: everything is checked as it is read. Ids are lower case."""

from typing import Annotated, Literal

from msgspec import Meta

SENSOR_NAME = r"[a-z]{1,58}[0-9]{6}"
METER_NAME = r"[0-9]{12}|m[0-9a-f]{20}"
"""A Linky's address, or its pseudonym."""

SENSOR_ID = rf"\A({SENSOR_NAME}|{METER_NAME})\Z"
USER_NAME = r"\A[a-z][a-z0-9._-]{0,63}\Z"
ENTRY_NAME = r"\A[a-z0-9][a-z0-9._-]{0,63}\Z"

AT_MS_END = 253_402_300_800_000
"""The year 10000: beyond it no calendar of ours goes."""

SensorId = Annotated[str, Meta(pattern=SENSOR_ID)]
UserName = Annotated[str, Meta(pattern=USER_NAME)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Argon2 = Annotated[str, Meta(pattern=r"\A\$argon2", max_length=512)]
Milliseconds = Annotated[int, Meta(ge=0, lt=AT_MS_END)]
Zone = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z", max_length=64)]
Scope = Annotated[str, Meta(pattern=r"\A[a-z]+( [a-z]+)*\Z", max_length=200)]
Role = Literal["admin", "operator", "viewer"]
Units = Literal["canonical", "base"]
Kind = Literal["power", "linky"]
Category = Literal["main", "submain", "sub", "special"]
Name = Annotated[str, Meta(pattern=ENTRY_NAME)]
NameOrNone = Annotated[str, Meta(pattern=r"\A([a-z0-9][a-z0-9._-]{0,63})?\Z")]
Text = Annotated[str, Meta(max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
Day = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
TariffPlan = Annotated[str, Meta(pattern=r"\A([a-z0-9][a-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,3})?\Z")]
Volts = Annotated[float, Meta(gt=0, le=1000)]
Watts = Annotated[float, Meta(ge=0, le=1e9)]
Thresholds = Annotated[dict[Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,39}\Z")], float], Meta(max_length=100)]

QUIET_TIME = r"\A([a-z]{3}(-[a-z]{3})?(,[a-z]{3}(-[a-z]{3})?)* )?[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]\Z"

Channel = Literal["webhook", "email", "mqtt"]
Tongue = Literal["en", "ko", "fr"]
Severity = Literal["notice", "warning", "severe"]
Sealed = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]*\Z", max_length=8000)]
SealedUnder = Annotated[str, Meta(pattern=r"\A([0-9a-f]{16})?\Z")]
Address = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
RuleName = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,39}\Z")]
QuietTime = Annotated[str, Meta(pattern=QUIET_TIME, max_length=60)]

DOCUMENT_MAX = 500_000
"""Characters a tariff's document may have."""
