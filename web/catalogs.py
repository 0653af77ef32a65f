"""Brings the catalogs of messages up to date with the pages: `python -m web.catalogs`.

A new message has no translation until somebody writes one into web/messages/*.po; one that is gone is taken out.
"""

import sys
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from web.language import LANGUAGES, MESSAGES
from web.view.say import ENGLISH

_WEB = Path(__file__).parent
_METHODS = [("**/templates/**.html", "jinja2"), ("**/static/**.js", "javascript"), ("**.py", "python")]
KEYWORDS: dict[str, Any] = {"_": None, "say": None, "say_n": (1, 2), "sayN": (2, 3)}


def extracted() -> Catalog:
    """Every message of pages, scripts and code.

    Raises:
        ValueError: a message is said with a number in one place and without in another.
    """
    found = Catalog(charset="utf-8")
    alone: set[str] = set()
    counted: set[str] = set()
    options = {"**.html": {"encoding": "utf-8"}, "**.py": {"encoding": "utf-8"}, "**.js": {"encoding": "utf-8"}}
    for name, _, message, _, _ in sorted(extract_from_dir(_WEB, _METHODS, options, KEYWORDS), key=lambda one: (one[0], one[1])):
        found.add(message, locations=[(name, 0)])
        if isinstance(message, str):
            alone.add(message)
        else:
            counted.add(message[0])
    if both := sorted(alone & counted):
        raise ValueError(
            f"{both}: said alone and by a number; a language of one form would show its {{n}}: say it by say_n alone"
        )
    return found


def update(code: str) -> list[str]:
    """Write the catalog of a language anew; the messages that lack a translation."""
    path = MESSAGES / f"{code}.po"
    if path.exists():
        with path.open("rb") as file:
            old = read_po(file, locale=code)
    else:
        old = Catalog(locale=code)
    new = Catalog(locale=code, charset="utf-8", header_comment="# What the pages say, in another language.", fuzzy=False)
    for message in extracted():
        if message.id:
            known = old.get(message.id if isinstance(message.id, str) else message.id[0])
            new.add(message.id, known.string if known else None, locations=message.locations)
    with path.open("wb") as file:
        write_po(file, new, width=0, sort_output=False, include_lineno=False, omit_header=False)
    _without_dates(path)
    return [str(message.id) for message in new if message.id and not _said(message.string)]


def _without_dates(path: Path) -> None:
    """The same messages give the same file."""
    kept = ("Language:", "Plural-Forms:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:")
    lines = path.read_text().splitlines()
    end = lines.index("")
    header = [line for line in lines[:end] if not line.startswith('"') or line.startswith(tuple(f'"{name}' for name in kept))]
    path.write_text("\n".join([*header, *lines[end:]]) + "\n")


def _said(string: Any) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


def main() -> None:
    for code in LANGUAGES:
        if code != ENGLISH.code:
            missing = update(code)
            sys.stdout.write("\n  ".join([f"{code}: {len(missing)} without a translation", *missing]) + "\n")


if __name__ == "__main__":
    main()
