"""What aiokafka's errors mean in our words; the one place that translates them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from aiokafka import errors as kafka

from services.contracts.errors import Corrupt, KanhuError, Rejected, Transient

_REFUSED = (
    kafka.MessageSizeTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.InvalidTopicError,
    kafka.InvalidPartitionsError,
    kafka.InvalidReplicationFactorError,
    kafka.InvalidConfigurationError,
    kafka.InvalidCommitOffsetSizeError,
    kafka.PolicyViolationError,
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.AuthenticationFailedError,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedVersionError,
)
_FENCED = (
    kafka.CommitFailedError,
    kafka.IllegalStateError,
    kafka.IllegalGenerationError,
    kafka.UnknownMemberIdError,
    kafka.RebalanceInProgressError,
)


@contextlib.contextmanager
def translated(doing: str, bootstrap: str) -> Iterator[None]:
    """Raise our errors for Kafka's and for a timeout, with the cause attached. ``doing`` completes "while …".

    A cancellation that nobody asked for is one of aiokafka's own tasks ending under our feet, and is an error like others.
    """
    try:
        yield
    except (kafka.KafkaError, kafka.ConsumerStoppedError, OSError, TimeoutError) as error:
        raise translate(error, doing, bootstrap) from error
    except asyncio.CancelledError as error:
        if cancelled_from_outside():
            raise
        raise translate(error, doing, bootstrap) from error


def cancelled_from_outside() -> bool:
    """Whether somebody asked that the running task be cancelled; if not, a ``CancelledError`` in it is a stray one."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def is_refusal(error: BaseException) -> bool:
    """Whether the broker will say the same however often it is asked."""
    return isinstance(error, _REFUSED)


def translate(error: BaseException, doing: str, bootstrap: str) -> KanhuError:
    told = f"while {doing} at {bootstrap}: {error!r}"
    if isinstance(error, _FENCED):
        return Rejected(
            f"the partition was given to another member {told}; drop what was read of it, "
            "its new owner replays from the last commit"
        )
    if isinstance(error, _REFUSED):
        return Rejected(f"Kafka refused for good {told}")
    if isinstance(error, kafka.CorruptRecordException | kafka.RecordTooLargeError):
        return Corrupt(f"Kafka holds a record that cannot be read {told}")
    if isinstance(error, TimeoutError):
        return Transient(
            f"Kafka did not answer in time while {doing} at {bootstrap}; it is tried again", retry_after_s=1.0
        )
    return Transient(f"Kafka is not available {told}; it is tried again", retry_after_s=1.0)
