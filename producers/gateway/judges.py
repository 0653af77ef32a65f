"""Large bodies, judged beside the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from producers.gateway import body, exact
from producers.gateway.verdict import Admit, Batch, Rejection

_THREAD_FROM = 16_384
"""Bodies of this many bytes leave the event loop; the exact judge needs a millisecond for so many."""


class Judges:
    """The quick judge in any thread, as it leaves the interpreter to others; the exact one in a single thread.

    The exact judge needs up to 200 ms for two megabytes, and the interpreter for all of that. Several at once would take
    turns with the event loop, which then had one turn in so many.
    """

    def __init__(self) -> None:
        self._exact = ThreadPoolExecutor(1, "exact-judge")

    async def batch(self, plain: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | Rejection:
        """As `body.judge_batch`."""
        if len(plain) < _THREAD_FROM:
            return body.judge_batch(plain, admit, header_token, now_ms)
        accepted = await asyncio.to_thread(body.accept_batch, plain, admit, header_token, now_ms)
        if accepted is not None:
            return accepted
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._exact, exact.judge_batch, plain, admit, header_token, now_ms)

    def close(self) -> None:
        """End the thread; a body in it is judged first."""
        self._exact.shutdown(wait=False)
