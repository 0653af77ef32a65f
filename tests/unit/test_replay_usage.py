"""`powermon replay`: wrong usage is told before anything is asked of the stack."""

import pytest
from click.testing import CliRunner

from infra.cli.replay import replay


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "--into takes a name", id="no name"),
        pytest.param(["--into", "No-Name"], "--into takes a name", id="a bad name"),
        pytest.param(["--into", "a", "--topic", "power.late"], "only sensor.readings and tic.frames", id="another topic"),
        pytest.param(["--into", "a", "--from", "2026-03-02", "--to", "2026-03-01"], "--from must be before --to", id="backwards"),
        pytest.param(["--into", "a", "--swap", "--undo"], "give one of", id="there and back"),
        pytest.param(["--into", "a", "--from", "yesterday"], "expected a time", id="no time"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(replay, arguments)
    assert done.exit_code == 2
    assert words in done.output
