"""Two replays of a store that is not there: one complete, one under way."""

from typing import Any

from infra.errors import NoSuchReplay

Document = dict[str, Any]
_DAY = {"sensor_id": "gre000001", "day": "2026-03-02", "minutes": 1440, "only_live": 0, "only_replay": 2, "differing": 3}
_ROW = {"seconds": 60, "version": 7, "energy_mws": 1, "power_min_mw": 1, "power_max_mw": 2}


class FakeReplays:
    """As web.api.replays.Replays.

    Attributes:
        live: the name of the one whose minutes are live; empty: none.
    """

    def __init__(self) -> None:
        self.live = ""
        self._complete = {"fix": True, "slow": False}

    def every(self) -> list[Document]:
        return [self._one(name, complete=complete) for name, complete in self._complete.items()]

    def begin(self, document: Document) -> Document:
        self._complete.setdefault(document["name"], False)
        return self.status(document["name"])

    def status(self, name: str) -> Document:
        found = next((one for one in self.every() if one["name"] == name), None)
        if found is None:
            raise NoSuchReplay(f"there is no replay {name}")
        done = 1000 if found["complete"] else 250
        progress = {"readings": 1000, "folded": done, "late": 0, "rebuilt": 0, "minutes": 20, "stored": 20}
        return found | {"progress": progress}

    def diff(self, name: str, worst: int) -> Document:
        rows = [{"sensor_id": "gre000001", "minute_s": 1_772_442_000, "probe": 1, "energy_difference_mws": -3_600_000_000}]
        shown = [{**row, "live": _ROW, "replay": None} for row in rows][:worst]
        days = [{**_DAY, "energy_difference_mws": -7_200_000_000}]
        return {"minutes": 1440, "newer": 4, "differing": 5, "days": days, "worst": shown}

    def swap(self, name: str) -> Document:
        self.live = name
        return self.status(name)

    def undo(self, name: str) -> Document:
        self.live = ""
        return self.status(name)

    def delete(self, name: str) -> None:
        self.status(name)
        del self._complete[name]

    def close(self) -> None:
        pass

    def _one(self, name: str, *, complete: bool) -> Document:
        asked = {"from_s": 1_772_409_600, "to_s": None, "sensors": ["gre000001"]}
        plan = {"name": name, "asked": asked, "topic": "sensor.readings"}
        table, live = f"minutes_{name}", name == self.live
        facts = {"made_at_s": 1_772_500_000, "complete": complete, "state": "", "table": table, "live": live, "problems": []}
        return {"name": name, "plan": plan, **facts}
