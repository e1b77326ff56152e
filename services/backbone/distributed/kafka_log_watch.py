"""Watching the broker and the clients: is the broker there, and does a client that delivers nothing still work?

Belongs here: looking, and the judgement. Does not belong here: replacing the client (``kafka_log_consumer``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.conn import collect_hosts
from aiokafka.errors import IllegalStateError, KafkaError

_GRACE_S = 3.0
_LOOK_EVERY_S = 5.0
_LEAST_LOOKS = 3
_LARGEST_PATIENCE = 16
_LOOK_LIMIT_S = 5.0
_CONNECT_LIMIT_S = 2.0
_log = structlog.get_logger(__name__)


class BrokerPresence:
    """One line when the broker goes away and one when it is back; shared by all that talk to it.

    A failure says "away" only when nothing has succeeded for a while: one partition without a leader is not an outage.
    """

    def __init__(self, bootstrap: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.bootstrap = bootstrap
        self._monotonic_s = monotonic_s
        self._heard_s = monotonic_s()
        self._away = False

    def found(self) -> None:
        now_s = self._monotonic_s()
        if self._away:
            self._away = False
            _log.warning("log.back", bootstrap=self.bootstrap, away_s=round(now_s - self._heard_s, 1))
        self._heard_s = now_s

    def lost(self, cause: BaseException) -> None:
        if not self._away and self._monotonic_s() - self._heard_s >= _GRACE_S:
            self._away = True
            _log.warning(
                "log.away; what needs it waits and is tried again",
                bootstrap=self.bootstrap,
                cause=(str(cause) or repr(cause))[:300],
            )


class Finding(Enum):
    """What a look at a client that delivers nothing has found."""

    WELL = auto()  # there is nothing to read
    AWAY = auto()  # nobody answers at the broker's address
    STUCK = auto()  # there is something to read, or the broker is there and this client does not reach it
    REBALANCING = auto()  # partitions were taken and none given yet, although the broker is there


@dataclass(slots=True)
class ProgressWatch:
    """Judges one consumer. ``stall_limit_s``: stuck so long means lost; a rebalance may take ``rebalance_limit_s``.

    When replacing the client does not help either, patience doubles each time, so that nothing is drained in a circle.
    """

    stall_limit_s: float
    rebalance_limit_s: float
    _stuck_since_s: float | None = None
    _looks: int = 0
    _look_due_s: float = 0.0
    _patience: int = 1

    def look_due(self, now_s: float) -> bool:
        if now_s < self._look_due_s:
            return False
        self._wait(now_s)
        return True

    def delivered(self, now_s: float) -> None:
        self._patience = 1
        self._recover()
        self._wait(now_s)

    def lost(self, finding: Finding, now_s: float) -> bool:
        """Whether the client is beyond help, after this finding."""
        if finding in (Finding.WELL, Finding.AWAY):
            self._recover()
            return False
        if self._stuck_since_s is None:
            self._stuck_since_s = now_s
        self._looks += 1
        limit_s = self.rebalance_limit_s if finding is Finding.REBALANCING else self.stall_limit_s
        return self._looks >= _LEAST_LOOKS and now_s - self._stuck_since_s >= limit_s * self._patience

    def replaced(self) -> None:
        self._patience = min(self._patience * 2, _LARGEST_PATIENCE)
        self._recover()

    def _recover(self) -> None:
        self._stuck_since_s, self._looks = None, 0

    def _wait(self, now_s: float) -> None:
        self._look_due_s = now_s + min(_LOOK_EVERY_S, self.stall_limit_s / (_LEAST_LOOKS + 1))


async def look(
    inner: AIOKafkaConsumer, flowing: Collection[KafkaPartition], presence: BrokerPresence, *, rebalancing: bool
) -> Finding:
    """Find out why ``flowing``, the partitions that are read, bring nothing; takes seconds when the broker does not answer."""
    if not rebalancing:
        try:
            async with asyncio.timeout(_LOOK_LIMIT_S):
                behind = await _is_behind(inner, flowing)
        except IllegalStateError:  # a rebalance came between
            return Finding.WELL
        except (KafkaError, OSError, TimeoutError) as error:
            presence.lost(error)
        else:
            if flowing:
                presence.found()
            return Finding.STUCK if behind else Finding.WELL
    if not await _somebody_answers(presence.bootstrap):
        return Finding.AWAY
    return Finding.REBALANCING if rebalancing else Finding.STUCK


async def _is_behind(inner: AIOKafkaConsumer, flowing: Collection[KafkaPartition]) -> bool:
    ends = await inner.end_offsets(list(flowing)) if flowing else {}
    for partition, end in ends.items():
        if await inner.position(partition) < end:
            return True
    return False


async def _somebody_answers(bootstrap: str) -> bool:
    """Whether any of the addresses accepts a connection; asked of the system and not of the client under suspicion."""
    for host, port, _ in collect_hosts(bootstrap):
        try:
            async with asyncio.timeout(_CONNECT_LIMIT_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False
