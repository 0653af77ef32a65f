"""When a sensor asks for a token, and with what. No clock, no network."""

from dataclasses import dataclass, field

from producers.simulate.actions import Answer, Boot, Grant, NewToken

WAIT_MAX_S = 300.0
CALM_S = 600.0
"""Whoever has asked for no token for so long may ask at once."""

RENEW_LEAST_S = 600.0
"""A token that still works is not exchanged more often."""


@dataclass(slots=True)
class Credentials:
    """A sensor's token: by boot, by the token before it, by the secret.

    Attributes:
        token: None until there is one.
        asking: a request is on its way.
    """

    token: str | None = field(default=None, repr=False)
    asking: bool = False
    _booted: bool = False
    _before: str | None = field(default=None, repr=False)
    _got_s: float = 0.0
    _refresh_s: float = float("inf")
    _asked_s: float = float("-inf")
    _next_s: float = float("-inf")
    _streak: int = 0

    def due(self, now_s: float) -> Boot | NewToken | None:
        """The request to make now; it must be answered."""
        if self.asking or now_s < self._next_s:
            return None
        if self.token is not None and (now_s < self._refresh_s or now_s < self._got_s + RENEW_LEAST_S):
            return None
        self._pace(now_s)
        self.asking = True
        return NewToken(self.token or self._before) if self._booted else Boot()

    def _pace(self, now_s: float) -> None:
        """No storm, whatever is answered: 0, 1, 2, 4 … 300 s between the requests of one trouble."""
        self._streak = 0 if now_s - self._asked_s > CALM_S else self._streak + 1
        self._asked_s = now_s
        self._next_s = now_s + (min(2.0 ** min(self._streak - 1, 30), WAIT_MAX_S) if self._streak else 0.0)

    def granted(self, grant: Grant, now_s: float) -> None:
        self.token, self.asking, self._booted, self._before = grant.token, False, True, None
        self._got_s, self._refresh_s = now_s, now_s + grant.refresh_after_s

    def failed(self, action: Boot | NewToken, answer: Answer) -> bool:
        """Take in that there is no new token.

        Returns:
            True when the secret itself was refused.
        """
        self.asking = False
        if answer.status != 401:
            return False
        if isinstance(action, NewToken) and action.token is not None:
            # The token is dead; the secret will do.
            self.token = self._before = None
            return False
        return True

    def ageing(self, token: str, now_s: float) -> None:
        """The gateway asked for a younger token than this."""
        if token == self.token:
            self._refresh_s = min(self._refresh_s, now_s)

    def refused(self, token: str) -> None:
        """A post with this token was answered 401."""
        if token == self.token:
            self.token, self._before = None, token

    def lost(self) -> None:
        """The memory that held the token did not hold."""
        self.token = self._before = None
