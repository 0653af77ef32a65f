"""Log lines: one setup for every role."""

import logging
import time
from collections.abc import Callable

import structlog

from infra.settings import Settings


def configure(settings: Settings, role: str) -> None:
    """Send every log line (ours and the libraries') to stderr in one form.

    Args:
        settings: level and form.
        role: stands in each line as `role`.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _name, event: {"role": role, **event},
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    handler.addFilter(Seldom("aiokafka"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class Seldom(logging.Filter):
    """Lets a library say the same thing only now and then: while a broker is away, aiokafka writes a hundred lines a second.

    Args:
        library: first part of its loggers' names.
        every_s: how often the same message, its arguments apart, may come.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, library: str, every_s: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._library, self._every_s, self._now = library, every_s, now
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.name.partition(".")[0] != self._library or not isinstance(record.msg, str):
            return True
        key, now = (record.name, record.msg), self._now()
        if now - self._said.get(key, -self._every_s) < self._every_s:
            return False
        self._said[key] = now
        return True
