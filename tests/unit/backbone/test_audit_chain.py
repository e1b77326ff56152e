"""The chain of audit entries: any change of the past shows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backbone.audit import make_entry, verify_chain
from services.contracts.audit import AuditEntry, entry_digest
from services.contracts.errors import Rejected


def chain_of(length: int, chain_id: str = "main") -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(length):
        entries.append(
            make_entry(
                chain_id,
                entries[-1] if entries else None,
                at_ns=number,
                actor="王老师",
                action="footage.view",
                reason="case 7",
                scope={"cameras": ["door"], "number": number},
            )
        )
    return entries


def test_numbers_count_from_zero_and_links_join() -> None:
    entries = chain_of(5)
    assert [entry.number for entry in entries] == [0, 1, 2, 3, 4]
    assert all(later.previous == earlier.digest for earlier, later in pairwise(entries))
    assert verify_chain("main", entries).whole


@pytest.mark.parametrize(
    "change",
    [{"actor": "nobody"}, {"reason": "other"}, {"at_ns": 99}, {"scope": {}}, {"number": 7}, {"previous": "0" * 64}],
)
@pytest.mark.parametrize("position", [0, 2, 4])
def test_an_edit_is_found_where_it_was_made(change: dict[str, object], position: int) -> None:
    entries = chain_of(5)
    entries[position] = entries[position].model_copy(update=change)
    assert verify_chain("main", entries).broken_at == position


def test_an_edit_with_a_digest_made_anew_is_found_at_the_next_entry() -> None:
    entries = chain_of(5)
    forged = entries[2].model_copy(update={"actor": "nobody"})
    entries[2] = forged.model_copy(update={"digest": entry_digest(forged.model_dump())})
    assert verify_chain("main", entries).broken_at == 3


@given(st.integers(0, 5), st.integers(0, 5))
def test_dropping_or_swapping_is_found(first: int, second: int) -> None:
    entries = chain_of(6)
    if first == second:
        del entries[first]
        assert verify_chain("main", entries).whole == (first == 5), (
            "only the newest can be cut unseen: its number tells"
        )
    else:
        entries[first], entries[second] = entries[second], entries[first]
        assert verify_chain("main", entries).broken_at == min(first, second)


def test_an_entry_of_another_chain_does_not_fit() -> None:
    assert verify_chain("main", chain_of(1, "other")).broken_at == 0


def test_a_digest_survives_its_wire_form() -> None:
    (entry,) = chain_of(1)
    again = AuditEntry.model_validate_json(entry.model_dump_json())
    assert entry_digest(again.model_dump()) == entry.digest


@pytest.mark.parametrize(
    "wrong", [{"actor": ""}, {"reason": ""}, {"action": ""}, {"scope": {"x": float("nan")}}, {"scope": {"x": object()}}]
)
def test_an_entry_without_who_what_or_why_is_rejected(wrong: dict[str, object]) -> None:
    right = {"at_ns": 0, "actor": "a", "action": "b", "reason": "c", "scope": {}}
    with pytest.raises(Rejected):
        make_entry("main", None, **{**right, **wrong})  # type: ignore[arg-type]
