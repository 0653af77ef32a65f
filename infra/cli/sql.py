"""`powermon sql "SELECT …"`: a read-only query through the web server, so it works while everything runs."""

import json
import sys
import urllib.error
import urllib.request
from typing import BinaryIO

import click

from infra.errors import ConfigurationError, PartUnavailable, PowermonError
from infra.settings import Settings

CHUNK = 1 << 16
TIMEOUT_S = 60
"""More than a query may run."""


class QueryFailed(PowermonError):
    """The server did not run the query."""


@click.command()
@click.argument("query", metavar="SQL")
@click.option(
    "--format",
    "form",
    default="PrettyCompact",
    show_default=True,
    help="As ClickHouse names it: JSONEachRow, CSVWithNames, TSV, Parquet …",
)
def sql(query: str, form: str) -> None:
    """Run one read-only query (as administrator) and print its answer."""
    settings = Settings()
    out = sys.stdout.buffer
    if form.startswith("Pretty") and not sys.stdout.isatty():
        form = f"{form}NoEscapes" if form in ("Pretty", "PrettyCompact", "PrettySpace") else form
    ask(settings.web, token(settings), query, form, out)


def token(settings: Settings) -> str:
    """This machine's operator token.

    Raises:
        ConfigurationError: there is none, or it may not be read.
    """
    try:
        found = settings.operator_token.read_text().strip()
    except FileNotFoundError:
        found = ""
    except OSError as error:
        raise ConfigurationError(
            f"the operator's token in {settings.operator_token} cannot be read: {error.strerror}; "
            "run this as the user who runs `powermon up`"
        ) from error
    if not found:
        raise ConfigurationError(
            f"there is no operator's token in {settings.operator_token}; `powermon up` writes it, "
            "or set POWERMON_DATA to the folder of the stack"
        )
    return found


def ask(address: str, bearer: str, query: str, form: str, out: BinaryIO) -> None:
    """Send a query and copy its answer.

    Args:
        address: of the web server.

    Raises:
        PartUnavailable: the server does not run, or cannot answer now.
        QueryFailed: it refused the query.
    """
    request = urllib.request.Request(  # noqa: S310  (the address is a setting)
        f"{address}/api/v1/sql",
        json.dumps({"sql": query, "format": form}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"},
        method="POST",
    )
    # Straight to this machine: a proxy of the environment has no part in it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
        out.flush()
    except BrokenPipeError:  # the reader, as `head`, has enough
        return
    except urllib.error.HTTPError as error:
        raise explained(error) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise PartUnavailable(f"no web server answers at {address} ({reason}); start it with `powermon up`") from error


def explained(error: urllib.error.HTTPError) -> PowermonError:
    """What the web server refused, in its own words."""
    try:
        detail = str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the web server answered {error.code} {error.reason}"
    if error.code == 401:
        return ConfigurationError(
            f"the server does not know the operator's token ({detail}); start `powermon up` again, it writes a new one"
        )
    return PartUnavailable(detail) if error.code == 503 else QueryFailed(detail)
