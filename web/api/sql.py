"""POST /api/v1/sql: an administrator's read-only query on ClickHouse."""

import asyncio
import re
from typing import Any

import msgspec
import structlog
from aiohttp import web

from infra.errors import PartUnavailable
from sinks.clickhouse import ClickHouse, QueryRefused
from web.auth import problem
from web.identity import IDENTITY

BODY_MAX = 256 << 10
CHUNK = 256 << 10
AT_ONCE = 2
"""Queries at a time: the others of the database's threads are for pages and the sink."""
DEFAULT_FORMAT = "JSONEachRow"
_KINDS = {
    "application/x-ndjson": "JSONEachRow JSONCompactEachRow JSONCompactEachRowWithNamesAndTypes",
    "application/json": "JSON JSONCompact JSONColumns",
    "text/csv": "CSV CSVWithNames",
    "text/tab-separated-values": "TSV TSVWithNames TabSeparated TabSeparatedWithNames",
    "text/plain": "Pretty PrettyNoEscapes PrettyCompact PrettyCompactNoEscapes PrettySpace PrettySpaceNoEscapes "
    "Vertical Markdown Values XML",
    "application/octet-stream": "Parquet Arrow ArrowStream Native RowBinary ORC Avro",
}
FORMATS = {form: kind for kind, forms in _KINDS.items() for form in forms.split()}
"""Formats of an answer, and their media types."""
_READS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS")
_SKIP = re.compile(r"\s+|--[^\n]*|#[ !][^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    r"\s+|--[^\n]*|#[ !][^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|.", re.DOTALL
)
_OUTSIDE = re.compile(
    r"\b(file|url|urlCluster|s3|s3Cluster|remote|remoteSecure|cluster|clusterAllReplicas|mysql|postgresql|mongodb|redis|sqlite|"
    r"jdbc|odbc|hdfs|executable|fileCluster|azureBlobStorage|gcs|iceberg|deltaLake|hudi|python|input|dictionary)\s*\(",
    re.IGNORECASE,
)


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    sql: str
    format: str = DEFAULT_FORMAT


def refusal(sql: str) -> str | None:
    """Why a text is no single reading statement; None when it is one.

    This is the clear answer in front; ClickHouse's own `readonly` is the wall behind.
    """
    bare = bare_statement(sql)
    if not bare:
        return "the query is empty; expected one SELECT"
    if ";" in bare:
        return "several statements came; expected one"
    first = re.match(r"\(*\s*([A-Za-z]+)", bare)
    word = first[1].upper() if first else bare[:12]
    if word not in _READS:
        return f"{word} came; this door only reads: {', '.join(_READS)}"
    outside = _OUTSIDE.search(bare)
    if outside:
        return f"the function {outside[1]}() reaches outside this database; a query may only read its tables"
    if re.search(r"\bINTO\s+OUTFILE\b", bare, re.IGNORECASE):
        return "INTO OUTFILE writes a file on the server; leave it out, the answer comes to you"
    return None


def bare_statement(sql: str) -> str:
    """The statement without comments, with the content of strings and quotes left out of literals, and no last semicolon."""
    parts = []
    for piece in _TOKEN.findall(sql):
        if _SKIP.fullmatch(piece):
            parts.append(" ")
        elif piece[0] == "'" and len(piece) > 1:
            parts.append("''")
        elif piece[0] in '`"' and len(piece) > 1:
            parts.append(piece[1:-1].replace(";", " "))
        else:
            parts.append(piece)
    return "".join(parts).strip().removesuffix(";").strip()


def check(ask: Ask) -> str:
    """Refuse what is not one reading statement in a format we know.

    Returns:
        the answer's format; a FORMAT clause wins over the one asked for beside the query.

    Raises:
        ValueError: why.
    """
    if ask.format not in FORMATS:
        raise ValueError(f"format {ask.format[:40]!r} came; expected one of {', '.join(FORMATS)}")
    refused = refusal(ask.sql)
    if refused is not None:
        raise ValueError(refused)
    named = re.search(r"\bFORMAT\s+(\w+)\s*$", bare_statement(ask.sql), re.IGNORECASE)
    if named and named[1] not in FORMATS:
        raise ValueError(f"FORMAT {named[1][:40]} came; expected one of {', '.join(FORMATS)}")
    return named[1] if named else ask.format


class SqlApi:
    """The door for queries."""

    def __init__(self, db: ClickHouse) -> None:
        self._db = db
        self._free = asyncio.Semaphore(AT_ONCE)
        self._log = structlog.get_logger(__name__)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/v1/sql", self.ask)]

    async def ask(self, request: web.Request) -> web.StreamResponse:
        identity = request[IDENTITY]
        if identity.role != "admin":
            return problem(403, "role_missing", f"{identity.name} is {identity.role}; queries need the role admin")
        if not identity.may("read"):
            return problem(403, "scope_missing", "this token lacks the scope read")
        try:
            ask = await _read(request)
            form = check(ask)
        except ValueError as error:
            return problem(422, "query_refused", str(error))
        self._log.info("query", name=identity.name, sql=ask.sql[:500])
        try:
            async with self._free:
                found = await self._db.run(self._db.for_people, ask.sql.strip().removesuffix(";"), form)
        except QueryRefused as error:
            return problem(422, "query_refused", str(error))
        except PartUnavailable as error:
            unavailable = problem(503, "unavailable", str(error))
            unavailable.headers["Retry-After"] = "5"
            return unavailable
        return await _stream(request, found, FORMATS[form])


async def _read(request: web.Request) -> Ask:
    """The query, as JSON {"sql", "format"} or as plain text with ?format=."""
    body = await request.content.read(BODY_MAX + 1)
    while len(body) <= BODY_MAX and (more := await request.content.read(BODY_MAX + 1)):
        body += more
    if len(body) > BODY_MAX:
        raise ValueError(f"more than {BODY_MAX} bytes came; a query has at most that many")
    if request.content_type == "application/json":
        try:
            return msgspec.json.decode(body, type=Ask)
        except msgspec.MsgspecError as error:
            raise ValueError(f'{error}; expected {{"sql": "SELECT …", "format": "JSONEachRow"}}') from error
    try:
        return Ask(body.decode(), request.query.get("format", DEFAULT_FORMAT))
    except UnicodeDecodeError as error:
        raise ValueError("the query is not UTF-8") from error


async def _stream(request: web.Request, found: bytes, kind: str) -> web.StreamResponse:
    text: dict[str, Any] = {} if kind == "application/octet-stream" else {"charset": "utf-8"}
    answer = web.StreamResponse(headers={"Content-Type": kind if not text else f"{kind}; charset=utf-8"})
    answer.content_length = len(found)
    await answer.prepare(request)
    view = memoryview(found)
    for at in range(0, len(view), CHUNK):
        await answer.write(view[at : at + CHUNK])
    await answer.write_eof()
    return answer
