"""Failures that the field knows by their exception: what each means, and the first remedy.

Recognised by the class of any exception of the chain, from the deepest up; by the message only where Java and Flink
throw one class for everything (an IOException, Flink's own runtime exceptions).
"""

import re
from typing import NamedTuple

from flinkops.diagnose.rule import remedy
from flinkops.model.facts import ExceptionFacts
from flinkops.model.findings import FailureKind, Remedy


class Failure(NamedTuple):
    """One of them. ``meaning`` completes "the exception means:"."""

    kind: FailureKind
    meaning: str
    remedies: tuple[Remedy, ...]
    pattern: re.Pattern[str]


def _of_classes(*names: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w$])(?:{'|'.join(names)})(?![\w$])")


FAILURES: tuple[Failure, ...] = (
    Failure(
        FailureKind.CHECKPOINTS,
        "more checkpoints failed in a row than the job tolerates; the restart only follows from that",
        (
            remedy(
                "Find out why checkpoints fail (see checkpoint-timeout). Until then, let the job go on without them; "
                "costs the work since the last completed one at a failure",
                key="execution.checkpointing.tolerable-failed-checkpoints",
                value="10",
            ),
        ),
        re.compile(r"Exceeded checkpoint tolerable failure threshold"),
    ),
    Failure(
        FailureKind.KAFKA_TRANSACTION,
        "Kafka aborted a transaction of the sink, or expired its producer's id: it lasted longer than its timeout, or "
        "another job writes with the same transactional id prefix",
        (
            remedy(
                "Let a transaction last longer than a checkpoint's interval, its duration and the longest downtime "
                "together (the broker's transaction.max.timeout.ms has to allow it; transactional.id.expiration.ms has "
                "to be longer still); costs readers of committed records as long a wait after a failure",
                key="properties.transaction.timeout.ms",
                value="3600000",
            ),
            remedy("Check that no other job runs with this transactional id prefix: the same job twice, for example"),
        ),
        _of_classes(
            "InvalidPidMappingException",
            "ProducerFencedException",
            "InvalidProducerEpochException",
            "InvalidTxnStateException",
            "InvalidTxnTimeoutException",
            "TransactionalIdNotFoundException",
            "TransactionAbortedException",
            "UnknownProducerIdException",
        ),
    ),
    Failure(
        FailureKind.TOPIC,
        "a topic, or a partition of it, is not there or has other offsets than the job remembers: deleted, made anew "
        "or with another number of partitions",
        (
            remedy(
                "Restore the topic. Where it was made anew, the offsets in the job's state mean nothing: start the "
                "source without its state, under another uid, and accept what that loses"
            ),
        ),
        _of_classes(
            "UnknownTopicOrPartitionException",
            "UnknownTopicIdException",
            "OffsetOutOfRangeException",
            "NoOffsetForPartitionException",
            "InvalidTopicException",
        ),
    ),
    Failure(
        FailureKind.CREDENTIALS,
        "another system refuses the job's credentials",
        (
            remedy(
                "Check the secret that the job was started with: one that was rotated is read again only at a restart "
                "of its pods; then the permissions"
            ),
        ),
        re.compile(
            r"(?<![\w$])(?:\w{0,60}AuthenticationException|\w{0,60}AuthorizationException|AccessDeniedException)(?![\w$])"
            r"|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|password authentication failed"
        ),
    ),
    Failure(
        FailureKind.DISK_FULL,
        "the disk of a TaskManager is full",
        (
            remedy(
                "Free the disk or give more of it: RocksDB's local state, what spills and what logs write is in",
                key="io.tmp.dirs",
            ),
        ),
        re.compile(r"No space left on device|Disk quota exceeded"),
    ),
    Failure(
        FailureKind.READ_ONLY,
        "a file system takes no more files",
        (remedy("Check how the folder is mounted, and the permissions on it"),),
        re.compile(r"Read-only file system|ReadOnlyFileSystemException"),
    ),
    Failure(
        FailureKind.OUT_OF_MEMORY,
        "the memory of a process is used up",
        (remedy("See gc-pressure; of the metaspace, whether jobs are submitted again and again to the same cluster"),),
        _of_classes("OutOfMemoryError"),
    ),
    Failure(
        FailureKind.REFUSED_RECORD,
        "the sink's system does not take a record as it is",
        (
            remedy(
                "Send such records to a dead letter, or make the system take them (their size, their type, a null); "
                "each restart comes to the same one again"
            ),
        ),
        _of_classes(
            "RecordTooLargeException",
            "InvalidRecordException",
            "SQLIntegrityConstraintViolationException",
            "DataTruncation",
            "BatchUpdateException",
        ),
    ),
    Failure(
        FailureKind.UNREADABLE_RECORD,
        "a record is not what the job expects: damaged, or its producer changed the schema",
        (
            remedy(
                "Compare the record with the schema that the job was built for; let the job pass over what it cannot "
                "read and count it, or send it to a dead letter",
                key="json.ignore-parse-errors",
                value="true",
            ),
        ),
        _of_classes(
            r"Json\w{0,40}Exception",
            "MismatchedInputException",
            "UnrecognizedPropertyException",
            "InvalidFormatException",
            "AvroTypeException",
            "AvroRuntimeException",
            r"\w{0,40}DeserializationException",
            "SerializationException",
            "NumberFormatException",
            "DateTimeParseException",
        ),
    ),
    Failure(
        FailureKind.TASKMANAGER_LOST,
        "a TaskManager is gone, or cannot be reached over the network",
        (
            remedy(
                "Find out what became of it: killed for memory, its machine drained, its network; its log and its "
                "pod's last state tell"
            ),
        ),
        re.compile(
            r"Heartbeat of TaskManager with id|TaskExecutor is shutting down|"
            r"Connection unexpectedly closed by remote task manager|"
            r"(?<![\w$])(?:RemoteTransportException|TaskManagerLostException|PartitionConnectionException)(?![\w$])|"
            r"TaskManager with id \S{1,200} is no longer reachable|TaskExecutor \S{1,200} has no more allocated slots"
        ),
    ),
    Failure(
        FailureKind.NO_SLOTS,
        "there are too few slots for it",
        (remedy("See out-of-slots: add TaskManagers or slots, or ask for fewer subtasks"),),
        _of_classes("NoResourceAvailableException"),
    ),
    Failure(
        FailureKind.UNREACHABLE,
        "another system cannot be reached, or does not answer in time",
        (remedy("Check that system, its address and the network to it; a retry in the client spares the restart"),),
        _of_classes(
            "ConnectException",
            "NoRouteToHostException",
            "UnknownHostException",
            "SocketTimeoutException",
            r"org\.apache\.kafka\.common\.errors\.TimeoutException",
        ),
    ),
)
"""From the surest to the vaguest: the first that fits."""


def known_failure(exception: ExceptionFacts) -> Failure | None:
    """What the field knows of an exception; None: it is the job's own."""
    text = f"{exception.name}\n{exception.message}"
    return next((each for each in FAILURES if each.pattern.search(text)), None)
