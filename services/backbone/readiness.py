"""Is this service ready: named conditions, each with the reason why it does not hold.

Belongs here: the state behind /readyz. Does not belong here: how it is served (``endpoint.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.backbone import metrics


@dataclass(frozen=True, slots=True)
class Condition:
    holds: bool
    detail: str = ""


@dataclass(slots=True)
class Readiness:
    """Conditions by name. Ready means that every named condition holds; with none named, not ready yet."""

    conditions: dict[str, Condition] = field(default_factory=dict)

    def expect(self, name: str, detail: str = "not yet") -> None:
        """Name a condition that must hold before this service is ready; one already set stays as it is."""
        if name not in self.conditions:
            self.set(name, False, detail)

    def set(self, name: str, holds: bool, detail: str = "") -> None:
        self.conditions[name] = Condition(holds, detail)
        metrics.READY.labels(condition=name).set(1 if holds else 0)

    def forget(self, name: str) -> None:
        if self.conditions.pop(name, None) is not None:
            metrics.READY.remove(name)

    @property
    def ready(self) -> bool:
        return bool(self.conditions) and all(condition.holds for condition in self.conditions.values())

    def as_json(self) -> dict[str, object]:
        """What /readyz answers."""
        named = {name: {"holds": c.holds, "detail": c.detail} for name, c in sorted(self.conditions.items())}
        return {"ready": self.ready, "conditions": named}
