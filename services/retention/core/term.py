"""How long footage must be kept, from when it was captured (R-04: not from when it was uploaded)."""

from __future__ import annotations

from services.contracts.policy import RetentionPolicy
from services.contracts.time import DAY_NS


def retain_until_ns(policy: RetentionPolicy, captured_until_ns: int) -> int:
    """The instant (ns UTC) before which footage captured until ``captured_until_ns`` must not be deleted (I3)."""
    return captured_until_ns + policy.floor_days * DAY_NS


def ceiling_ns(policy: RetentionPolicy, captured_until_ns: int) -> int:
    """The instant (ns UTC) by which unheld footage must be gone (I4)."""
    return captured_until_ns + policy.ceiling_days * DAY_NS
