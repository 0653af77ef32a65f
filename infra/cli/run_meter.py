"""`powermon run-meter`: ask the meter for a run of every project, or of those of one block."""

import click

from infra.cli.rest import ask
from infra.cli.sql import token
from infra.settings import Settings


@click.command("run-meter")
@click.option("--block", type=click.IntRange(min=1), metavar="PK", help="Only the projects of this block.")
def run_meter(block: int | None) -> None:
    """Ask for a new run of every project; `powermon meter` computes them, pages and `project_runs` show how they end."""
    settings = Settings()
    address, bearer = settings.web, token(settings)
    if block is None:
        projects = [one["id"] for one in ask(address, bearer, "/api/v1/projects/")]
    else:
        projects = ask(address, bearer, f"/api/v1/project_blocks/{block}/")["projects"]
    for project in projects:
        run = ask(address, bearer, "/api/v1/project_runs/", {"project": project})
        click.echo(f"project {project}: run {run['id']}")
    if not projects:
        click.echo("there is no project", err=True)
