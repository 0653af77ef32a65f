"""The schema registry: ids for writers, schemas for readers, compatibility for both.

Speaks the Confluent REST API, which Apicurio offers too. What the registry answered is kept in a
file, so that a role starts while the registry is down.
"""

import json
import os
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, cast

from infra.errors import ConfigurationError, RegistryUnavailable
from schemas import topics
from schemas.topics import Topic

Schema = dict[str, Any]

COMPATIBILITY = "BACKWARD_TRANSITIVE"
"""A reader with the newest schema reads everything ever written."""

_TIMEOUT_S = 5.0
_PAUSE_S = 5.0
_ID_MAX = 2**31 - 1


class IncompatibleSchema(ConfigurationError):
    """A changed .avsc could not read what is already in the log."""


class Registry:
    """Asks the registry and remembers the answers.

    Calls block for at most a few seconds; a caller on an event loop asks before it starts to serve,
    or from a thread. May be used by several threads.

    Args:
        settings_url: base of the Confluent API, e.g. `http://127.0.0.1:8081/apis/ccompat/v7`.
        cache: file of what was answered; made when there is something to keep.
    """

    def __init__(self, settings_url: str, cache: Path) -> None:
        self.url = settings_url.rstrip("/")
        self._cache = cache
        self._lock = threading.RLock()
        self._asked: dict[str, int] = {}
        self._schemas: dict[int, Schema] = {}
        self._down_until = 0.0
        self._why_down = ""

    def id_of(self, topic: Topic) -> int:
        """The id under which this build's schema of the topic is registered.

        The registry is asked once; while it is down the file answers, if it knows this very schema.

        Raises:
            RegistryUnavailable: neither the registry nor the file can tell.
            ConfigurationError: the registry does not know the schema; it must be registered first.
        """
        text = text_of(topic)
        with self._lock:
            if topic.subject in self._asked:
                return self._asked[topic.subject]
            try:
                schema_id = self._lookup(topic, text)
            except RegistryUnavailable:
                known = self._read_cache()["ids"].get(topic.subject)
                if known is None or known["schema"] != text:
                    raise
                return cast(int, known["id"])
            self._remember(topic, schema_id, text)
            return schema_id

    def schema_of(self, schema_id: int) -> Schema | None:
        """The schema with this id; None when the registry knows no such id.

        Raises:
            RegistryUnavailable: neither the registry nor the file can tell.
        """
        with self._lock:
            if schema_id in self._schemas:
                return self._schemas[schema_id]
            try:
                answer = self._call("GET", f"/schemas/ids/{schema_id}")
            except RegistryUnavailable:
                text = self._read_cache()["schemas"].get(str(schema_id))
                if text is None:
                    raise
                return self._keep(schema_id, text)
            if answer is None:
                # A registry that starts answers before it has read its journal; what it gave once, it does not take back.
                text = self._read_cache()["schemas"].get(str(schema_id))
                return None if text is None else self._keep(schema_id, text)
            self._write_cache({}, {schema_id: answer["schema"]})
            return self._keep(schema_id, answer["schema"])

    def register_all(self) -> None:
        """Register the schema of every topic, and ask the registry to refuse incompatible ones from now on.

        Raises:
            IncompatibleSchema: a schema could not read what was written with an earlier one.
            RegistryUnavailable: the registry does not answer.
        """
        for topic in topics.ALL:
            self.register(topic)

    def register(self, topic: Topic) -> int:
        """Register one topic's schema. Returns its id, the same one when it is registered already."""
        text = text_of(topic)
        self._call("PUT", f"/config/{topic.subject}", {"compatibility": COMPATIBILITY})
        answer = self._call("POST", f"/subjects/{topic.subject}", {"schema": text})
        if answer is None:
            self.check(topic)
            answer = self._call("POST", f"/subjects/{topic.subject}/versions", {"schema": text})
        if answer is None:
            raise RegistryUnavailable(f"the registry at {self.url} did not take the schema of {topic.name}; look into its log")
        schema_id = cast(int, answer["id"])
        if not 0 <= schema_id <= _ID_MAX:
            raise ConfigurationError(
                f"the registry at {self.url} gave {topic.name} the id {schema_id}; "
                "the wire format holds 4 bytes: switch the registry to Confluent ids"
            )
        with self._lock:
            self._remember(topic, schema_id, text)
        return schema_id

    def check(self, topic: Topic) -> None:
        """Ask whether this build's schema may follow all registered ones.

        Raises:
            IncompatibleSchema: it may not; the message names the fields.
        """
        text = text_of(topic)
        path = f"/compatibility/subjects/{topic.subject}/versions?verbose=true"
        verdict = self._call("POST", path, {"schema": text})
        if verdict is None or verdict["is_compatible"]:
            return
        latest = self._call("GET", f"/subjects/{topic.subject}/versions/latest") or {"schema": '{"fields": []}', "version": 0}
        reasons = verdict.get("messages") or differences(json.loads(latest["schema"]), json.loads(text))
        raise IncompatibleSchema(
            f"schemas/{topic.schema} cannot read what is already in {topic.name} (registered version {latest['version']}): "
            f"{'; '.join(reasons) or 'see the log of the registry'}; a new field needs a default, and a type may only widen"
        )

    def is_registered(self, topic: Topic) -> bool:
        """Whether the registry itself, not the file, knows this build's schema of the topic."""
        return self._call("POST", f"/subjects/{topic.subject}", {"schema": text_of(topic)}) is not None

    def _lookup(self, topic: Topic, text: str) -> int:
        answer = self._call("POST", f"/subjects/{topic.subject}", {"schema": text})
        if answer is None:
            raise ConfigurationError(
                f"the registry at {self.url} does not know schemas/{topic.schema} under {topic.subject}; "
                "run `powermon schemas register`"
            )
        return cast(int, answer["id"])

    def _remember(self, topic: Topic, schema_id: int, text: str) -> None:
        self._asked[topic.subject] = schema_id
        self._write_cache({topic.subject: {"id": schema_id, "schema": text}}, {schema_id: text})
        self._keep(schema_id, text)

    def _keep(self, schema_id: int, text: str) -> Schema:
        schema: Schema = json.loads(text)
        self._schemas[schema_id] = schema
        return schema

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """One request; None for 404. After a failure the next ones fail at once for a few seconds."""
        if time.monotonic() < self._down_until:
            raise RegistryUnavailable(self._why_down)
        request = urllib.request.Request(  # noqa: S310 -- the operator's own setting
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json", "Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                return cast(dict[str, Any], json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read(2000).decode(errors="replace")
            if error.code == 404 and "error_code" in detail:
                return None
            if error.code in (409, 422):
                raise IncompatibleSchema(f"the registry at {self.url} refused {path}: {detail}") from error
            problem = f"answered {error.code} to {path}"
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            problem = f"does not answer ({reason})"
        self._why_down = (
            f"the schema registry at {self.url} {problem}, and {self._cache} does not know; "
            "start it, or correct POWERMON_REGISTRY_URL"
        )
        self._down_until = time.monotonic() + _PAUSE_S
        raise RegistryUnavailable(self._why_down)

    def _read_cache(self) -> dict[str, Any]:
        """What earlier runs were told by this same registry."""
        try:
            content = json.loads(self._cache.read_text())
            if content["registry"] == self.url:
                return cast(dict[str, Any], content)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no file, or not ours: as if nothing was known
        return {"registry": self.url, "ids": {}, "schemas": {}}

    def _write_cache(self, ids: dict[str, Any], schemas: dict[int, str]) -> None:
        content = self._read_cache()
        before = json.dumps(content)
        new = {str(schema_id): text for schema_id, text in schemas.items()}
        if any(content["schemas"].get(schema_id, text) != text for schema_id, text in new.items()):
            content = {"registry": self.url, "ids": {}, "schemas": {}}  # the registry began anew: its ids mean something else
            self._schemas.clear()
        content["ids"].update(ids)
        content["schemas"].update(new)
        if json.dumps(content) == before:
            return
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._cache.parent, prefix=self._cache.name, delete=False) as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, self._cache)


def text_of(topic: Topic) -> str:
    """The topic's schema as registered: without white space, so that a reformatted .avsc is no new version."""
    return json.dumps(json.loads(topic.schema_path.read_text()), separators=(",", ":"), ensure_ascii=False)


def differences(old: Schema, new: Schema) -> list[str]:
    """What stands in the way of reading old records with the new schema, field by field at the top level."""
    before = {field["name"]: field for field in old["fields"]}
    found = []
    for field in new["fields"]:
        if field["name"] not in before:
            if "default" not in field:
                found.append(f"new field {field['name']} has no default")
        elif field["type"] != before[field["name"]]["type"]:
            found.append(f"field {field['name']} changed its type")
    return found
