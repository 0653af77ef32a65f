"""Look-ups that a whole table is too long for; always what the entries themselves say.

They are kept by every change of the state, and made anew from the entries of a snapshot.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

Keys = Callable[[Any], Iterable[Hashable]]


def _one(name: str) -> Keys:
    get = attrgetter(name)
    return lambda entry: (get(entry),)


def _user_pk(user: Any) -> Iterable[Hashable]:
    return (user.pk,) if user.pk else ()


def _with_source(trace: Any) -> Iterable[Hashable]:
    return () if trace.source is None else (True,)


UNIQUE: dict[str, dict[str, Keys]] = {
    "users": {"user": _user_pk},
    "owners": {"owner": _one("user")},
    "projects": {"label": _one("project_id")},
    "attribute_keys": {"name": _one("name")},
    "connections": {"token": _one("token_digest")},
    "stations": {"station": _one("station_id")},
}
"""By table: the look-ups that find one entry, and what of the entry they find it by."""

SEVERAL: dict[str, dict[str, Keys]] = {
    "projects": {"of_owner": _one("project_owner"), "at_station": _one("weather_station")},
    "blocks": {"block_of_project": attrgetter("projects")},
    "attributes": {"of_project": _one("project"), "of_key": _one("key")},
    "traces": {"of_project": _one("project"), "with_source": _with_source},
    "runs": {"of_project": _one("project")},
    "connections": {"connection_of_project": attrgetter("projects")},
    "stations": {"zipcode": attrgetter("zipcodes")},
}
"""By table: the look-ups that find any number of entries."""


@dataclass(slots=True)
class Index:
    """Keys of entries by something else than their key."""

    unique: dict[str, dict[Hashable, Any]] = field(default_factory=lambda: {n: {} for t in UNIQUE.values() for n in t})
    several: dict[tuple[str, str], dict[Hashable, dict[Any, None]]] = field(
        default_factory=lambda: {(table, name): {} for table, names in SEVERAL.items() for name in names}
    )

    def one(self, name: str, what: Hashable) -> Any:
        """The key of the entry found; None when there is none."""
        return self.unique[name].get(what)

    def all(self, table: str, name: str, what: Hashable) -> list[Any]:
        """The keys of the entries found, rising."""
        return sorted(self.several[table, name].get(what, ()))

    def put(self, table: str, key: Any, before: Any, after: Any) -> None:
        """An entry takes the place of another; None stands for no entry."""
        for name, keys in UNIQUE.get(table, {}).items():
            found = self.unique[name]
            old, new = _keys(keys, before), _keys(keys, after)
            if old == new:
                continue
            for what in old:
                if found.get(what) == key:
                    del found[what]
            for what in new:
                found[what] = key
        for name, keys in SEVERAL.get(table, {}).items():
            buckets = self.several[table, name]
            old, new = _keys(keys, before), _keys(keys, after)
            if old == new:
                continue
            for what in old:
                bucket = buckets.get(what)
                if bucket is not None:
                    bucket.pop(key, None)
                    if not bucket:
                        del buckets[what]
            for what in new:
                buckets.setdefault(what, {})[key] = None

    def add(self, table: str, entries: Iterator[tuple[Any, Any]]) -> None:
        """Take in many (key, entry) at once."""
        if table in UNIQUE or table in SEVERAL:
            for key, entry in entries:
                self.put(table, key, None, entry)


def _keys(keys: Keys, entry: Any) -> tuple[Hashable, ...]:
    return () if entry is None else tuple(keys(entry))
