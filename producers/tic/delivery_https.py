"""Frames to a gateway over HTTPS, with a token as sensors have it: by the secret, then by the token before it."""

import asyncio
import gzip
import http.client
import ssl
import stat
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec
import structlog

from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.simulate.actions import NO_ANSWER, Answer, Boot, NewToken
from producers.simulate.credentials import Credentials
from producers.simulate.replies import answer_of, grant_of
from producers.tic.delivery import DELIVERED, REFUSED, Away
from producers.tic.post import Poster
from producers.tic.spool import Entry
from schemas import avro, topics

FRAMES_MAX = 500
REFUSED_S = 300.0
"""What only a person puts right is tried again so often."""

FORMAT_VERSION = "251121"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Refused(msgspec.Struct):
    index: int
    code: str
    field: str | None = None
    detail: str = ""


class _Reply(msgspec.Struct):
    accepted: int | None = None
    rejected: list[_Refused] | None = None
    refresh_token: bool = False
    code: str = ""
    detail: str = ""


class HttpsWay:
    """Posts to the gateway that POWERMON_GATEWAY_URL names.

    Raises:
        ConfigurationError: no secret, no CA file, or an address without TLS.
    """

    backoff_max_s = 300.0

    def __init__(self, settings: Settings) -> None:
        self.most = FRAMES_MAX
        url = _checked(settings.gateway)
        self._address = url.geturl()
        self._secret = _secret(settings.tic_secret_file)
        trust = _trust(settings.gateway_ca_file) if url.scheme == "https" else None
        self._poster = Poster(url, trust, {"User-Agent": "powermon-tic", "Content-Type": "application/json"})
        self._credentials: dict[str, Credentials] = {}
        self._log = structlog.get_logger(__name__)

    async def send(self, entries: list[Entry]) -> int:
        meter_id = entries[0].meter_id
        run = list(takewhile(lambda entry: entry.meter_id == meter_id, entries))
        credentials = self._credentials.setdefault(meter_id, Credentials())
        token = await self._token(meter_id, credentials)
        packed = await asyncio.to_thread(body_of, run)
        answer, text = await self._post("tic", packed, {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"})
        reply = _reply(text)
        if answer.status == 202 and reply.accepted is not None:
            if reply.refresh_token:
                credentials.ageing(token, time.monotonic())
            self._grow()
            return self._settled(len(run), reply)
        if answer.status == 401:
            credentials.refused(token)
            return 0
        if answer.status == 422 and reply.rejected:
            return self._settled(len(run), reply)
        if answer.status in (400, 413, 422) and reply.code:
            return self._halve(run, reply)
        raise self._away(answer, reply)

    async def close(self) -> None:
        self._poster.close()

    # ---- what was answered

    def _settled(self, frames: int, reply: _Reply) -> int:
        """The gateway has judged every frame: what it refused it would refuse again."""
        refused = reply.rejected or []
        for one in refused:
            REFUSED.labels(one.code[:40]).inc()
        if refused:
            first = refused[0]
            self._log.error("the gateway refused frames", frames=len(refused), code=first.code, field=first.field)
        DELIVERED.inc(frames - len(refused))
        return frames

    def _halve(self, run: list[Entry], reply: _Reply) -> int:
        """The request as a whole was refused: try less, until the one frame is found that is the cause."""
        if len(run) > 1:
            self.most = len(run) // 2
            return 0
        self._grow()
        return self._settled(1, _Reply(rejected=[_Refused(0, reply.code, None, reply.detail)]))

    def _grow(self) -> None:
        self.most = min(self.most * 2, FRAMES_MAX)

    def _away(self, answer: Answer, reply: _Reply) -> Away:
        said = f"{answer.status} {reply.code}: {reply.detail[:200]}".rstrip(" :")
        if answer.status == NO_ANSWER:
            return Away(f"no answer from the gateway at {self._address}")
        if answer.passing:
            return Away(f"the gateway at {self._address} answered {said}", answer.retry_after_s)
        if answer.status == 403:
            return Away(f"the gateway takes no frames of this meter ({said}); look at `powermon sensors show`", REFUSED_S)
        return Away(f"{self._address} answered {said}; is POWERMON_GATEWAY_URL the address of a powermon gateway?", REFUSED_S)

    # ---- tokens

    async def _token(self, meter_id: str, credentials: Credentials) -> str:
        """A token to post with.

        Raises:
            Away: there is none now.
        """
        answer = None
        while (action := credentials.due(time.monotonic())) is not None:
            answer = await self._ask(meter_id, action, credentials)
        if credentials.token is not None:
            return credentials.token
        if answer is None:
            raise Away("no token yet", 1.0)
        if answer.status == 401:
            raise Away(
                "the gateway does not know this meter by this secret; `powermon sensors add ID --kind linky` registers it "
                "with the id that `powermon tic` names, and shows the secret for POWERMON_TIC_SECRET_FILE"
            )
        raise Away(f"the gateway at {self._address} gave no token (answer {answer.status} {answer.code})", answer.retry_after_s)

    async def _ask(self, meter_id: str, action: Boot | NewToken, credentials: Credentials) -> Answer:
        headers: dict[str, str] = {}
        asked: dict[str, Any] = {"sensor_id": meter_id}
        if isinstance(action, NewToken) and action.token is not None:
            headers["Authorization"] = f"Bearer {action.token}"
        else:
            asked |= {"secret": self._secret, "version": FORMAT_VERSION, "firmware": "powermon-tic"}
        try:
            answer, text = await self._post("boot" if isinstance(action, Boot) else "token", msgspec.json.encode(asked), headers)
        except BaseException:
            credentials.failed(action, Answer(NO_ANSWER))
            raise
        grant = grant_of(text) if answer.good else None
        if grant is None:
            credentials.failed(action, answer)
        else:
            credentials.granted(grant, time.monotonic())
        return answer

    # ---- the wire

    async def _post(self, door: str, body: bytes, headers: dict[str, str]) -> tuple[Answer, bytes]:
        try:
            reply = await self._poster.post(f"/powermon/{door}", body, headers)
        except ssl.SSLCertVerificationError as error:
            raise Away(
                f"the certificate of {self._address} is not trusted ({error.verify_message}); "
                "POWERMON_GATEWAY_CA_FILE names a file of those that are",
                REFUSED_S,
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise Away(f"no answer from the gateway at {self._address} ({type(error).__name__}: {error})") from error
        return answer_of(reply.status, reply.text, reply.retry_after), reply.text


def body_of(entries: list[Entry]) -> bytes:
    """Frames as the body of a post, gzip."""
    schema = avro.raw_schema(topics.TIC_FRAMES)
    frames = (avro.decode_body(topics.TIC_FRAMES, entry.body, schema, "ours") for entry in entries)
    return gzip.compress(msgspec.json.encode({"frames": [_short(frame) for frame in frames]}), 6, mtime=0)


def _short(frame: dict[str, Any]) -> dict[str, Any]:
    """Without what may be left out."""
    labels = [
        {name: value for name, value in label.items() if name not in ("at_s", "degraded") or value} for label in frame["labels"]
    ]
    return {name: value for name, value in frame.items() if value is not None} | {"labels": labels}


def _reply(text: bytes) -> _Reply:
    with suppress(msgspec.MsgspecError, ValueError):
        return msgspec.json.decode(text, type=_Reply)
    return _Reply()


def _checked(url: str) -> SplitResult:
    with suppress(ValueError):
        found = urlsplit(url)
        _ = found.port  # a port that is none raises here
        if found.hostname and (found.scheme == "https" or (found.scheme == "http" and found.hostname in _LOOPBACK)):
            return found
    raise ConfigurationError(
        f"POWERMON_GATEWAY_URL {url} came; expected https://…: secret and frames would cross the network for all to read"
    )


def _trust(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path or None)
    except (OSError, ssl.SSLError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        detail = f"POWERMON_GATEWAY_CA_FILE: {path} holds no certificates ({reason}); expected a PEM file"
        raise ConfigurationError(detail) from error


def _secret(path: str) -> str:
    if not path:
        raise ConfigurationError(
            "POWERMON_TIC_DELIVERY=https needs POWERMON_TIC_SECRET_FILE: a file (mode 0600) with the secret "
            "that `powermon sensors add ID --kind linky` showed"
        )
    try:
        file = Path(path)
        mode, text = stat.S_IMODE(file.stat().st_mode), file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"POWERMON_TIC_SECRET_FILE: {path} cannot be read ({type(error).__name__})") from error
    if mode & 0o077:
        raise ConfigurationError(f"POWERMON_TIC_SECRET_FILE: {path} has mode {mode:04o}, expected 0600: chmod 600 {path}")
    if not text:
        raise ConfigurationError(f"POWERMON_TIC_SECRET_FILE: {path} is empty; expected the secret of the meter")
    return text
