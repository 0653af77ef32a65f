"""What Home Assistant is told of a meter: its entities and their values. Pure: frames in, JSON out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from schemas import tic_values
from schemas.tic_frame import TicFrame, TicStatus, Value

Json = dict[str, Any]
EXPIRES_S = 90
"""Without news for so long Home Assistant shows a value as unavailable: the line is silent."""
COLOURS = ("none", "blue", "white", "red")
ON, OFF = "ON", "OFF"

_HISTORIC = {
    "BASE": "Index",
    "HCHC": "Index off-peak",
    "HCHP": "Index peak",
    "EJPHN": "Index normal hours",
    "EJPHPM": "Index mobile peak",
    "BBRHCJB": "Index off-peak blue",
    "BBRHPJB": "Index peak blue",
    "BBRHCJW": "Index off-peak white",
    "BBRHPJW": "Index peak white",
    "BBRHCJR": "Index off-peak red",
    "BBRHPJR": "Index peak red",
}
INDEXES = {
    "EAST": "Index total",
    **{f"EASF{index:02}": f"Index {index}" for index in range(1, 11)},
    **_HISTORIC,
    "EAIT": "Index injected",
}
"""Energies in Wh by label."""
_ALWAYS = ("EAST", "EAIT", "BASE")
"""Indexes that are shown while they are still at 0."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing in Home Assistant.

    Attributes:
        key: in the state's JSON, and in topics.
        facts: of its discovery, besides what all have.
    """

    key: str
    name: str
    component: str = "sensor"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Home:
    """What is known of one meter.

    Attributes:
        values: of all labels so far: a short frame takes nothing away.
        status: the last one.
        over_power: of the last frame.
    """

    meter_id: str
    mode: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    status: TicStatus | None = None
    over_power: bool = False

    def after(self, frame: TicFrame) -> "Home":
        """What is known after one more frame."""
        said = tic_values.values_of(frame)
        status = frame.status or self.status
        over = frame.status.over_power if frame.status else tic_values.over_power(said)
        return replace(self, mode=frame.mode, values={**self.values, **said}, status=status, over_power=over)

    def state(self, right_pct: float | None) -> Json:
        """Every value, for the state's topic."""
        values, status = self.values, self.status
        today, tomorrow = self._tempo()
        said: Json = {
            "apparent_power": tic_values.apparent_va(values),
            "injected_power": tic_values.injected_va(values),
            "tariff": _tariff(values),
            "tempo_today": today,
            "tempo_tomorrow": tomorrow,
            "over_power": ON if self.over_power else OFF,
            "breaker": status.breaker if status else None,
            "link_quality": None if right_pct is None else round(right_pct, 1),
        }
        for name, found in (("voltage", tic_values.voltages_v(values)), ("current", tic_values.currents_a(values))):
            said |= {f"{name}_{phase}": value for phase, value in enumerate(found, start=1)}
        said |= {label.lower(): values[label] for label in INDEXES if isinstance(values.get(label), int)}
        return {key: value for key, value in said.items() if value is not None}

    def entities(self) -> list[Entity]:
        """Those that this meter has values for; more may come, none goes."""
        state = self.state(right_pct=0)
        found = [
            Entity("apparent_power", "Apparent power", facts=_measure("apparent_power", "VA")),
            Entity("injected_power", "Injected power", facts=_measure("apparent_power", "VA")),
            *(
                Entity(label.lower(), name, facts={**_unit("energy", "Wh"), "state_class": "total_increasing"})
                for label, name in INDEXES.items()
                if self.values.get(label) or label in _ALWAYS
            ),
            *(Entity(f"voltage_{p}", _phase("Voltage", p, state), facts=_measure("voltage", "V")) for p in (1, 2, 3)),
            *(Entity(f"current_{p}", _phase("Current", p, state), facts=_measure("current", "A")) for p in (1, 2, 3)),
            Entity("tariff", "Tariff", facts={"icon": "mdi:tag-outline"}),
            Entity("over_power", "Above the contract's power", "binary_sensor", {"device_class": "problem"}),
            Entity("link_quality", "Right frames", facts={**_percent(), "entity_category": "diagnostic"}),
        ]
        if set(self._tempo()) != {"none"}:
            enum = {"device_class": "enum", "options": list(COLOURS), "icon": "mdi:palette"}
            found += [
                Entity("tempo_today", "Tempo today", facts=enum),
                Entity("tempo_tomorrow", "Tempo tomorrow", facts=enum),
            ]
        return [one for one in found if one.key in state]

    def _tempo(self) -> tuple[str, str]:
        status = self.status
        return tic_values.tempo(
            self.values, status.tempo_today if status else "none", status.tempo_tomorrow if status else "none"
        )


@dataclass(frozen=True, slots=True)
class Topics:
    """Where things of one meter stand.

    Attributes:
        prefix: of Home Assistant's discovery.
    """

    prefix: str
    meter_id: str

    @property
    def status(self) -> str:
        """Home Assistant's own: its birth."""
        return f"{self.prefix}/status"

    @property
    def availability(self) -> str:
        return f"powermon/{self.meter_id}/availability"

    @property
    def state(self) -> str:
        return f"powermon/{self.meter_id}/state"

    def discovery(self, entity: Entity) -> str:
        return f"{self.prefix}/{entity.component}/powermon_{self.meter_id}/{entity.key}/config"

    def config(self, entity: Entity, mode: str) -> Json:
        """What is told of an entity."""
        return {
            "name": entity.name,
            "unique_id": f"powermon_{self.meter_id}_{entity.key}",
            "default_entity_id": f"{entity.component}.linky_{self.meter_id}_{entity.key}",
            "state_topic": self.state,
            "value_template": f"{{{{ value_json.{entity.key} }}}}",
            "availability_topic": self.availability,
            "expire_after": EXPIRES_S,
            **entity.facts,
            "device": {
                "identifiers": [f"powermon_{self.meter_id}"],
                "name": f"Linky {self.meter_id}",
                "model": f"Linky, {mode} mode",
                "manufacturer": "Enedis",
            },
            "origin": {"name": "Powermon"},
        }


def _tariff(values: Mapping[str, Value]) -> str | None:
    name = " ".join(tic_values.tariff_name(values).split())
    index = tic_values.tariff(values)
    return name or (f"Index {index}" if index else None)


def _phase(name: str, phase: int, state: Json) -> str:
    many = "voltage_2" in state or "current_2" in state
    return f"{name} {phase}" if many else name


def _unit(device_class: str, unit: str) -> Json:
    return {"device_class": device_class, "unit_of_measurement": unit}


def _measure(device_class: str, unit: str) -> Json:
    return {**_unit(device_class, unit), "state_class": "measurement"}


def _percent() -> Json:
    return {"unit_of_measurement": "%", "state_class": "measurement", "icon": "mdi:signal"}
