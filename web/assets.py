"""What browsers load besides pages: our scripts and styles, and BokehJS, all served from here.

Read and compressed once; an address holds its content's hash, so browsers keep it for good.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web
from bokeh.util.paths import bokehjs_path

_OURS = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_BOKEH = "bokeh.min.js"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    compressed: bytes
    kind: str
    version: str


@cache
def asset(name: str) -> Asset | None:
    """One file by its name; None when there is none."""
    path = Path(bokehjs_path()) / "js" / _BOKEH if name == _BOKEH else _OURS / name
    if "/" in name or path.suffix not in _TYPES or not path.is_file():
        return None
    content = path.read_bytes()
    return Asset(content, gzip.compress(content, 6, mtime=0), _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])


def versioned(name: str) -> str:
    """The address of a file, for pages."""
    found = asset(name)
    assert found is not None, name
    return f"/static/{name}?v={found.version}"


async def serve(request: web.Request) -> web.Response:
    found = asset(request.match_info["name"]) if request.match_info["name"] in _names() else None
    if found is None:
        raise web.HTTPNotFound
    lasting = request.query.get("v") == found.version
    headers = {"Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache", "Vary": "Accept-Encoding"}
    body = found.content
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body = found.compressed
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type=found.kind, charset="utf-8", headers=headers)


async def favicon(_: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently(versioned("favicon.svg"))


@cache
def _names() -> frozenset[str]:
    return frozenset({_BOKEH, *(path.name for path in _OURS.iterdir())})
