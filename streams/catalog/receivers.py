"""Rules of those who are told of anomalies."""

from dataclasses import replace

import msgspec

from streams.catalog.commands import PutReceiver, RemoveReceiver, SwitchOffReceiver
from streams.catalog.outcome import Outcome, accepted, refused
from streams.catalog.state import Change, Receiver, State


def put(state: State, command: PutReceiver, at_ms: int) -> Outcome:
    for site in command.sites:
        if site not in state.sites:
            return refused("unknown_site", f"there is no site {site}; first `powermon sites put {site} --zone …`")
    verb = "changed" if command.receiver_id in state.receivers else "added"
    receiver = Receiver(**msgspec.structs.asdict(command), changed_at_ms=at_ms)
    return accepted(f"receiver {receiver.receiver_id} is {verb}", _put(receiver))


def switch_off(state: State, command: SwitchOffReceiver, at_ms: int) -> Outcome:
    known = state.receivers.get(command.receiver_id)
    if known is None:
        return _unknown(command.receiver_id)
    return accepted(
        f"receiver {known.receiver_id} is switched off", _put(replace(known, off=command.reason, changed_at_ms=at_ms))
    )


def remove(state: State, command: RemoveReceiver, _: int) -> Outcome:
    if command.receiver_id not in state.receivers:
        return _unknown(command.receiver_id)
    return accepted(f"receiver {command.receiver_id} is removed", Change("receivers", command.receiver_id, None))


def _put(receiver: Receiver) -> Change:
    return Change("receivers", receiver.receiver_id, receiver)


def _unknown(receiver_id: str) -> Outcome:
    return refused("unknown_receiver", f"there is no receiver {receiver_id}; first `powermon notify add {receiver_id} …`")
