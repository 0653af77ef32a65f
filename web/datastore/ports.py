"""What the datastore's routes need of parts that keep records and compute results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streams.catalog.datastore.entries import Run
from web.datastore.answers import Document


class TraceRecords(Protocol):
    """Records of traces, kept elsewhere."""

    async def embedded(self, traces: Sequence[int]) -> Mapping[int, bytes]:
        """Each trace's records as a JSON list of id, start, value, estimated, by rising start; none: left out.

        Raises:
            PartUnavailable: they cannot be read now.
        """
        ...

    def checked(self, records: Sequence[Any]) -> Any:
        """Records of a body as `store` takes them; what they say of a trace is not looked at.

        Raises:
            Invalid: one does not fit; its body is what stands under `records`.
        """
        ...

    async def store(self, trace: int, checked: Any) -> None:
        """Store them, all or none; when it returns they can be read.

        Raises:
            PartUnavailable: the log did not take them.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What has become of a run.

    Attributes:
        status: RUNNING, SUCCESS or FAILED.
        traceback: of a FAILED one.
    """

    status: str
    updated_us: int
    traceback: str | None = None


class Meter(Protocol):
    """What computes runs, and keeps their results."""

    async def queue(self, run: Run) -> None:
        """Hand over a run that the catalog has just numbered.

        Raises:
            PartUnavailable: the log did not take it.
        """
        ...

    async def statuses(self, runs: Sequence[int]) -> Mapping[int, RunStatus]:
        """What has become of runs, by primary key; one that nothing is known of is left out: it is PENDING."""
        ...

    async def latest(self, projects: Sequence[int]) -> Sequence[Document]:
        """The latest result of each of these projects that has one, as /project_results/ says it."""
        ...
