"""What the sensors say: contacts, thermometers, hygrometers, the button, locks and everybody's heartbeat.

Belongs here: noise, quantisation, when a sensor speaks, silence and freezing. Does not belong here: the truth that it measures.
Any span can be asked for in any order; the same span always says the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.contracts.sensor import SensorKind
from services.simulation.building import Building, BuildingSensor
from services.simulation.day.climate import Climate
from services.simulation.day.openings import Leaf
from services.simulation.day.scenes_house import HEARTBEAT_S, check_thermometers
from services.simulation.day.stage import Effects, Measurement

MEASURE_S = 60.0
_TEMPERATURE_STEP, _HUMIDITY_STEP = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading. ``value``: open or locked (bool), °C or % (float), the button's action (str), ``None`` for a heartbeat."""

    t_s: float
    sensor_id: str
    room_id: str
    kind: SensorKind
    value: bool | float | str | None = None

    def payload(self) -> dict[str, object]:
        """As ``POST /v1/readings`` and MQTT take it, without the times."""
        names = {"door": "open", "temperature": "celsius", "humidity": "percent", "button": "action", "lock": "locked"}
        said = {names[self.kind]: self.value} if self.kind in names else {"heartbeat": True}
        return {"sensor_id": self.sensor_id, **said}


class Sensors:
    """All sensors of a building through a day."""

    def __init__(
        self, building: Building, seed: int, climate: Callable[[], Climate], leaves: Mapping[str, Leaf], effects: Effects,
        measurements: Sequence[Measurement],
    ) -> None:  # fmt: skip
        self._building, self._seed, self._climate, self._leaves, self._effects = (
            building,
            seed,
            climate,
            leaves,
            effects,
        )
        self._measurements = measurements
        self._hand_held = check_thermometers(building)

    def readings(self, from_s: float, to_s: float) -> list[Reading]:
        """Everything said in ``[from_s, to_s)``, in order of time."""
        said = [one for sensor in self._building.sensors for one in self._of(sensor, from_s, to_s)]
        return sorted(said, key=lambda one: (one.t_s, one.sensor_id, one.kind))

    def is_thermometer(self, sensor: BuildingSensor) -> bool:
        """Whether it is the hand-held one of the morning check."""
        return sensor.id in self._hand_held

    def _of(self, sensor: BuildingSensor, from_s: float, to_s: float) -> list[Reading]:
        said = [
            Reading(t_s, sensor.id, sensor.room, "heartbeat")
            for t_s in self._beats(sensor.id, HEARTBEAT_S, from_s, to_s)
        ]
        if self.is_thermometer(sensor):
            said += self._checked(sensor, from_s, to_s)
        elif sensor.kind in ("temperature", "humidity"):
            said += self._measured(sensor, from_s, to_s)
        elif sensor.kind == "door":
            said += self._contact(sensor, from_s, to_s)
        elif sensor.kind == "lock":
            said += self._lock(sensor, from_s, to_s)
        elif sensor.kind == "button":
            said += [Reading(at_s, sensor.id, sensor.room, "button", "pressed") for at_s, name in self._effects.presses
                     if name == sensor.id and from_s <= at_s < to_s]  # fmt: skip
        silent = self._effects.silent.get(sensor.id, ())
        return [one for one in said if not any(start <= one.t_s < end for start, end in silent)]

    def _beats(self, name: str, every_s: float, from_s: float, to_s: float) -> list[float]:
        """The sensor's own rhythm: every sensor began at another moment."""
        phase_s = random.Random(f"beat/{self._seed}/{name}/{every_s}").uniform(0.0, every_s)  # noqa: S311  not a secret
        first = math.ceil((from_s - phase_s) / every_s)
        beats = []
        while (at_s := first * every_s + phase_s) < to_s:
            beats.append(round(at_s, 3))
            first += 1
        return [at_s for at_s in beats if at_s >= from_s]

    def _measured(self, sensor: BuildingSensor, from_s: float, to_s: float) -> list[Reading]:
        climate = self._climate()
        where = sensor.of if sensor.of in climate.celsius else sensor.room
        if where not in climate.celsius:
            return []
        bias = random.Random(f"bias/{self._seed}/{sensor.id}").uniform(-0.15, 0.15)  # noqa: S311  not a secret
        said = []
        for at_s in self._beats(sensor.id, MEASURE_S, from_s, to_s):
            frozen = next((start for start, end in self._effects.stuck.get(sensor.id, ()) if start <= at_s < end), None)
            true_s = at_s if frozen is None else frozen
            noise = random.Random(f"noise/{self._seed}/{sensor.id}/{round(true_s)}").gauss(0.0, 0.04)  # noqa: S311
            if sensor.kind == "temperature":
                value = _quantised(climate.celsius_at(where, true_s) + bias + noise, _TEMPERATURE_STEP)
            else:
                value = _quantised(climate.percent_at(where, true_s) + 10.0 * (bias + noise), _HUMIDITY_STEP)
            said.append(Reading(at_s, sensor.id, sensor.room, sensor.kind, value))
        return said

    def _checked(self, sensor: BuildingSensor, from_s: float, to_s: float) -> list[Reading]:
        return [Reading(round(one.t_s, 3), sensor.id, sensor.room, "temperature", _quantised(one.celsius, _TEMPERATURE_STEP))
                for one in self._measurements if from_s <= one.t_s < to_s]  # fmt: skip

    def _contact(self, sensor: BuildingSensor, from_s: float, to_s: float) -> list[Reading]:
        leaf = self._leaves.get(sensor.of or "") or self._by_own_name(sensor.id)
        if leaf is None:
            return []
        # A contact's magnet leaves a moment after the leaf begins to move, and is back a moment before it is shut.
        said = [Reading(round(at_s, 3), sensor.id, sensor.room, "door", value) for start, end in leaf.spans
                for at_s, value in ((start + 0.15, True), (end - 0.1, False)) if from_s <= at_s < to_s]  # fmt: skip
        said += [Reading(at_s, sensor.id, sensor.room, "door", leaf.is_open(at_s))
                 for at_s in self._beats(sensor.id, 5 * MEASURE_S, from_s, to_s)]  # fmt: skip
        return said

    def _by_own_name(self, sensor_id: str) -> Leaf | None:
        of_openings = [one.id for one in self._building.openings if one.sensor_id == sensor_id]
        of_furniture = [one.id or "" for one in self._building.furniture if one.sensor_id == sensor_id]
        return next((self._leaves.get(name) for name in (*of_openings, *of_furniture)), None)

    def _lock(self, sensor: BuildingSensor, from_s: float, to_s: float) -> list[Reading]:
        spans = self._effects.locked.get(sensor.of or "", [])
        said = [Reading(round(at_s, 3), sensor.id, sensor.room, "lock", value) for start, end in spans
                for at_s, value in ((start, True), (end, False)) if from_s <= at_s < to_s]  # fmt: skip
        said += [Reading(at_s, sensor.id, sensor.room, "lock", any(start <= at_s < end for start, end in spans))
                 for at_s in self._beats(sensor.id, 5 * MEASURE_S, from_s, to_s)]  # fmt: skip
        return said


def _quantised(value: float, step: float) -> float:
    return round(round(value / step) * step, 3)
