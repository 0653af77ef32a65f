"""The README's table of settings is what the code says."""

from pathlib import Path

import pytest

from infra.settings import Settings
from infra.settings_table import BEGIN, END, with_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_is_up_to_date() -> None:
    text = README.read_text()
    assert with_table(text) == text, "run `python -m infra.settings_table`"


def test_every_setting_says_what_it_means() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_the_table_replaces_only_what_lies_between_the_markers() -> None:
    fresh = with_table(f"before {BEGIN} old {END} after")
    assert fresh.startswith(f"before {BEGIN}\n| variable")
    assert fresh.endswith(f"{END} after")
    assert with_table(fresh) == fresh


def test_a_text_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="put both"):
        with_table("no markers")
