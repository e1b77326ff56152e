"""Audit entries, ``audit.v1``: who saw or changed what, and why; each carries the digest of the one before (I6)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field

from services.contracts.cloud_event import Payload
from services.contracts.ids import Name


class AuditEntry(Payload):
    """One link of a chain. ``digest`` is SHA-256 over the canonical JSON of all other fields."""

    chain_id: Name
    number: int = Field(ge=0, description="counts from 0 without holes")
    at_ns: int
    actor: str = Field(min_length=1, max_length=200, description="who: a person's or a service's id")
    action: str = Field(min_length=1, max_length=120, description="what was done, as noun.verb: footage.export")
    reason: str = Field(min_length=1, max_length=1000, description="why: legal basis, case, incident")
    scope: dict[str, Any] = Field(description="on what: cameras, range, unit")
    previous: str = Field(pattern=r"^[0-9a-f]{64}$")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


def genesis(chain_id: str) -> str:
    """What the first entry of a chain carries as ``previous``."""
    return hashlib.sha256(f"kanhu-audit-1\n{chain_id}".encode()).hexdigest()


def entry_digest(fields: dict[str, Any]) -> str:
    """Digest of an entry's fields (``digest`` itself left out): keys sorted, no spaces, UTF-8."""
    rest = {name: value for name, value in fields.items() if name != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


PAYLOADS: dict[str, type[Payload]] = {"kanhu.audit.entry": AuditEntry}
