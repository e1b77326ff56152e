"""How partitions are shared out in a group: even, sticky, the same for whoever works it out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.backbone.embedded.log_groups import share_out

MEMBERS = st.sets(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=6)


@given(MEMBERS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_every_partition_has_one_owner_and_loads_differ_by_one_at_most(members, count, random) -> None:  # type: ignore[no-untyped-def]
    parts = dict.fromkeys(range(count), 7)
    owners = {part: random.choice(sorted(members | {"gone"})) for part in parts if random.random() < 0.7}
    shares = share_out({member: frozenset({7}) for member in members}, parts, owners)
    assert shares.keys() == parts.keys()
    loads = Counter(shares.values())
    assert max(loads.values()) - min(loads.get(member, 0) for member in members) <= 1


@given(MEMBERS, st.integers(1, 20))
def test_what_is_shared_out_stays_as_it_is(members: set[str], count: int) -> None:
    parts, topics = dict.fromkeys(range(count), 7), {member: frozenset({7}) for member in members}
    shares = share_out(topics, parts, {})
    assert share_out(topics, parts, shares) == shares


@given(MEMBERS, st.integers(1, 20))
def test_a_member_that_joins_takes_from_others_and_nobody_else_gains(members: set[str], count: int) -> None:
    parts, topics = dict.fromkeys(range(count), 7), {member: frozenset({7}) for member in members}
    before = share_out(topics, parts, {})
    after = share_out({**topics, "new": frozenset({7})}, parts, before)
    assert all(after[part] in (before[part], "new") for part in parts)


def test_a_member_gets_only_partitions_of_its_topics() -> None:
    parts = {1: 7, 2: 7, 3: 8, 4: 8, 5: 9}
    shares = share_out({"a": frozenset({7}), "b": frozenset({7, 8})}, parts, {})
    assert Counter(shares[part] for part in (1, 2)) == {"a": 1, "b": 1}
    assert shares[3] == shares[4] == "b"
    assert 5 not in shares


def test_topics_of_one_partition_do_not_all_fall_on_one_member() -> None:
    members = {"a": frozenset({7, 8}), "b": frozenset({7, 8})}
    assert set(share_out(members, {1: 7, 2: 8}, {}).values()) == {"a", "b"}
