"""The command line: one file per command group, loaded only when it is used."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from infra.settings import Settings

COMMANDS = {
    "up": "up:up",
    "gateway": "roles:gateway",
    "worker": "roles:worker",
    "sink": "roles:sink",
    "web": "roles:web",
    "store": "roles:store",
    "meter": "roles:meter",
    "sensors": "sensors:sensors",
    "sites": "sites:sites",
    "tokens": "tokens:tokens",
    "users": "users:users",
    "tariffs": "tariffs:tariffs",
    "notify": "notify:notify",
    "simulate": "simulate:simulate",
    "ingest": "ingest:ingest",
    "tic": "tic:tic",
    "replay": "replay:replay",
    "trace": "trace:trace",
    "anomalies": "anomalies:anomalies",
    "bill": "bill:bill",
    "sql": "sql:sql",
    "run-meter": "run_meter:run_meter",
    "dev-seed": "dev_seed:dev_seed",
    "prod-seed": "dev_seed:prod_seed",
    "dead-letters": "deadletters:dead_letters",
    "doctor": "doctor:doctor",
    "schemas": "schemas:schemas",
    "migrate": "migrate:migrate",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(f"infra.cli.{module}"), attribute)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def powermon(ctx: click.Context) -> None:
    """Measures electricity, and never forgets how it got a number."""
    if ctx.invoked_subcommand == "tic" and "structlog" not in sys.modules:
        # Where a developer has rich, structlog loads it for coloured tracebacks, which no log here has: 4 MB of a light reader.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    from infra import logs

    # On stdout stand secrets and JSON for scripts, on stderr a sentence for people: no log lines between them.
    # A role says later that it wants them.
    logs.configure(_settings().model_copy(update={"log_level": "ERROR"}), str(ctx.invoked_subcommand))


def _settings() -> "Settings":
    """The settings, or a sentence on what in the environment is none."""
    from pydantic import ValidationError

    from infra.errors import ConfigurationError
    from infra.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "_".join(str(part) for part in wrong["loc"]).upper()
        raise ConfigurationError(
            f"POWERMON_{name} is {wrong['input']!r}: {wrong['msg'].lower()}; correct it in the environment"
        ) from error


def main(args: list[str] | None = None) -> Any:
    """Run one command. Exit status: 0 done, 1 failed (one sentence on stderr), 2 wrong usage."""
    from infra.errors import PowermonError

    try:
        return powermon.main(args=args, prog_name="powermon")
    except PowermonError as error:
        print(f"powermon: {error}", file=sys.stderr)
        sys.exit(1)
