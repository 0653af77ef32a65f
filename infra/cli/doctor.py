"""`powermon doctor`: checks every part, and says what to do."""

import dataclasses
import json
import sys

import click
from rich.console import Console
from rich.text import Text

from infra import checks
from infra.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def doctor(as_json: bool) -> None:
    """Check every part, and say what to do. Exit status 1 when something is wrong."""
    findings = []
    screen = Console(soft_wrap=True)
    for finding in checks.all_of(Settings()):
        findings.append(finding)
        if as_json:
            continue
        screen.print(
            Text("✓ " if finding.fine else "✗ ", "green" if finding.fine else "bold red"),
            Text(f"{finding.what}: {finding.saw}"),
            sep="",
        )
        if not finding.fine:
            screen.print(Text(f"    → {finding.remedy}"))
    wrong = sum(not finding.fine for finding in findings)
    if as_json:
        click.echo(json.dumps({"fine": wrong == 0, "findings": [dataclasses.asdict(finding) for finding in findings]}, indent=1))
    elif wrong:
        click.echo(f"{wrong} of {len(findings)} checks found something wrong")
    else:
        click.echo("everything works")
    sys.exit(1 if wrong else 0)
