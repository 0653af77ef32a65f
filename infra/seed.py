"""Puts the development seed into a stack: what is there already stays, and is said."""

import secrets
import string
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from infra.errors import PowermonError
from schemas import topics
from schemas.record_part import Records, weather_series
from schemas.topics import Topic
from streams.catalog.commands import AddUser, ChangeRole, Command, IssueUserToken, RevokeUserToken, SetPassword
from streams.catalog.datastore import projects, stations, traces
from streams.catalog.datastore.energy_commands import CreateStation, CreateTrace
from streams.catalog.datastore.project_commands import CreateProject, EnrolUser
from streams.catalog.outcome import Outcome
from streams.catalog.state import State
from streams.catalog.tokens import hash_of
from streams.core import seed

DEMO, PASSWORD = "demo", "demo-password"
ADMIN = "admin"
TOKEN, SCOPE, DAYS = "tokstr", "read write", 365.0
NO_SCOPE = "none"
"""What a token's scope says that may do nothing."""

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Grant:
    """A token to make.

    Attributes:
        days: its life from now on; it is over already when negative.
    """

    token: str
    scope: str = SCOPE
    days: float = DAYS


Publish = Callable[[Topic, Records], Awaitable[None]]


class Catalog(Protocol):
    """What the seed needs of streams.catalog.view.CatalogView."""

    @property
    def state(self) -> State: ...
    async def submit(self, command: Command, *, actor: str = ...) -> Outcome: ...


class SeedRefused(PowermonError):
    """The catalog, or what is there already, is in the seed's way."""


class Seeder:
    """Asks the catalog for what is missing.

    Args:
        catalog: caught up.
        publish: writes one batch of records to its topic, whole or not at all.
        say: is told each step.
    """

    def __init__(
        self, catalog: Catalog, publish: Publish, say: Callable[[str], None], hasher: PasswordHasher | None = None
    ) -> None:
        self._catalog, self._publish, self._say = catalog, publish, say
        self._hasher = hasher or PasswordHasher()

    async def development(self, grants: list[Grant], *, again: bool) -> None:
        """User demo, its tokens, project ABC with six traces and their records, a station and its weather.

        Args:
            again: write records of traces and weather that were there before once more.
        """
        await self._demo()
        for grant in grants:
            await self._grant(DEMO, grant)
        station, station_is_new = await self._station()
        series, project_is_new = await self._project()
        if project_is_new or again:
            await self._records(topics.CONSUMPTION, [seed.records_of(t, pk) for t, pk in zip(seed.TRACES, series, strict=True)])
        if station_is_new or again:
            await self._records(topics.WEATHER, [seed.weather_of(weather_series(station, normal=False))])

    async def production(self) -> None:
        """User admin with a random password and token, both said once; no project."""
        token = random_text()
        if ADMIN in self._catalog.state.users:
            self._say("user admin is there already; its password stays")
        else:
            password = random_text()
            await self._ask(AddUser(name=ADMIN, role="admin", password_hash=self._hasher.hash(password)))
            self._say(f"Admin password: {password}")
        await self._ask(EnrolUser(name=ADMIN))
        await self._grant(ADMIN, Grant(token), quiet=True)
        self._say(f"Admin token: {token}")

    async def _demo(self) -> None:
        user = self._catalog.state.users.get(DEMO)
        if user is None:
            await self._ask(AddUser(name=DEMO, role="admin", password_hash=self._hasher.hash(PASSWORD)))
            self._say(f"user {DEMO} is made, an administrator with the password {PASSWORD}")
            return
        if user.role != "admin":
            await self._ask(ChangeRole(name=DEMO, role="admin"))
            self._say(f"user {DEMO} was there, and is an administrator now")
        if user.one_time or not _fits(self._hasher, user.password_hash):
            await self._ask(SetPassword(name=DEMO, password_hash=self._hasher.hash(PASSWORD)))
            self._say(f"user {DEMO} was there, and has the password {PASSWORD} now")
        else:
            self._say(f"user {DEMO} is there already")
        await self._ask(EnrolUser(name=DEMO))

    async def _grant(self, name: str, grant: Grant, *, quiet: bool = False) -> None:
        now_ms, sha256 = time.time_ns() // 1_000_000, hash_of(grant.token)
        scope, expires_at_ms = grant.scope or NO_SCOPE, max(0, now_ms + int(grant.days * _DAY_MS))
        known = self._catalog.state.user_tokens.get(sha256)
        if known is not None:
            if known.name != name:
                raise SeedRefused(f"a token that was to be made for {name} is already {known.name}'s; choose another")
            await self._ask(RevokeUserToken(name=name, token_sha256=sha256))
        await self._ask(IssueUserToken(name=name, token_sha256=sha256, scope=scope, expires_at_ms=expires_at_ms))
        if not quiet:
            life = f"for {grant.days:g} days" if grant.days > 0 else "expired"
            self._say(f"token {grant.token} is {'renewed' if known else 'made'}: scope {scope!r}, {life}")

    async def _project(self) -> tuple[list[int], bool]:
        """The primary keys of the seed's traces, and whether they are new."""
        state = self._catalog.state
        owner = state.index.one("owner", state.users[DEMO].pk)
        found = projects.by_label(state, seed.PROJECT)
        if found is None:
            made = await self._ask(
                CreateProject(
                    project_owner=owner,
                    project_id=seed.PROJECT,
                    baseline_period_end_us=seed.BASELINE_END_US,
                    reporting_period_start_us=seed.REPORTING_START_US,
                    zipcode=seed.ZIPCODE,
                )
            )
            pk = _pk(made)
            outcomes = [
                await self._ask(CreateTrace(interpretation=t.interpretation, unit=t.unit, project=pk)) for t in seed.TRACES
            ]
            self._say(f"project {seed.PROJECT} is made, id {pk}, with {len(outcomes)} traces")
            return [_pk(outcome) for outcome in outcomes], True
        there = traces.of_project(state, found.pk)
        expected = [(t.interpretation, t.unit, None) for t in seed.TRACES]
        if [(trace.interpretation, trace.unit, trace.label) for trace in there] != expected:
            raise SeedRefused(
                f"project {seed.PROJECT} is there, id {found.pk}, with traces that are not the seed's; "
                "remove it over the REST API (DELETE /api/v1/projects/…) and run this again"
            )
        self._say(f"project {seed.PROJECT} is there already, id {found.pk}, with its traces; --again writes their records again")
        return [trace.pk for trace in there], False

    async def _station(self) -> tuple[int, bool]:
        """The primary key of the seed's weather station, and whether it is new."""
        found = stations.by_name(self._catalog.state, seed.STATION)
        if found is not None:
            self._say(f"weather station {seed.STATION} is there already")
            return found.pk, False
        command = CreateStation(
            station_id=seed.STATION, label="made-up weather", zipcodes=(seed.ZIPCODE,), timezone=seed.STATION_ZONE, unit="DEGC"
        )
        made = await self._ask(command)
        self._say(f"weather station {seed.STATION} is made, for zipcode {seed.ZIPCODE}")
        return _pk(made), True

    async def _records(self, topic: Topic, batches: list[Records]) -> None:
        records = np.concatenate(batches)
        await self._publish(topic, records)
        self._say(f"{len(records):,} records are in {topic.name}")

    async def _ask(self, command: Command) -> Outcome:
        outcome = await self._catalog.submit(command, actor="seed")
        if not outcome.accepted:
            raise SeedRefused(f"the catalog refused {command.KIND}: {outcome.detail}")
        return outcome


def random_text() -> str:
    """12 capitals and digits."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))


def _pk(outcome: Outcome) -> int:
    assert outcome.pk is not None
    return outcome.pk


def _fits(hasher: PasswordHasher, password_hash: str) -> bool:
    try:
        return hasher.verify(password_hash, PASSWORD)
    except Argon2Error:
        return False
