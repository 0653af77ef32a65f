"""Headers and compression: from what came over the wire to the plain bytes of a body, never more than a limit."""

import re
import zlib

from producers.gateway.verdict import Rejection

_UTF8 = re.compile(r"utf-?8", re.IGNORECASE)
_GZIP = 16 + zlib.MAX_WBITS
_WINDOW = 16_384
_MEMBERS_MAX = 1000
"""A device that packs each second by itself needs 600 for a batch."""


def media_type(content_type: str | None) -> Rejection | None:
    """None when the header says JSON in UTF-8."""
    if content_type == "application/json":
        return None
    kind, *parameters = (content_type or "").split(";")
    if kind.strip().lower() != "application/json":
        came = f"{content_type[:60]!a} came" if content_type else "no Content-Type came"
        return _rejected("unsupported_media_type", f"{came}; expected application/json")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and not _UTF8.fullmatch(value.strip().strip('"')):
            return _rejected("unsupported_media_type", f"charset {value.strip()[:20]!a} came; expected utf-8")
    return None


def content_encoding(encoding: str | None) -> bool | Rejection:
    """Whether the body is gzip; a rejection when it is anything but gzip or plain."""
    if encoding is None:
        return False
    name = encoding.strip().lower()
    if name == "gzip":
        return True
    if name in ("", "identity"):
        return False
    return _rejected("unsupported_content_encoding", f"{name[:40]!a} came; expected gzip or none")


def declared_length(content_length: str | None, limit: int) -> Rejection | None:
    """None when the declared length is within the limit, or there is none."""
    if content_length is not None and content_length.isdecimal() and int(content_length[:20]) > limit:
        return too_large(f"{content_length[:20]} bytes are declared", limit)
    return None


def too_large(came: str, limit: int) -> Rejection:
    return Rejection(413, "body_too_large", None, f"{came}; expected at most {limit} after decompression")


def gunzip(body: bytes, limit: int) -> bytes | Rejection:
    """Decompress, never to more than limit bytes.

    Several members one behind the other are one body, as RFC 1952 has it. They are read through a window: zlib copies what
    follows a member, and a hundred thousand empty ones in two megabytes took ten seconds.
    """
    out = bytearray()
    at = members = 0
    while True:
        members += 1
        if members > _MEMBERS_MAX:
            return Rejection(400, "bad_gzip", None, f"more than {_MEMBERS_MAX} gzip members came; expected one")
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            window = body[at : at + _WINDOW]
            if not window:
                return Rejection(400, "bad_gzip", None, "the gzip body ends too early")
            at += len(window)
            try:
                out += member.decompress(window, limit + 1 - len(out))
            except zlib.error as error:
                return Rejection(400, "bad_gzip", None, f"the body is not gzip: {error}")
            if len(out) > limit:
                return too_large("more bytes came", limit)
        at -= len(member.unused_data)
        if at == len(body):
            return bytes(out)


def _rejected(code: str, detail: str) -> Rejection:
    return Rejection(415, code, None, detail)
