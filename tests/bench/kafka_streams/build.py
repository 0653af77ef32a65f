"""Fetches Kafka Streams, compiles the program beside this file, and says how to start it."""

import shutil
import subprocess
from pathlib import Path

from infra import parts
from infra.settings import Settings

HERE = Path(__file__).parent
STREAMS = parts.Part("kafka-streams", "Kafka Streams", HERE / "pom.xml", ("dependency:copy-dependencies",))


def command(scratch: Path) -> list[str] | None:
    """The command of the compiled program; None on a machine without a Java compiler.

    Args:
        scratch: folder for its classes and its temporary files.
    """
    javac = shutil.which("javac")
    if javac is None:
        return None
    cache = Settings().parts
    parts.fetch(STREAMS, cache, print)
    jars = f"{parts.folder(STREAMS, cache)}/*"
    subprocess.run([javac, "-cp", jars, "-d", str(scratch), str(HERE / "MinutesBench.java")], check=True)
    return [parts.java(), "-Xmx1g", f"-Djava.io.tmpdir={scratch}", "-cp", f"{scratch}:{jars}", "MinutesBench"]
