"""Consumer groups in the index: members, their leases, who owns which partition, and what is committed.

Belongs here: the statements and the pure sharing rule. Does not belong here: tasks and callbacks (``log_consumer``).

There is no coordinator. Every member works out the same share from the same rows, inside a writing transaction: it takes
what nobody owns and is its share, and gives up (after its drain) what is no longer. A member counts as gone when its
process is (the kernel dropped its lock), or when its lease ran out.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.backbone.embedded.log_clock import LogTime
from services.backbone.embedded.log_values import is_writer_alive
from services.contracts.errors import Rejected


@dataclass(frozen=True, slots=True)
class Share:
    """What a member has after looking: newly owned partitions with their committed offsets, and what it must give up."""

    generation: int
    gained: Mapping[int, int]
    leaving: frozenset[int]
    expelled: bool = False


def share_out(
    members: Mapping[str, frozenset[int]], parts: Mapping[int, int], owners: Mapping[int, str]
) -> dict[int, str]:
    """Who should own each partition: even per topic, and moving as little as can be.

    ``members``: topic ids by member; ``parts``: topic id by partition; ``owners``: present owner by partition.
    """
    by_topic: dict[int, list[int]] = defaultdict(list)
    for part_id, topic_id in sorted(parts.items()):
        by_topic[topic_id].append(part_id)
    shares: dict[int, str] = {}
    load: dict[str, int] = defaultdict(int)
    for topic_id, part_ids in sorted(by_topic.items()):
        candidates = [member for member, topics in members.items() if topic_id in topics]
        if not candidates:
            continue
        kept: dict[str, list[int]] = {member: [] for member in candidates}
        for part_id in part_ids:
            if owners.get(part_id, "") in kept:
                kept[owners[part_id]].append(part_id)
        ranked = sorted(candidates, key=lambda member: (-len(kept[member]), load[member], member))
        base, extra = divmod(len(part_ids), len(ranked))
        free = set(part_ids)
        room: list[str] = []
        for rank, member in enumerate(ranked):
            quota = base + (rank < extra)
            shares.update(dict.fromkeys(kept[member][:quota], member))
            free -= set(kept[member][:quota])
            room += [member] * (quota - len(kept[member][:quota]))
            load[member] += quota
        shares.update(zip(sorted(free), room, strict=True))
    return shares


def committed_offsets(tx: sqlite3.Connection, group: str) -> dict[tuple[str, int], int]:
    """What a group has committed, by topic and partition."""
    rows = tx.execute(
        "SELECT topic.name, part.partition, claim.next_offset FROM claim JOIN consumer_group USING (group_id) "
        "JOIN part USING (part_id) JOIN topic USING (topic_id) WHERE consumer_group.name = ?",
        (group,),
    )
    return {(name, partition): offset for name, partition, offset in rows}


class Membership:
    """One member of one group. Every method runs inside a writing transaction."""

    def __init__(
        self, directory: Path, times: LogTime, *, group: str, member_id: str, writer: str,
        topic_ids: Iterable[int], lease_s: float, start: Literal["earliest", "latest"],
    ) -> None:  # fmt: skip
        self._directory = directory
        self._times = times
        self._boot = times.boot()
        self._group = group
        self._member_id = member_id
        self._writer = writer
        self._topic_ids = sorted(topic_ids)
        self._lease_ns = int(lease_s * 1e9)
        self._start = start
        self.group_id = 0

    def join(self, tx: sqlite3.Connection) -> None:
        """Enter the group anew and make sure that it has a position in each partition."""
        tx.execute("INSERT OR IGNORE INTO consumer_group (name) VALUES (?)", (self._group,))
        (self.group_id,) = tx.execute("SELECT group_id FROM consumer_group WHERE name = ?", (self._group,)).fetchone()
        tx.execute(
            "INSERT OR REPLACE INTO member (member_id, group_id, topics, writer, boot_id, lease_until_ns) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (self._member_id, self.group_id, json.dumps(self._topic_ids), self._writer, self._boot, self._until()),
        )
        begin = "first_offset" if self._start == "earliest" else "next_offset"
        claim = f"INSERT OR IGNORE INTO claim SELECT ?, part_id, NULL, {begin} FROM part WHERE topic_id = ?"  # noqa: S608
        tx.executemany(claim, [(self.group_id, topic_id) for topic_id in self._topic_ids])
        self._disown_the_gone(tx)
        self._stir(tx)

    def prolong(self, tx: sqlite3.Connection) -> bool:
        """Set the lease to its full length again; False when the others have put this member away."""
        lease = (self._until(), self._member_id)
        return tx.execute("UPDATE member SET lease_until_ns = ? WHERE member_id = ?", lease).rowcount > 0

    def look(self, tx: sqlite3.Connection) -> Share:
        """Prolong the lease, put away members that are gone, take what is free and due."""
        if not self.prolong(tx):
            return Share(0, {}, frozenset(), expelled=True)
        if self._disown_the_gone(tx):
            self._stir(tx)
        members = {
            member_id: frozenset(json.loads(topics))
            for member_id, topics in tx.execute(
                "SELECT member_id, topics FROM member WHERE group_id = ?", (self.group_id,)
            )
        }
        claims = tx.execute(
            "SELECT part_id, topic_id, owner, claim.next_offset, first_offset FROM claim JOIN part USING (part_id) "
            "WHERE group_id = ?", (self.group_id,),
        ).fetchall()  # fmt: skip
        owners = {part_id: owner for part_id, _, owner, _, _ in claims if owner is not None}
        due = share_out(members, {part_id: topic_id for part_id, topic_id, *_ in claims}, owners)
        gained = {
            part_id: max(committed, first)
            for part_id, _, owner, committed, first in claims
            if owner is None and due.get(part_id) == self._member_id
        }
        tx.executemany(
            "UPDATE claim SET owner = ? WHERE group_id = ? AND part_id = ?",
            [(self._member_id, self.group_id, part_id) for part_id in gained],
        )
        leaving = frozenset(
            part_id for part_id, owner in owners.items() if owner == self._member_id and due.get(part_id) != owner
        )
        return Share(self._generation(tx), gained, leaving)

    def release(self, tx: sqlite3.Connection, part_ids: Iterable[int]) -> None:
        """Give partitions up, for others to take."""
        tx.executemany(
            "UPDATE claim SET owner = NULL WHERE group_id = ? AND part_id = ? AND owner = ?",
            [(self.group_id, part_id, self._member_id) for part_id in part_ids],
        )
        self._stir(tx)

    def leave(self, tx: sqlite3.Connection) -> None:
        tx.execute("UPDATE claim SET owner = NULL WHERE group_id = ? AND owner = ?", (self.group_id, self._member_id))
        tx.execute("DELETE FROM member WHERE member_id = ?", (self._member_id,))
        self._stir(tx)

    def commit(self, tx: sqlite3.Connection, offsets: Mapping[int, int]) -> None:
        """Store offsets by partition, all or none; ``Rejected`` if one of them is not this member's."""
        for part_id, offset in offsets.items():
            stored = tx.execute(
                "UPDATE claim SET next_offset = ? WHERE group_id = ? AND part_id = ? AND owner = ?",
                (offset, self.group_id, part_id, self._member_id),
            )
            if stored.rowcount == 0:
                raise Rejected(
                    f"group {self._group!r} has given this partition to another member; drop what was read of it, "
                    "its new owner replays from the last commit"
                )

    def _until(self) -> int:
        return self._times.lease_ns() + self._lease_ns

    def _generation(self, tx: sqlite3.Connection) -> int:
        row = tx.execute("SELECT generation FROM consumer_group WHERE group_id = ?", (self.group_id,)).fetchone()
        return int(row[0])

    def _stir(self, tx: sqlite3.Connection) -> None:
        """Have the other members look, too."""
        tx.execute("UPDATE consumer_group SET generation = generation + 1 WHERE group_id = ?", (self.group_id,))

    def _disown_the_gone(self, tx: sqlite3.Connection) -> bool:
        now_ns = self._times.lease_ns()
        others = tx.execute(
            "SELECT member_id, writer, boot_id, lease_until_ns FROM member WHERE group_id = ? AND member_id <> ?",
            (self.group_id, self._member_id),
        ).fetchall()
        gone = [
            member_id
            for member_id, writer, boot_id, lease_until_ns in others
            if boot_id != self._boot or lease_until_ns < now_ns or not is_writer_alive(self._directory, writer)
        ]
        for member_id in gone:
            tx.execute("UPDATE claim SET owner = NULL WHERE group_id = ? AND owner = ?", (self.group_id, member_id))
            tx.execute("DELETE FROM member WHERE member_id = ?", (member_id,))
        return bool(gone)
