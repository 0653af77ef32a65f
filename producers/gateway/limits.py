"""How often a sensor may post: a token bucket, kept as one number per sensor."""

import math


class RateLimit:
    """Lets each sensor make `burst` requests at once and `rate_per_s` in the long run.

    The number kept is the time at which the sensor's bucket will be full again; each request moves it
    on by 1/rate, and it may run ahead of now by burst/rate at most.
    """

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._step_s = 1 / rate_per_s
        self._ahead_s = burst / rate_per_s
        self._full_at_s: dict[str, float] = {}

    def wait_s(self, sensor_id: str, now_s: float) -> int:
        """Count one request.

        Args:
            now_s: a clock that does not go back.

        Returns:
            0 when the request may pass, else after how many whole seconds to come again; then it is not counted.
        """
        full_at_s = max(self._full_at_s.get(sensor_id, 0.0), now_s) + self._step_s
        over_s = full_at_s - now_s - self._ahead_s
        if over_s > 1e-9:
            return math.ceil(over_s)
        self._full_at_s[sensor_id] = full_at_s
        return 0
