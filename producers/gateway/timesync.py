"""The server's half of a time exchange. Milliseconds UTC, each read by the clock of its side.

t0 is the sensor's send, t1 our receive, t2 our send, t3 the sensor's receive; then the sensor's clock
lacks ((t1 - t0) + (t2 - t3)) / 2, good to half of the delay (t3 - t0) - (t2 - t1).
"""

from typing import Any

T0_END = 1 << 63
"""From here on a number is not echoed: no clock of a device counts that far."""


def stamps(t0: Any, received_ms: int, sent_ms: int) -> dict[str, int | None]:
    """The members t0, t1, t2 of an answer.

    Args:
        t0: as the sensor sent it, of any type; null in the answer when it is no integer of 64 bits.
        received_ms: our clock when the request came.
        sent_ms: our clock now; not before received_ms in the answer, even when it was set back in between.
    """
    echoed = t0 if type(t0) is int and -T0_END <= t0 < T0_END else None
    return {"t0": echoed, "t1": received_ms, "t2": max(received_ms, sent_ms)}
