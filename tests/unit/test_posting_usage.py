"""Wrong usage of `powermon simulate` and `powermon ingest`: exit status 2, and what was expected."""

import pytest
from click.testing import CliRunner

from infra.cli import powermon


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["simulate", "--speed", "5"], "--speed above 1 would run into the future"),
        (["simulate", "--start", "2999-01-01"], "--start lies in the future"),
        (["simulate", "--prefix", "g1"], "1 to 58 Latin letters"),
        (["simulate", "--for", "soon"], "expected a number with s, m, h or d"),
        (["ingest", "no-such-file"], "does not exist"),
    ],
)
def test_wrong_usage(args: list[str], words: str) -> None:
    result = CliRunner().invoke(powermon, args)
    assert result.exit_code == 2
    assert words in result.output
