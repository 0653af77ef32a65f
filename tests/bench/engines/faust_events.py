"""Faust as it comes: an agent, one event at a time."""

import asyncio
from collections.abc import Awaitable

import faust

from schemas import topics
from tests.bench.engines import plain


async def main() -> None:
    bootstrap, group, out_name, step = plain.arguments()
    app = faust.App(group, broker=f"kafka://{bootstrap}", web_enabled=False, topic_disable_leader=True)
    readings = app.topic(topics.READINGS.name, key_serializer="raw", value_serializer="raw")
    out = app.topic(out_name, key_serializer="raw", value_serializer="raw")
    finished = asyncio.Event()
    pending: list[Awaitable[object]] = []

    @app.agent(readings)
    async def fold(stream):  # type: ignore[no-untyped-def]
        async for event in stream.events():
            message = event.message
            due = step.take(message.partition, message.offset, int(message.timestamp * 1000), event.value)
            for key, value in due:
                pending.append(await out.send(key=key, value=value))
            if step.done:
                finished.set()

    await app.start()
    await finished.wait()
    await asyncio.gather(*pending)
    step.report()
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main())
