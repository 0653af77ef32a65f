"""POST /api/v1/sensors/import: a CSV file of sensors."""

import structlog
from aiohttp import web

from infra.errors import PartUnavailable
from streams.catalog.admin import sheet
from streams.catalog.admin.importing import bring_in, counts
from web.api import schemas
from web.api.operation import NO_STORE, Operation, Refused
from web.identity import IDENTITY, Catalog

_KINDS = ("text/csv", "application/csv", "application/vnd.ms-excel")


class ImportApi:
    """The door for many sensors at once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._log = structlog.get_logger(__name__)

    def operations(self) -> list[Operation]:
        example = "sensor_id;owner;site\r\ngre000001;Mill AG;plant-1\r\n"
        return [
            Operation(
                *("POST", "/api/v1/sensors/import", "sensors", "Register the sensors of a CSV file", self.bring_in),
                *("operator", "write"),
                description="The header row names the columns: sensor_id, and any members of `NewSensor`. Comma, semicolon or "
                "tab between cells, as Excel writes them; thresholds as `name=value name=value`.\n\nEvery row is judged by "
                "itself: added (with its secret, shown only here), unchanged, refused with the reason, or unknown when the "
                "log gave no answer. The same file again changes nothing.",
                parameters=(schemas.query("dry_run", "`true`: judge only", "boolean"),),
                body={"required": True, "content": {"text/csv": {"schema": {"type": "string"}, "example": example}}},
                answers={200: schemas.answer("Every row was judged.", "ImportReport")},
                errors={
                    413: "the file is larger than 1 MiB",
                    422: "bad_sheet: the file as a whole cannot be used",
                    503: "unavailable: no row could be brought in",
                },
            )
        ]

    async def bring_in(self, request: web.Request) -> web.Response:
        if request.content_type not in _KINDS:
            raise Refused(415, "unsupported_media_type", f"{request.content_type} came; expected text/csv")
        dry_run = request.query.get("dry_run", "false").lower()
        if dry_run not in ("true", "false"):
            raise Refused(422, "bad_dry_run", f"dry_run={dry_run[:20]} came; expected true or false", field="dry_run")
        try:
            rows = sheet.read(await request.read())
        except sheet.SheetError as error:
            raise Refused(422, "bad_sheet", str(error)) from error
        name = request[IDENTITY].name
        verdicts = await bring_in(self._catalog, rows, actor=name, dry_run=dry_run == "true")
        found = counts(verdicts)
        self._log.info("sensors imported", name=name, dry_run=dry_run == "true", **found)
        if found["unknown"] and not found["added"]:
            raise PartUnavailable(next(v.detail for v in verdicts if v.result == "unknown"))
        report = {"dry_run": dry_run == "true", **found, "rows": [verdict.document() for verdict in verdicts]}
        return web.json_response(report, headers=NO_STORE)
