"""A library that repeats itself fills no disk."""

import logging

from infra.logs import Seldom


def record(name: str, message: object, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 1, message, args, None)


def test_the_same_message_comes_only_now_and_then() -> None:
    clock = [100.0]
    seldom = Seldom("aiokafka", 10, lambda: clock[0])
    said = []
    for second in range(25):
        clock[0] = 100.0 + second
        said.append(seldom.filter(record("aiokafka.client", "cannot connect to %s", second)))
    assert [second for second, one in enumerate(said) if one] == [0, 10, 20]
    assert seldom.filter(record("aiokafka.client", "something else"))


def test_what_is_not_the_librarys_comes_always() -> None:
    seldom = Seldom("aiokafka")
    assert all(seldom.filter(record("aiokafka_of_ours", "again")) for _ in range(3))
    assert all(seldom.filter(record("streams.worker", {"event": "again"})) for _ in range(3))
