"""What pages say, kept so that each reader hears it in a language of their own.

A `Text` is its English, so nothing but the edge needs to know of languages: there `localized` turns it, and what holds
it, into another one. Texts of one feed go to readers of all languages. An f-string or a sum of texts is plain English
again: put texts into `say("… {part}", part=…)`, or into `joined`.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from markupsafe import Markup, escape

PATTERNS: dict[str, str] = {
    "second": "%H:%M:%S",
    "minute": "%H:%M",
    "date": "%Y-%m-%d",
    "date second": "%Y-%m-%d %H:%M:%S",
    "date minute": "%Y-%m-%d %H:%M",
    "full date": "%A, %-d %B %Y",
    "long date": "%-d %B %Y",
    "day": "%-d %b",
    "month": "%B %Y",
    "short month": "%b",
    "weekday": "%a",
    "weekday and day": "%a %-d %b",
}
"""How English says moments, by name."""


_BETWEEN_THOUSANDS = re.compile("\u202f(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    Attributes:
        code: as in HTML's lang.
        message: a message's translation.
        plural: that of a message that counts: (one, many, n).
        figures: what takes the place of "." and of the narrow space between thousands.
        moment: a date or time by one of PATTERNS.
    """

    code: str
    message: Callable[[str], str] = str
    plural: Callable[[str, str, int], str] = lambda one, many, n: one if n == 1 else many
    figures: tuple[str, str] = (".", "\u202f")
    moment: Callable[[date, str], str] = lambda at, pattern: at.strftime(PATTERNS[pattern])


ENGLISH = Language("en")


class Text(str):
    """English that can be said in another language."""

    def of(self, language: Language) -> str:
        """In this language."""
        return str(self)


class _Said(Text):
    def __new__(cls, one: str, many: str | None, n: int, values: dict[str, Any]) -> "_Said":
        english = one if many is None or n == 1 else many
        made = super().__new__(cls, english.format(**values) if values else english)
        made._one, made._many, made._n, made._values = one, many, n, values
        return made

    _one: str
    _many: str | None
    _n: int
    _values: dict[str, Any]

    def of(self, language: Language) -> str:
        found = language.message(self._one) if self._many is None else language.plural(self._one, self._many, self._n)
        if not self._values:
            return found
        values = {name: localized(value, language) for name, value in self._values.items()}
        if any(hasattr(value, "__html__") for value in values.values()):
            return Markup(escape(found)).format(**values)  # noqa: S704  # escaped here
        return found.format(**values)


class Number(Text):
    """Digits with a decimal point and narrow spaces between thousands; a narrow space before a unit stays one."""

    def of(self, language: Language) -> str:
        point, thousands = language.figures
        return _BETWEEN_THOUSANDS.sub(thousands, self.replace(".", point))


class _Moment(Text):
    def __new__(cls, at: date, pattern: str) -> "_Moment":
        made = super().__new__(cls, ENGLISH.moment(at, pattern))
        made._at, made._pattern = at, pattern
        return made

    _at: date
    _pattern: str

    def of(self, language: Language) -> str:
        return language.moment(self._at, self._pattern)


class _Joined(Text):
    def __new__(cls, between: str, parts: list[str]) -> "_Joined":
        made = super().__new__(cls, between.join(parts))
        made._between, made._parts = between, parts
        return made

    _between: str
    _parts: list[str]

    def of(self, language: Language) -> str:
        return self._between.join(localized(part, language) for part in self._parts)


class Told(Text):
    """JSON of values, said in a language when somebody reads it."""

    def __new__(cls, values: dict[str, Any]) -> "Told":
        made = super().__new__(cls, json.dumps(values))
        made._values, made._made = values, {}
        return made

    _values: dict[str, Any]
    _made: dict[str, str]

    def of(self, language: Language) -> str:
        if language.code not in self._made:
            self._made[language.code] = json.dumps(localized(self._values, language))
        return self._made[language.code]


def say(message: str, **values: Any) -> Text:
    """A message; {names} in it stand for the values.

    `make messages` finds its literal and puts it into the catalogs of web/messages.
    """
    return _Said(message, None, 0, values)


def say_n(one: str, many: str, n: int, **values: Any) -> Text:
    """A message that counts; {n} is the number."""
    return _Said(one, many, n, {"n": n, **values})


def moment(at: date | datetime, pattern: str) -> Text:
    """A moment, already local, by the name of one of PATTERNS."""
    return _Moment(at, pattern)


def joined(between: str, parts: Iterable[str]) -> Text:
    """Texts one after another."""
    return _Joined(between, list(parts))


def localized(value: Any, language: Language) -> Any:
    """The value with every Text in it said in this language: texts, mappings, lists and tuples."""
    if isinstance(value, Text):
        return value.of(language)
    if isinstance(value, dict):
        return {name: localized(one, language) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [localized(one, language) for one in value]
    return value
