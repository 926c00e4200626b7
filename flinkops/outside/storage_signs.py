"""What logs and threads tell of the checkpoint storage: Flink's REST API says only that a checkpoint failed of it."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from flinkops.model.detail import StorageSign, StorageTrouble

_FAILED = re.compile(r"Failed to trigger or complete checkpoint (\d{1,18}) for job ([0-9a-f]{32})\b")
"""Of Flink's CheckpointFailureManager, with the exception behind it on the next lines."""
_FURTHER = re.compile(r"\s|Caused by: |Suppressed: |(?:[a-z]\w{0,60}\.){1,12}[A-Z]")
_OF_STORAGE = re.compile(r"runtime\.state\.filesystem\.|for state backend|file system output stream")
"""Flink's own classes that write checkpoints: what else fails in one, such as a sink's flush, is not theirs."""
_CAUSE = re.compile(r"^(?:Caused by: )?(?:org\.apache\.flink\.util\.SerializedThrowable: )?(?:[a-z]\w{0,60}\.){1,12}")
_PLACE = re.compile(r"\b(?:s3[ap]?|gs|abfss?|wasbs?|hdfs|oss|cosn?|file)://?[^\s`':,()]{1,300}")
_MOST_LINES: Final = 400
_MOST_CHARACTERS: Final = 200

_TROUBLES: tuple[tuple[StorageTrouble, re.Pattern[str]], ...] = (
    ("missing", re.compile(r"NoSuchBucket|UnknownStoreException|bucket does not exist|container does not exist")),
    (
        "log-in",
        re.compile(
            r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|NoAuthWithAWS|NoAwsCredentials"
            r"|[Uu]nable to load (?:AWS )?credentials|Status Code: 401|AuthenticationFailed"
        ),
    ),
    (
        "denied",
        re.compile(
            r"AccessDenied|Access Denied|Status Code: 403|AccessControlException|Permission denied|AuthorizationP"
        ),
    ),
    (
        "throttled",
        re.compile(r"SlowDown|ServiceThrottled|Status Code: (?:503|429)|reduce your request rate|ServerBusy"),
    ),
    ("full", re.compile(r"No space left on device|QuotaExceeded|XMinioStorageFull")),
    ("read-only", re.compile(r"Read-only file system")),
    (
        "unreachable",
        re.compile(
            r"UnknownHost|NoRouteToHost|Connection refused|Connection reset|[Cc]onnect timed out|Unable to execute HTTP"
        ),
    ),
)
_CLIENTS = re.compile(
    r"\"s3a-transfer|com\.amazonaws\.|software\.amazon\.awssdk\.|hadoop\.fs\.s3a\.|hadoop\.fs\.azurebfs\.|cloud\.hadoop\."
)
_ASKS_AGAIN = re.compile(r"pauseBeforeRetry|RetryableStage|s3a\.Invoker\.retry|RetryUtils|backOff", re.IGNORECASE)
_WAITS = re.compile(r"Thread\.sleep")
_READS = re.compile(
    r"NioSocketImpl|SocketInputStream|SocketDispatcher|SSLSocketImpl|http\.impl\.io\.Session|EPoll\.wait"
)


_WRITERS = re.compile(r"\s*\"(?:s3a-transfer|AsyncOperations|Flink-RocksDBState|ForSt|jobmanager-io|cluster-io)")
"""Threads that write checkpoints: others of a job may read the same storage, such as a source of files."""


def signs_in_log(text: str, job_id: str) -> tuple[StorageSign, ...]:
    """What the log says of the job's checkpoints that failed of their storage, the newest first."""
    found = []
    for number, block in _failures(text, job_id):
        if (sign := _sign(number, block)) is not None:
            found.append(sign)
    return tuple(reversed(found))


def signs_in_threads(stacks: Iterable[str], where: str) -> tuple[StorageSign, ...]:
    """Of the stacks of one process: the clients of a storage that wait to ask again, or for its answer."""
    ours = [stack for stack in stacks if _WRITERS.match(stack) and _CLIENTS.search(stack)]
    again = sum(1 for stack in ours if _ASKS_AGAIN.search(stack) and _WAITS.search(stack))
    reading = sum(1 for stack in ours if _READS.search(stack))
    found = []
    if again:
        said = f"{again} threads wait to ask it again: it refuses requests for now (503 SlowDown, 500)"
        found.append(StorageSign("throttled", said, where, waiting=again))
    if reading:
        found.append(StorageSign("slow", f"{reading} threads wait for its answer", where, waiting=reading))
    return tuple(found)


def _failures(text: str, job_id: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each checkpoint of the job that failed, with the lines of its exception; oldest first."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        told = _FAILED.search(line)
        if told is None or told[2] != job_id:
            continue
        block = line[told.end() :].replace("\\n", "\n").splitlines()  # a layout in JSON has all of it on one line
        for further in lines[index + 1 : index + _MOST_LINES]:
            if not _FURTHER.match(further):
                break
            block.append(further)
        yield int(told[1]), block


def _sign(number: int, block: list[str]) -> StorageSign | None:
    if not any(_OF_STORAGE.search(line) for line in block):
        return None
    causes = [line for line in block if not line.lstrip().startswith("at ")]
    for trouble, pattern in _TROUBLES:
        told = [line for line in causes if pattern.search(line)]
        if told:
            place = next((found[0] for line in causes if (found := _PLACE.search(line))), None)
            return StorageSign(trouble, _short(told[-1]), "the JobManager's log", place, number)
    return None


def _short(line: str) -> str:
    """Without the packages of its exception.

    >>> _short("Caused by: com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3)")
    'AmazonS3Exception: Access Denied (Service: Amazon S3)'
    """
    return _CAUSE.sub("", line.strip())[:_MOST_CHARACTERS]
