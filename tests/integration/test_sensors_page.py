"""docs/sensors.md: what it tells a firmware engineer to type works as it stands."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from infra import programs
from infra.settings import Settings
from producers.gateway import app

ROOT = Path(__file__).parents[2]


async def test_every_command_of_the_page_works(
    registry: str, stack_settings: Settings, free_port: Callable[[], int], tmp_path: Path
) -> None:
    settings = stack_settings.model_copy(update={"gateway_port": free_port()})
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "sensors.md").read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    # Another port, another folder to write to, a sensor id that no other test has, this Python.
    script = "\n".join(["set -euo pipefail", *blocks]).replace("127.0.0.1:8090", f"127.0.0.1:{settings.gateway_port}")
    script = re.sub(r"^\.venv/bin/python", sys.executable, script, flags=re.MULTILINE)
    script = script.replace("gre000001", "page000001").replace(".venv/bin/powermon", f"{sys.executable} -m infra.cli")
    env = os.environ | programs.environment(settings) | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    gateway = await app.start(settings)
    try:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(90):
            out, err = await process.communicate()
    finally:
        await gateway.stop()
    assert process.returncode == 0, err.decode()
    decoder, replies, text = json.JSONDecoder(), [], out.decode()
    while text := text.strip():
        reply, end = decoder.raw_decode(text)
        replies.append(reply)
        text = text[end:]
    time, one, batch, frame = replies
    assert time["t2"] >= time["t1"]
    assert one["status"] == "accepted"
    assert (batch["accepted"], batch["rejected"]) == (2, [])
    assert frame[:2] == [3, "1"]
    assert frame[2]["status"] == "Accepted"
