"""Sign-in, sign-out, a new password, and the guard before everything else."""

import hmac
import secrets
import time
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from infra.errors import PartUnavailable
from streams.catalog.commands import SetPassword
from web import passwords
from web.html import page
from web.identity import COOKIE, IDENTITY, SIGN_IN_SCOPE, Catalog, Identity, by_bearer, by_session, by_token
from web.limits import FailedSignIns
from web.passwords import Passwords
from web.sessions import Sessions
from web.view.say import say, say_n

FORM_COOKIE = "powermon_form"
CSRF_HEADER = "X-Powermon-Form"
OPEN_PATHS = frozenset({"/signin", "/healthz", "/readyz", "/favicon.ico", "/api/v1/openapi.json", "/api/v1/docs"})
OPEN_TREES = ("/static/",)
WITHOUT_CATALOG = frozenset({"/api/v1/sql"})
"""What the API answers from ClickHouse alone."""

_WRONG = say("The name or the password is wrong.")
_UNKNOWN = say("The list of users is not at hand yet; try again in a moment.")


class Auth:
    """Everything about who may come in.

    Args:
        catalog: users and tokens.
        sessions: who is signed in.
        clock: UTC seconds.

    Attributes:
        passwords: shared, so that no more than a few slow hashes are under way.
    """

    def __init__(self, catalog: Catalog, sessions: Sessions, clock: Callable[[], float] = time.time) -> None:
        self._catalog, self._sessions, self._clock = catalog, sessions, clock
        self.passwords = Passwords()
        self._failures = FailedSignIns()
        self._log = structlog.get_logger(__name__)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/signin", self.show_sign_in),
            web.post("/signin", self.sign_in),
            web.post("/signout", self.sign_out),
            web.get("/password", self.show_password),
            web.post("/password", self.change_password),
        ]

    # ---- the guard

    @property
    def guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            path = request.path
            if path in OPEN_PATHS or path.startswith(OPEN_TREES):
                return await handler(request)
            identity = self._identify(request)
            if path == "/metrics" and (identity is not None or _is_loopback(request.remote)):
                return await handler(request)
            if identity is None:
                return self._who_are_you(request)
            if (refused := await self._refused(request, identity)) is not None:
                return refused
            request[IDENTITY] = identity
            return await handler(request)

        return guard

    async def _refused(self, request: web.Request, identity: Identity) -> web.StreamResponse | None:
        """What somebody known is told instead of an answer; None when nothing is in the way."""
        path, api = request.path, request.path.startswith("/api/")
        if identity.must_change_password and path not in ("/password", "/signout"):
            if api:
                return problem(403, "password_must_change", "the one-time password must be changed first, at /password")
            raise web.HTTPSeeOther("/password")
        if api and path not in WITHOUT_CATALOG and not self._catalog.caught_up:
            # What is not in the catalog may stand in what is not read yet.
            return _later(f"not ready yet: {self._catalog.problem()}")
        if identity.session is not None and request.method not in ("GET", "HEAD"):
            return await self._forged(request, identity)
        return None

    def _identify(self, request: web.Request) -> Identity | None:
        now_s = self._clock()
        if "Authorization" in request.headers:
            return by_bearer(self._catalog.state, request.headers["Authorization"], now_s)
        return by_session(self._sessions, self._catalog.state, request.cookies.get(COOKIE), now_s)

    def _who_are_you(self, request: web.Request) -> web.StreamResponse:
        wants_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if wants_page and not request.path.startswith("/api/") and "Upgrade" not in request.headers:
            raise web.HTTPSeeOther(f"/signin?next={quote(request.path_qs, safe='')}")
        if "Authorization" in request.headers and (trouble := self._catalog.problem()) is not None:
            return _later(f"whose token this is cannot be told yet: {trouble}")
        refused = problem(401, "not_signed_in", "sign in at /signin, or send a live token as `Authorization: Bearer …`")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused

    async def _forged(self, request: web.Request, identity: Identity) -> web.StreamResponse | None:
        """A session's cookie travels by itself: a form must also hold what only our page knows."""
        assert identity.session is not None
        sent: object
        if request.path.startswith("/api/"):
            sent = request.headers.get(CSRF_HEADER)  # a page of ours; others cannot set it without our leave
            if sent is None:
                return problem(
                    403, "token_needed", "changes and queries over the API need `Authorization: Bearer …`, not a session"
                )
        else:
            sent = (await request.post()).get("csrf")
        if (
            not _same_origin(request)
            or not isinstance(sent, str)
            or not hmac.compare_digest(sent.encode(errors="replace"), identity.session.csrf.encode())
        ):
            return problem(403, "form_expired", "this form is not from a page of this session; load the page again")
        return None

    # ---- sign-in

    async def show_sign_in(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token")
        if token is not None:
            return self._sign_in_by_token(request, token)
        if self._identify(request) is not None:
            raise web.HTTPSeeOther(_inside(request.query.get("next")))
        return self._form(request, None, "")

    def _sign_in_by_token(self, request: web.Request, token: str) -> web.StreamResponse:
        now_s, address = self._clock(), request.remote or "?"
        wait_s = self._failures.wait_s("", address, now_s)
        found = by_token(self._catalog.state, token, now_s) if wait_s == 0 else None
        if found is None or SIGN_IN_SCOPE not in found[1]:
            self._failures.failed("", address, now_s)
            trouble = self._catalog.problem() and _UNKNOWN
            return self._form(request, trouble or say("This link is not valid any more; sign in, or take a new one."), "", 403)
        self._log.info("signed in", name=found[0].name, by="link", address=address)
        return self._welcome(request, found[0].name, found[0].password_hash)

    def _said(self, name: str) -> str:
        """What a log line calls who tries: people type their password where the name belongs."""
        return name if name in self._catalog.state.users else "(nobody's)"

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        name, password, sent = (str(form.get(field, "")) for field in ("name", "password", "csrf"))
        name = name.strip().lower()[:64]
        expected = request.cookies.get(FORM_COOKIE, "")
        if not _same_origin(request) or not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
            return self._form(request, say("This form was too old; please try again."), name, 403)
        address, now_s = request.remote or "?", self._clock()
        wait_s = self._failures.wait_s(name, address, now_s)
        if wait_s > 0:
            self._log.warning("sign-in refused for now", name=self._said(name), address=address)
            minutes = int(wait_s // 60) + 1
            text = say_n(
                "Too many wrong passwords. Wait {n} minute and try again.",
                "Too many wrong passwords. Wait {n} minutes and try again.",
                minutes,
            )
            refused = self._form(request, text, name, 429)
            refused.headers["Retry-After"] = str(int(wait_s) + 1)
            return refused
        # Counted before the slow check, so that a hundred tries at once are a hundred tries.
        self._failures.failed(name, address, now_s)
        user = self._catalog.state.users.get(name)
        if not await self.passwords.right(user.password_hash if user else None, password) or user is None:
            self._log.warning("wrong password", name=self._said(name), address=address)
            trouble = self._catalog.problem() and _UNKNOWN
            return self._form(request, trouble or _WRONG, name, 403)
        self._failures.succeeded(name)
        self._log.info("signed in", name=name, by="password", address=address)
        return self._welcome(request, name, user.password_hash)

    def _welcome(self, request: web.Request, name: str, password_hash: str) -> web.StreamResponse:
        old = request.cookies.get(COOKIE)
        if old:
            self._sessions.close(old, self._clock())
        answer = _go_to(_inside(request.query.get("next")))
        session_id = self._sessions.open(name, password_hash, self._clock())
        answer.set_cookie(COOKIE, session_id, httponly=True, samesite="Lax", secure=_is_tls(request), path="/")
        answer.del_cookie(FORM_COOKIE, path="/signin")
        return answer

    def _form(self, request: web.Request, trouble: str | None, name: str, status: int = 200) -> web.Response:
        csrf = secrets.token_urlsafe(32)
        answer = page("signin.html", status=status, csrf=csrf, trouble=trouble, name=name)
        answer.set_cookie(
            FORM_COOKIE, csrf, httponly=True, samesite="Strict", secure=_is_tls(request), path="/signin", max_age=3600
        )
        return answer

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        self._sessions.close(request.cookies.get(COOKIE, ""), self._clock())
        answer = _go_to("/signin")
        answer.del_cookie(COOKIE, path="/")
        return answer

    # ---- a new password

    async def show_password(self, request: web.Request) -> web.StreamResponse:
        return self._password_form(request, None)

    async def change_password(self, request: web.Request) -> web.StreamResponse:
        identity, form = request[IDENTITY], await request.post()
        old, new, again = (str(form.get(field, "")) for field in ("old", "new", "again"))
        user = self._catalog.state.users.get(identity.name)
        address, now_s = request.remote or "?", self._clock()
        if self._failures.wait_s(identity.name, address, now_s) > 0:
            return self._password_form(request, say("Too many wrong passwords. Wait some minutes and try again."), 429)
        if user is None or not await self.passwords.right(user.password_hash, old):
            self._failures.failed(identity.name, address, now_s)
            return self._password_form(request, say("The present password is wrong."), 403)
        trouble = passwords.problem(new, again, identity.name)
        if trouble is None and new == old:
            trouble = say("The new password is the present one; take another.")
        if trouble is not None:
            return self._password_form(request, trouble, 422)
        fresh = await self.passwords.hash(new)
        try:
            outcome = await self._catalog.submit(SetPassword(name=user.name, password_hash=fresh), actor=user.name)
        except PartUnavailable:
            self._log.warning("password not changed: the log does not answer", name=user.name)
            text = say("The log does not answer, so the password may be the old one; try again.")
            return self._password_form(request, text, 503)
        if not outcome.accepted:
            return self._password_form(request, outcome.detail, 409)
        self._log.info("password changed", name=user.name)
        return self._welcome(request, user.name, fresh)

    def _password_form(self, request: web.Request, trouble: str | None, status: int = 200) -> web.Response:
        identity = request[IDENTITY]
        csrf = identity.session.csrf if identity.session else ""
        forced = identity.must_change_password
        return page("password.html", status=status, csrf=csrf, trouble=trouble, name=identity.name, forced=forced)


def problem(status: int, code: str, detail: str, **more: object) -> web.Response:
    """An error of the API; `more` are further members, as the field it is about."""
    body = {"status": status, "code": code, **more, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


def _later(detail: str) -> web.Response:
    answer = problem(503, "unavailable", detail)
    answer.headers["Retry-After"] = "1"
    return answer


def _go_to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})


def _inside(where: str | None) -> str:
    """A place on this server to go to; never another one."""
    parts = urlsplit(where or "/")
    fine = parts.path.startswith("/") and not (where or "").startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    fine = fine and "\\" not in (where or "") and all(" " < c < "\x7f" for c in where or "")
    return where if fine and where and parts.path != "/signin" else "/"


def _same_origin(request: web.Request) -> bool:
    """Whether a browser that says where a request comes from says: from us."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()


def _is_tls(request: web.Request) -> bool:
    """Also behind a proxy that ends TLS; a client that claims it only makes its own cookie stricter."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"


def _is_loopback(remote: str | None) -> bool:
    try:
        return ip_address(remote or "").is_loopback
    except ValueError:
        return False
