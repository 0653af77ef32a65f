"""Writes the README's table of settings: `python -m infra.settings_table [README.md]`."""

import sys
from pathlib import Path

from infra.settings import Settings

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"
_README = Path(__file__).parents[1] / "README.md"


def table() -> str:
    """One row for each setting: variable, default, meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = str(field.default)
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `POWERMON_{name.upper()}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """The text with a fresh table between its markers.

    Raises:
        ValueError: it has no markers.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no {BEGIN} … {END} in the text; put both where the table belongs")
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> None:
    readme = Path(sys.argv[1]) if len(sys.argv) > 1 else _README
    readme.write_text(with_table(readme.read_text()))


if __name__ == "__main__":
    main()
