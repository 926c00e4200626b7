"""Recordings: what was written is what is read, also after a kill, and from nobody else's file."""

import os
import random
import signal
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flinkops.clock import FixedClock
from flinkops.collect import Collector
from flinkops.errors import OperationFailed, Refused, UsageError
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.facts import (
    CheckpointFacts,
    CheckpointsFacts,
    ClusterFacts,
    FleetSnapshot,
    JobFacts,
    SourceStatus,
    Spread,
    VertexFacts,
)
from flinkops.outside.export import Export
from flinkops.recording import Recorder, Recording, Replay
from flinkops.sources.flink.source import FlinkRestSource
from tests.effort import examples
from tests.fake_flink import FakeFlink, serving
from tests.fake_flink import Recording as RestRecording
from tests.patience import PATIENT_SECONDS

START_MS = 1_795_000_000_000
names = st.sampled_from(["a", "b", "c", "~a", "#a", "", "\n", "é\x00"])
times = st.integers(-(2**63), 2**63 - 1)
spreads = st.none() | st.builds(Spread, min=st.none() | st.floats(allow_nan=False, allow_infinity=False))
vertices = st.builds(VertexFacts, id=names, name=names, parallelism=st.integers(1, 3), busy_ratio=spreads)
checkpoint = st.builds(CheckpointFacts, id=st.integers(1, 4), status=st.sampled_from(["COMPLETED", "FAILED"]))
checkpoints = st.builds(
    CheckpointsFacts,
    enabled=st.booleans(),
    history=st.lists(checkpoint, max_size=3).map(tuple),
    latest_completed=st.none() | checkpoint,
)
jobs = st.builds(
    JobFacts,
    id=names,
    name=names,
    cluster=names,
    seen_ms=times,
    vertices=st.lists(vertices, max_size=3).map(tuple),
    checkpoints=st.none() | checkpoints,
    configuration=st.dictionaries(names, names, max_size=3),
    unknown=st.dictionaries(names, names, max_size=3),
)
statuses = st.builds(SourceStatus, name=names, kind=st.just("rest"), state=st.sampled_from(["ok", "stale"]))
snapshots = st.builds(
    FleetSnapshot,
    taken_ms=times,
    sources=st.lists(statuses, max_size=2).map(tuple),
    clusters=st.lists(st.builds(ClusterFacts, name=names), max_size=2).map(tuple),
    jobs=st.lists(jobs, max_size=3).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(1))
@given(st.lists(snapshots, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_frame_reads_as_it_was_written(tmp_path: Path, written: list[FleetSnapshot], order: random.Random) -> None:
    path = tmp_path / "any.rec"
    path.unlink(missing_ok=True)
    with Recorder(path, frames_a_group=3) as recorder:
        for snapshot in written:
            recorder.write(snapshot)
    export = Export()
    for number, snapshot in enumerate(written):
        export.learn(snapshot)
        written[number] = export.value(snapshot)
    recording = Recording(path)
    assert recording.times_ms == [each.taken_ms for each in written]
    indices = [*range(len(written)), *order.sample(range(len(written)), len(written))]
    try:
        for index in indices:
            assert recording.snapshot(index) == written[index]
    finally:
        recording.close()


def snapshot_at(second: int, value: float = 0.0) -> FleetSnapshot:
    vertex = VertexFacts(id="v", name="v", parallelism=1, busy_ratio=Spread(max=value))
    job = JobFacts(id="1", name="job", cluster="a", seen_ms=START_MS + second, vertices=(vertex,))
    return FleetSnapshot(taken_ms=START_MS + second * 1000, jobs=(job,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.rec"
    with Recorder(path, frames_a_group=4) as recorder:
        for second in range(10):
            recorder.write(snapshot_at(second, second / 7))
    return path


def read_all(path: Path) -> list[FleetSnapshot]:
    recording = Recording(path)
    try:
        return [recording.snapshot(index) for index in range(len(recording))]
    finally:
        recording.close()


def test_a_torn_tail_is_left_out_and_written_over(path: Path) -> None:
    whole = path.read_bytes()
    for cut in (1, 5, 17, 40):
        path.write_bytes(whole[:-cut])
        assert read_all(path) == [snapshot_at(second, second / 7) for second in range(9)]
    with Recorder(path) as recorder:
        recorder.write(snapshot_at(99))
    assert [each.taken_ms for each in read_all(path)] == [START_MS + second * 1000 for second in (*range(9), 99)]


@pytest.mark.thorough
def test_it_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "killed.rec"
    program = """
import sys
from flinkops.outside.export import Export
from flinkops.recording import Recorder
from tests.effort import examples
from tests.unit.test_recording import snapshot_at
recorder = Recorder(sys.argv[1])
second = 0
while True:
    recorder.write(snapshot_at(second, second / 7))
    second += 1
    if second == 50:
        print("50", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "50\n"
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENT_SECONDS)
    read = read_all(path)
    assert len(read) >= 50
    assert read == [snapshot_at(second, second / 7) for second in range(len(read))]


def test_two_recorders_do_not_share_a_file(path: Path) -> None:
    with Recorder(path), pytest.raises(Refused, match="being recorded to by another process"):
        Recorder(path)


def test_a_foreign_file_is_neither_read_nor_written(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("dear diary")
    with pytest.raises(UsageError, match="is not a flinkops recording"):
        Recording(foreign)
    with pytest.raises(Refused, match="exists and is not a flinkops recording"):
        Recorder(foreign)
    assert foreign.read_text() == "dear diary"
    for bad in (tmp_path / "missing", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            Replay(bad)
    with pytest.raises(OperationFailed, match="cannot write"):
        Recorder(tmp_path)


def test_a_recording_without_a_frame_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "empty.rec"
    Recorder(path).close()
    with pytest.raises(UsageError, match="holds no complete frame"):
        Replay(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(1))
@given(st.data())
def test_damage_is_one_line_and_never_another_snapshot(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(21, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    damaged = path.with_suffix(".bad")
    damaged.write_bytes(content)
    recording = Recording(damaged)
    good = {snapshot_at(second, second / 7).taken_ms: snapshot_at(second, second / 7) for second in range(10)}
    try:
        for index in range(len(recording)):
            with suppress(OperationFailed):
                snapshot = recording.snapshot(index)
                assert snapshot == good[snapshot.taken_ms]
    finally:
        recording.close()


def test_a_bomb_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.recording.MAX_SNAPSHOT_BYTES", 20)
    recording = Recording(path)
    with pytest.raises(OperationFailed, match="is damaged"):
        recording.snapshot(0)
    recording.close()


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full: not Linux")
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(OperationFailed, match="cannot write"):
        Recorder(link)


def test_replay_seeks_and_stays_at_the_end(path: Path) -> None:
    replay = Replay(path)

    def second() -> float:
        return (replay.collect().taken_ms - START_MS) / 1000

    assert [second() for _ in range(3)] == [0, 1, 2]
    replay.seek(1)
    assert second() == 1
    replay.seek(replay.index_at(START_MS + 3_999))
    assert second() == 3
    assert (replay.index_at(START_MS - 1), replay.index_at(START_MS)) == (0, 0)
    assert replay.index_at(START_MS + 60_000) == 9
    replay.seek(-5)
    assert second() == 0
    replay.seek(1000)
    assert not replay.at_end
    assert [second(), second()] == [9, 9]
    assert replay.at_end
    assert (len(replay), replay.position) == (10, 9)
    replay.close()


@pytest.mark.thorough
def test_what_a_fleet_of_120_jobs_costs(tmp_path: Path) -> None:
    """Under 1 MiB a minute at a refresh of 5 s, with every metric changing at every poll."""
    cluster = FakeFlink(RestRecording.load("flink-1.20-windows"))
    clock = FixedClock(START_MS)
    with serving(cluster):
        collector = Collector([FlinkRestSource(parse_endpoint(cluster.url))], clock)
        seen = next(job for job in collector.collect().jobs if job.name == "windows")
        collector.close()
    noise = random.Random(1)
    path = tmp_path / "fleet.rec"
    with Recorder(path) as recorder:
        for poll in range(24):
            jobs = tuple(noisy(seen, noise, number, poll) for number in range(120))
            recorder.write(FleetSnapshot(taken_ms=START_MS + poll * 5000, jobs=jobs))
    assert os.path.getsize(path) / 2 < 1_048_576  # 24 polls are two minutes


def noisy(job: JobFacts, noise: random.Random, number: int, poll: int) -> JobFacts:
    """The same job with other numbers in every metric that moves."""

    def moved(value: object) -> object:
        if not isinstance(value, Spread):
            return value
        factor = noise.uniform(0.9, 1.1)
        return Spread(
            **{
                field: None if (x := getattr(value, field)) is None else x * factor
                for field in ("min", "max", "avg", "sum", "skew")
            }
        )

    vertices = tuple(
        msgspec.structs.replace(vertex, **{field: moved(getattr(vertex, field)) for field in vertex.__struct_fields__})
        for vertex in job.vertices
    )
    assert job.checkpoints is not None
    history = [
        msgspec.structs.replace(each, id=each.id + poll, triggered_ms=START_MS + 5000 * (poll + each.id))
        for each in job.checkpoints.history
    ]
    return msgspec.structs.replace(
        job,
        id=f"{number:032x}",
        name=f"job-{number}",
        seen_ms=START_MS + poll * 5000,
        vertices=vertices,
        checkpoints=msgspec.structs.replace(job.checkpoints, history=tuple(history)),
    )


def test_frames_are_compressed_by_zlib_alone(path: Path) -> None:
    """The format is documented: other programs may read it."""
    content = path.read_bytes()
    assert content.startswith(b"flinkops recording 1\n")
    length = int.from_bytes(content[22:26], "big")
    frame = content[21 + 17 : 21 + 17 + length]
    assert zlib.crc32(frame) == int.from_bytes(content[26:30], "big")
    assert msgspec.json.decode(zlib.decompress(frame))["taken_ms"] == START_MS
