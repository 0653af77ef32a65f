"""Rows as JSON, CSV or Parquet, as a request asks for them."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from aiohttp import web

from streams.catalog.admin.fields import FieldError
from web.api import schemas

FORMATS = ("json", "csv", "parquet")
PARQUET = "application/vnd.apache.parquet"
PARAMETER = schemas.query("format", "of the answer; also by Accept", enum=list(FORMATS), default="json")

Row = dict[str, Any]


def form_of(request: web.Request) -> str:
    """json, csv or parquet.

    Raises:
        FieldError: another one came.
    """
    accept = request.headers.get("Accept", "")
    default = "csv" if "text/csv" in accept else "parquet" if "parquet" in accept else "json"
    form = request.query.get("format", default)
    if form not in FORMATS:
        raise FieldError("format", "bad_format", f"format={form[:20]} came; expected {', '.join(FORMATS)}")
    return form


def answer(form: str, facts: Row, member: str, rows: list[Row], columns: tuple[str, ...], name: str) -> web.Response:
    """The rows with their facts as JSON, or alone as a file.

    Args:
        columns: of the file, in order; what a row lacks is null.
        name: of the file, without its ending.
    """
    if form == "json":
        return web.json_response({**facts, member: rows})
    table = pa.table({column: pa.array([row.get(column) for row in rows]) for column in columns})
    out = io.BytesIO()
    if form == "csv":
        pa_csv.write_csv(table, out)
    else:
        pq.write_table(table, out)
    kind, charset = ("text/csv", "utf-8") if form == "csv" else (PARQUET, None)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return web.Response(body=out.getvalue(), content_type=kind, charset=charset, headers=headers)


def described(text: str, schema: schemas.Document) -> schemas.Document:
    """The answer in a document of the API."""
    return {
        "description": text,
        "content": {
            "application/json": {"schema": schema},
            "text/csv": {"schema": {"type": "string"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    }
