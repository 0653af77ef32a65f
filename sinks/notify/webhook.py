"""Messages by POST to an address, signed."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import aiohttp

from sinks.notify.channel import GONE, REFUSED, RETRY, SENT, TIMEOUT_S, Message, Verdict

SIGNATURE = "Powermon-Signature"


def signature(secret: str, at_s: int, body: bytes) -> str:
    """`t=…,v1=…`: HMAC-SHA256 over the time, a dot and the body, so that an old message cannot be sent again as new."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


class Webhook:
    """One address. It is told once per attempt; redirects are not followed: who is asked is whom the operator named.

    Args:
        client: without cookies.
        clock: UTC seconds.
    """

    def __init__(
        self,
        client: aiohttp.ClientSession,
        url: str,
        secret: str,
        clock: Callable[[], float] = time.time,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._client, self._url, self._secret, self._clock = client, url, secret, clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def send(self, message: Message) -> Verdict:
        """Post it. 2xx: taken; 410: wants no more; 408, 429, 5xx and no answer: again; else never."""
        body = json.dumps(json.loads(message.body) | {"text": message.words.text}, sort_keys=True).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Powermon",
            "Idempotency-Key": message.id,
            SIGNATURE: signature(self._secret, int(self._clock()), body),
        }
        try:
            async with self._client.post(
                self._url, data=body, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as answer:
                status, asked = answer.status, answer.headers.get("Retry-After")
        except TimeoutError:
            return Verdict(RETRY, f"no answer within {self._timeout.total:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its own text may hold the address.
            return Verdict(RETRY, f"no connection ({type(error).__name__})")
        if 200 <= status < 300:
            return Verdict(SENT)
        if status == 410:
            return Verdict(GONE, "it answered 410: it wants no more messages")
        if status in (408, 425, 429) or status >= 500:
            return Verdict(RETRY, f"it answered {status}", self._pause_s(asked))
        moved = "; redirects are not followed, name the new address" if 300 <= status < 400 else ""
        return Verdict(REFUSED, f"it answered {status}{moved}")

    async def close(self) -> None:
        """The client is everybody's."""

    def _pause_s(self, asked: str | None) -> float | None:
        """Retry-After: seconds or a date."""
        if asked is None:
            return None
        if asked.strip().isascii() and asked.strip().isdigit():
            return float(asked.strip()[:9])
        try:
            return max(0.0, parsedate_to_datetime(asked).timestamp() - self._clock())
        except (TypeError, ValueError):
            return None
