"""What an agent remembers of a camera across its own death, and what follows from it for the time it was away.

One small record per camera, written when a run begins (``open``) and after its end is durable (not ``open``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from services.contracts.media_record import GAP_CAUSES, GapCause


@dataclass(frozen=True, slots=True)
class Remembered:
    """``cause`` is why nothing follows a closed run; ``boot_id`` names the boot of the machine that wrote this."""

    run_id: str
    open: bool
    boot_id: str
    cause: GapCause | None = None


def since_cause(remembered: Remembered | None, boot_id: str) -> GapCause | None:
    """The cause of what lies uncovered before this process; ``None`` for a camera never seen.

    A run left open means that the agent died in it: with the machine if that has booted since.
    """
    if remembered is None:
        return None
    if remembered.open:
        return "agent" if remembered.boot_id in ("", boot_id) else "power"
    return remembered.cause


def dump(remembered: Remembered) -> bytes:
    return json.dumps(asdict(remembered)).encode()


def load(raw: bytes) -> Remembered:
    """Read a record. One that cannot be read still proves that there was a run: it counts as left open by the agent."""
    try:
        fields = json.loads(raw)
        cause = fields["cause"]
        if not isinstance(fields["open"], bool) or cause not in (*GAP_CAUSES, None):
            raise ValueError("a field has the wrong type")
        return Remembered(str(fields["run_id"]), fields["open"], str(fields["boot_id"]), cause)
    except (ValueError, KeyError, TypeError):
        return Remembered("", open=True, boot_id="")
