"""Which path leads to which handler. Trailing slashes are welcome everywhere."""

from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
SensorHandler = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]
"""Gets the request and what stands in the path where a sensor id belongs, unchecked."""


class Routes:
    """Exact paths, and paths that hold a sensor id; an exact one goes first."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, Handler]] = {}
        self._of_sensor: dict[tuple[str, str], dict[str, SensorHandler]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Lead a path, without a trailing slash, to a handler; GET answers HEAD too."""
        methods = self._exact.setdefault(path, {})
        methods[method] = handler
        if method == "GET":
            methods["HEAD"] = handler

    def add_of_sensor(self, method: str, prefix: str, handler: SensorHandler, last: str = "") -> None:
        """Lead `prefix`/<sensor id>, or `prefix`/<sensor id>/`last`, to a handler."""
        self._of_sensor.setdefault((prefix, last), {})[method] = handler

    def find(self, method: str, path: str) -> Handler | list[str] | None:
        """The handler; the methods that are allowed when it is not this one; None when there is nothing."""
        path = path.rstrip("/") or "/"
        exact = self._exact.get(path)
        if exact is not None:
            return exact.get(method) or list(exact)
        prefix, _, name = path.rpartition("/")
        of_sensor = self._of_sensor.get((prefix, ""))
        if of_sensor is None:
            last = name
            prefix, _, name = prefix.rpartition("/")
            of_sensor = self._of_sensor.get((prefix, last))
        if of_sensor is None:
            return None
        handler = of_sensor.get(method)
        if handler is None:
            return list(of_sensor)
        return lambda request: handler(request, name)
