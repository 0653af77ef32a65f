"""The envelope that carries a command on the log."""

from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from streams.catalog.commands import ALL, Command
from streams.catalog.values import AT_MS_END

KINDS: dict[str, type[Command]] = {command.KIND: command for command in ALL}
_DECODERS: dict[str, msgspec.json.Decoder[Command]] = {c.KIND: msgspec.json.Decoder(c) for c in ALL}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message of catalog.commands; fields as in schemas/catalog_command.avsc."""

    command_id: str
    at_ms: int
    actor: str
    kind: str
    entity: str
    payload: str

    def record(self) -> dict[str, Any]:
        """The Avro record."""
        return asdict(self)


def seal(command: Command, *, command_id: str, at_ms: int, actor: str) -> Envelope:
    """Put a command into its envelope.

    Args:
        command_id: random, chosen by the writer.
        at_ms: the writer's clock, UTC.
        actor: who asks.
    """
    return Envelope(command_id, at_ms, actor, command.KIND, command.entity, msgspec.json.encode(command).decode())


class CommandError(Exception):
    """An envelope whose kind is unknown or whose payload does not fit it.

    Attributes:
        code: unknown_kind, bad_time, bad_payload or wrong_entity.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def unseal(envelope: Envelope) -> Command:
    """Read the command in an envelope.

    Raises:
        CommandError: there is none.
    """
    decoder = _DECODERS.get(envelope.kind)
    if decoder is None:
        raise CommandError("unknown_kind", f"kind {envelope.kind[:60]!r} came; expected one of {', '.join(sorted(KINDS))}")
    if not 0 <= envelope.at_ms < AT_MS_END:
        raise CommandError("bad_time", f"at_ms {envelope.at_ms} came; expected milliseconds between 1970 and 9999")
    try:
        command = decoder.decode(envelope.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CommandError("bad_payload", f"payload of {envelope.kind} does not fit: {error}"[:300]) from error
    if command.entity != envelope.entity:
        raise CommandError("wrong_entity", f"entity {envelope.entity[:80]!r} came; the payload is about {command.entity}")
    return command
