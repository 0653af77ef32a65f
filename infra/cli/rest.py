"""Documents of the REST API for commands."""

import json
import urllib.error
import urllib.request
from typing import Any

from infra.cli.sql import TIMEOUT_S, explained
from infra.errors import PartUnavailable


def ask(address: str, bearer: str, path: str, said: dict[str, Any] | None = None) -> Any:
    """GET a document of the REST API, or POST one and get the answer.

    Raises:
        PartUnavailable: the server does not run, or cannot answer now.
        QueryFailed: it refused.
    """
    body = None if said is None else json.dumps(said).encode()
    headers = {"Authorization": f"Bearer {bearer}", **({} if body is None else {"Content-Type": "application/json"})}
    request = urllib.request.Request(f"{address}{path}", body, headers)  # noqa: S310  (a setting)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise explained(error) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise PartUnavailable(f"no web server answers at {address} ({reason}); start it with `powermon up`") from error
