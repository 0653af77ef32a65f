"""`powermon up`: every role on this machine, until Ctrl-C."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from infra import accounts, claims, demo, parts, programs, topics
from infra.embedded import kafka_problem, registry_problem
from infra.errors import PartUnavailable
from infra.running import Stopped
from infra.settings import Settings
from infra.supervise import Supervisor
from schemas.registry import Registry

DEMO_SENSORS = 6

_screen = Console(highlight=False, soft_wrap=True)


@click.command()
@click.option(
    "--demo", "with_demo", is_flag=True, help="Also simulate sensors and a Linky, and print a link that signs a browser in."
)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of everything this stack keeps.")
@click.option("--sensors", type=click.IntRange(1, 1000), default=DEMO_SENSORS, show_default=True, help="How many, with --demo.")
@click.option(
    "--history/--no-history",
    default=True,
    show_default=True,
    help="With --demo: one sensor has the seconds of this month and the last one too; they come in the background.",
)
def up(with_demo: bool, data: Path | None, sensors: int, history: bool) -> None:
    """Start everything on this machine, watch it, and stop it on Ctrl-C."""
    settings = Settings()
    settings.data = (data or settings.data).absolute()
    settings.demo = settings.demo or with_demo
    with claims.data_folder(settings.data):
        supervisor = Supervisor(settings.data, _say)
        supervisor.take_signals()
        try:
            _start(supervisor, settings, sensors, history=history)
            supervisor.watch()
        except Stopped:
            pass
        finally:
            supervisor.stop()
    _say("stopped")


def _start(supervisor: Supervisor, settings: Settings, sensors: int, *, history: bool) -> None:
    if not settings.kafka_bootstrap:
        parts.fetch(parts.KAFKA, settings.parts, _say)
    if not settings.registry_url:
        parts.fetch(parts.REGISTRY, settings.parts, _say)
    embedded = programs.parts(settings)
    claims.check_ports(programs.ports(settings))
    _check_configured(settings)
    for program in embedded:
        _say(f"starting {program.name}")
        supervisor.start([program])
        if program.name == "kafka":
            topics.make(settings)
    topics.make(settings)
    Registry(settings.registry, settings.schema_cache).register_all()
    _say("starting the roles")
    supervisor.start(programs.roles(settings))
    hello = accounts.welcome(settings)
    if settings.demo:
        demo.register(settings)
        supervisor.start([demo.sensors(settings, sensors, history=history), demo.linky(settings)])
        supervisor.start([demo.reader(settings)])
    _show(settings, hello)


def _check_configured(settings: Settings) -> None:
    """See that the parts somebody else runs do answer.

    Raises:
        PartUnavailable: one does not.
    """
    if settings.kafka_bootstrap and (problem := kafka_problem(settings.kafka, 10)):
        raise PartUnavailable(f"{problem}; start it, or correct POWERMON_KAFKA_BOOTSTRAP")
    if settings.registry_url and (problem := registry_problem(settings.registry, 10)):
        raise PartUnavailable(f"{problem}; start it, or correct POWERMON_REGISTRY_URL")


def _show(settings: Settings, hello: accounts.Welcome) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ignore")
    table.add_row("pages and REST API", f"[bold]{settings.web}[/]")
    table.add_row("gateway", f"{settings.gateway}/powermon/data")
    table.add_row("log (Kafka)", settings.kafka)
    table.add_row("schema registry", settings.registry)
    for name, port in settings.worker_ports.items():
        table.add_row(name, f"http://127.0.0.1:{port}/metrics")
    table.add_row("meter", f"http://127.0.0.1:{settings.meter_port}/metrics")
    if settings.tic_port or settings.demo:
        table.add_row("tic", f"http://127.0.0.1:{settings.tic_health_port}/metrics")
    if settings.demo:
        table.add_row("simulated Linky", f"{demo.CONTRACT.address} at {demo.port(settings)}")
    table.add_row("data", str(settings.data))
    table.add_row("logs", str(settings.data / "logs"))
    _screen.print()
    _screen.print(table, crop=False)
    _screen.print()
    if hello.admin_password is not None:
        _screen.print(
            f"Sign in as [bold]{accounts.ADMIN}[/] with the one-time password [bold]{hello.admin_password}[/] (shown only now)."
        )
    if hello.signin_token is not None:
        _screen.print(f"Open [bold]{settings.web}/signin?token={hello.signin_token}[/]")
    _screen.print("Everything runs. Ctrl-C stops it; the data stays.")


def _say(line: str) -> None:
    _screen.print(line, markup=False)
