"""What a sensor asks its link to send, and what comes back."""

from dataclasses import dataclass, field

from producers.simulate.clock import Exchange

BATCH_MAX = 600
"""Seconds in a batch, until the server says otherwise."""

NO_ANSWER = 0
"""Stands for a status when nothing came back."""


@dataclass(frozen=True, slots=True)
class Post:
    """Send these seconds, with this token.

    Attributes:
        batch: to the batch door, even if it is one second.
        live: the newest second, ahead of the backlog.
    """

    seconds: tuple[int, ...]
    batch: bool
    live: bool
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Boot:
    """Show the secret; learn token, addresses, settings and time."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """Get another token.

    Attributes:
        token: the one to show; None shows the secret.
    """

    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskTime:
    """One exchange of four timestamps."""


Action = Post | Boot | NewToken | AskTime


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the server wants to be asked; each a path on `host`, or a whole address.

    Attributes:
        host: empty: the address that the sensor booted at.
    """

    host: str = ""
    data: str = "/powermon/data"
    batch: str = "/powermon/data/batch"
    time: str = "/powermon/time"
    token: str = "/powermon/token"  # noqa: S105 (a path)
    ws: str = "/powermon/ws"


@dataclass(frozen=True, slots=True)
class Orders:
    """How the server wants this sensor to work."""

    post_interval_s: int = 1
    samples_per_second: int = 20
    time_sync_interval_s: int = 86_400
    batch_max_seconds: int = BATCH_MAX


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, and what came with it.

    Attributes:
        refresh_after_s: get a younger one then.
        urls, orders: of a boot.
    """

    token: str = field(repr=False)
    refresh_after_s: float
    urls: Urls | None = None
    orders: Orders | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for an action.

    Attributes:
        status: HTTP status, or NO_ANSWER.
        code: the error's code, or empty.
        retry_after_s: of the header, or None.
        refused: of a batch: which of its seconds were refused, and why.
        refresh_token: the gateway asks for a younger token.
        grant: of Boot and NewToken.
        exchange: of AskTime and Boot.
        behind_s: server's clock minus the sensor's as the answer came, to a second or so; None if it did not say.
    """

    status: int
    code: str = ""
    retry_after_s: float | None = None
    refused: tuple[tuple[int, str], ...] = ()
    refresh_token: bool = False
    grant: Grant | None = None
    exchange: Exchange | None = None
    behind_s: float | None = None

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later: keep and retry."""
        return self.status in (NO_ANSWER, 408, 429) or self.status >= 500
