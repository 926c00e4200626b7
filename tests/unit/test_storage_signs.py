"""What logs and threads tell of the checkpoint storage, and what the doctor makes of it."""

from typing import Any, get_args

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence
from flinkops.diagnose.rules.checkpoint_storage import storage_is_suspected
from flinkops.model.detail import StorageSign, StorageTrouble
from flinkops.model.facts import JobFacts
from flinkops.outside.storage_signs import signs_in_log, signs_in_threads
from tests.unit.builders import failing
from tests.unit.doctor_cases import detail, evidence, found, job, why_not

JOB, OTHER = "80f9567b07721304f54e3ac7e326f0cf", "6ce028e1c6dee191801af60039e75f19"
WARN = "2026-11-29 08:11:49,591 WARN  org.apache.flink.runtime.checkpoint.CheckpointFailureManager [] - "
FRAME = (
    "\tat org.apache.flink.runtime.state.filesystem.FsCheckpointStorageAccess.initializeLocationForCheckpoint(F.java:1)"
)
PLACE = f"s3://flinkops/no-bucket-12/checkpoints/{JOB}/shared/4141b3f4"
S3 = "(Service: Amazon S3; Status Code: {}; Error Code: {}; Request ID: 1; S3 Extended Request ID: null; Proxy: null)"


def failed(number: int, *causes: str, job: str = JOB, frame: str = FRAME) -> str:
    """As Flink 2.3 logs it."""
    return "\n".join(
        [
            f"{WARN}Failed to trigger or complete checkpoint {number} for job {job}. (0 consecutive failed attempts)",
            "org.apache.flink.runtime.checkpoint.CheckpointException: Asynchronous task checkpoint failed.",
            "\tat java.base/java.lang.Thread.run(Thread.java:840)",
            *(f"Caused by: org.apache.flink.util.SerializedThrowable: {cause}" for cause in causes),
            frame,
            "\t... 9 more",
            "2026-11-29 08:11:49,595 INFO  org.apache.flink.runtime.checkpoint.CheckpointCoordinator [] - x SlowDown",
        ]
    )


def s3(status: int, code: str, message: str) -> tuple[str, str]:
    last = f"com.amazonaws.services.s3.model.AmazonS3Exception: {message} {S3.format(status, code)}"
    return f"java.io.IOException: getFileStatus on {PLACE}: {last}", last


@pytest.mark.parametrize(
    ("causes", "trouble"),
    [
        (s3(404, "NoSuchBucket", "The specified bucket does not exist"), "missing"),
        (s3(403, "AccessDenied", "Access Denied"), "denied"),
        (s3(403, "InvalidAccessKeyId", "The key does not exist"), "log-in"),
        (s3(400, "ExpiredToken", "The provided token has expired."), "log-in"),
        (s3(503, "SlowDown", "Please reduce your request rate."), "throttled"),
        (
            ("software.amazon.awssdk.services.s3.model.S3Exception: Access Denied (Service: S3, Status Code: 403)",),
            "denied",
        ),
        (("java.io.IOException: No space left on device",), "full"),
        (("java.nio.file.FileSystemException: /data/x: Read-only file system",), "read-only"),
        (("java.net.UnknownHostException: minio",), "unreachable"),
        (("java.io.IOException: something else",), None),
    ],
)
def test_the_log_names_the_trouble_of_each_checkpoint(causes: tuple[str, ...], trouble: str | None) -> None:
    text = "\n".join([failed(3, *causes), failed(4, *causes), failed(5, *causes, job=OTHER)])
    found = signs_in_log(text, JOB)
    assert [(sign.trouble, sign.checkpoint_id) for sign in found] == ([(trouble, 4), (trouble, 3)] if trouble else [])
    assert all(sign.said.partition(":")[0].isalnum() for sign in found), "packages are left out"


def test_the_place_is_told_and_no_other_jobs_is() -> None:
    (found,) = signs_in_log(failed(1, *s3(404, "NoSuchBucket", "The specified bucket does not exist")), JOB)
    assert found.place == PLACE
    assert signs_in_log(failed(1, *s3(404, "NoSuchBucket", "x"), job=OTHER), JOB) == ()


def test_what_a_sink_fails_of_is_not_the_checkpoint_storage() -> None:
    frame = "\tat org.apache.flink.connector.kafka.sink.KafkaWriter.flush(KafkaWriter.java:1)"
    assert signs_in_log(failed(1, "java.net.ConnectException: Connection refused", frame=frame), JOB) == ()


def test_a_layout_in_json_is_read_too() -> None:
    one = (
        failed(7, *s3(403, "AccessDenied", "Access Denied"))
        .rpartition("\n")[0]
        .replace("\n", "\\n")
        .replace("\t", "\\t")
    )
    (found,) = signs_in_log(f'{{"level":"WARN","message":"{one}"}}\n{{"level":"INFO","message":"SlowDown"}}', JOB)
    assert (found.trouble, found.checkpoint_id) == ("denied", 7)


AGAIN = (
    '"s3a-transfer-flinkops" TIMED_WAITING\n\tat java.base@17/java.lang.Thread.sleep(Native Method)\n'
    "\tat com.amazonaws.http.AmazonHttpClient$RequestExecutor.pauseBeforeRetry(AmazonHttpClient.java:1)"
)
READING = (
    '"AsyncOperations-thread-1" RUNNABLE\n\tat java.base@17/sun.nio.ch.NioSocketImpl.park(NioSocketImpl.java:1)\n'
    "\tat com.amazonaws.http.AmazonHttpClient$RequestExecutor.executeOneRequest(AmazonHttpClient.java:1)"
)
IDLE = (
    '"java-sdk-http-connection-reaper" TIMED_WAITING\n\tat java.base@17/java.lang.Thread.sleep(Native Method)\n'
    "\tat com.amazonaws.http.IdleConnectionReaper.run(IdleConnectionReaper.java:1)"
)


def test_threads_that_wait_are_counted_and_idle_ones_are_not() -> None:
    assert signs_in_threads([IDLE, "x"], "threads of a") == ()
    found = signs_in_threads([AGAIN, AGAIN, READING, IDLE], "threads of a")
    assert [(sign.trouble, sign.waiting) for sign in found] == [("throttled", 2), ("slow", 1)]


def sign(trouble: str, **more: Any) -> StorageSign:
    return msgspec.convert({"trouble": trouble, "said": "x", "source": "y", **more}, StorageSign)


@pytest.mark.parametrize("trouble", sorted(get_args(StorageTrouble)))
def test_the_doctor_says_which_it_is_and_what_follows(trouble: str) -> None:
    facts = job(checkpoints=failing(2, "Asynchronous task checkpoint failed."))
    assert facts.checkpoints is not None
    newest = facts.checkpoints.history[0].id
    told = with_signs(facts, sign(trouble, checkpoint_id=newest, place="s3://flink/prices/checkpoints/a"))
    finding = found("checkpoint-storage", told)
    assert finding is not None
    assert (finding.severity, finding.title.startswith("The checkpoint storage s3://flink ")) == ("warning", True)
    titles = {found("checkpoint-storage", with_signs(facts, sign(one, waiting=2))) for one in ("slow", "throttled")}
    assert len({one.title for one in titles if one}) == 2


def with_signs(facts: JobFacts, *signs: StorageSign) -> Evidence:
    return msgspec.structs.replace(evidence(facts, detail=detail()), storage=signs)


def test_expired_checkpoints_follow_from_the_storage() -> None:
    told = with_signs(job(checkpoints=failing(3)), sign("throttled", waiting=4), sign("slow", waiting=1))
    first, second = diagnose(told).findings
    assert (first.code, first.severity, first.caused_by) == ("checkpoint-storage", "critical", None)
    assert "SlowDown" in first.title
    assert (second.code, second.caused_by) == ("checkpoint-timeout", "checkpoint-storage")


def test_it_is_not_named_without_a_sign_nor_of_an_older_checkpoint() -> None:
    failed = job(checkpoints=failing(1))
    assert found("checkpoint-storage", with_signs(failed)) is None
    assert found("checkpoint-storage", with_signs(failed, sign("denied", checkpoint_id=1))) is None
    assert found("checkpoint-storage", with_signs(job(), sign("slow", waiting=9))) is None
    declined = job(checkpoints=failing(1, "Checkpoint was declined"))
    assert found("checkpoint-storage", with_signs(declined, sign("slow", waiting=9))) is None


def test_what_was_not_asked_is_not_known() -> None:
    failed = job(checkpoints=failing(1))
    assert why_not("checkpoint-storage", evidence(failed, detail=None, unknown={"detail": "left out"})) == "left out"
    refused = msgspec.structs.replace(evidence(failed, detail=detail()), unknown={"storage": "no log"})
    assert why_not("checkpoint-storage", refused) == "no log"


def test_it_is_asked_for_only_where_checkpoints_fail_or_wait() -> None:
    assert storage_is_suspected(job(checkpoints=failing(1)))
    assert not storage_is_suspected(job())
    assert not storage_is_suspected(job(checkpoints=None))


@pytest.mark.parametrize(("checkpoint_id", "sure"), [(20, 0.95), (None, 0.8)])
def test_a_sign_that_names_the_checkpoint_is_surer(checkpoint_id: int | None, sure: float) -> None:
    finding = found(
        "checkpoint-storage", with_signs(job(checkpoints=failing(2)), sign("denied", checkpoint_id=checkpoint_id))
    )
    assert finding is not None
    assert finding.confidence == sure
