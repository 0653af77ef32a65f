"""Members of the sink in threads, as the store has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from sinks.service import Member


@contextmanager
def at_work(*members: Member) -> Iterator[None]:
    """They work until the block is left, and then end."""
    threads = [Thread(target=member.work) for member in members]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for member, thread in zip(members, threads, strict=True):
            member.stop()
            thread.join(30)
            assert not thread.is_alive()
