"""`_metadata`: real ones of Flink 1.20 and 2.3, written ones of every shape, damaged ones, and the files they name."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.java_stream import MetadataError
from flinkops.act.savepoint_check import SavepointCheck
from flinkops.act.savepoint_check import check_savepoint as check_in
from flinkops.act.savepoint_metadata import NamedFile, SavepointMetadata, parse_metadata
from flinkops.model.places import METADATA_FILE, same_place
from flinkops.sources.storage.stores import Stores

REAL = sorted((Path(__file__).parent / "savepoints").glob("*.metadata"))
_SAMPLE = next(path for path in REAL if path.stem == "flink-2.3-rocksdb-canonical").read_bytes()
PROPERTIES = _SAMPLE[_SAMPLE.index(b"\xac\xed\x00\x05") :]
KEYED_OPERATOR = "20ba6b65f97481d5570070de90e4e791"  # as Flink's web interface shows it


def check_savepoint(path: str) -> SavepointCheck:
    return check_in(path, Stores())


class Writer:
    """Java's DataOutputStream."""

    def __init__(self, end: bytes = b"") -> None:
        self.raw = b""
        self._end = end

    @property
    def content(self) -> bytes:
        """What was written, and what Flink ends its metadata with."""
        return self.raw + self._end

    def put(self, form: str, *values: int) -> "Writer":
        self.raw += struct.pack(f">{form}", *values)
        return self

    def text(self, text: str) -> "Writer":
        raw = text.encode()
        self.raw += struct.pack(">H", len(raw)) + raw
        return self

    def file(self, path: str, size: int) -> "Writer":
        return self.put("bq", 2, size).text(path)

    def relative(self, path: str, size: int) -> "Writer":
        return self.put("b", 6).text(path).put("q", size)

    def inline(self, content: bytes) -> "Writer":
        self.put("b", 1).text("handle").put("i", len(content))
        self.raw += content
        return self

    def nothing(self) -> "Writer":
        return self.put("b", 0)


def start(version: int, *, operators: int = 1, master_states: int = 0) -> Writer:
    writer = Writer(PROPERTIES if version >= 4 else b"").put("Ii", 0x4960672D, version).put("qi", 42, master_states)
    for _ in range(master_states):
        writer.put("Ii", 0xC96B1696, 14).put("i", 1).text("ab").put("i", 2).put("H", 7)
    return writer.put("i", operators)


def operator(writer: Writer, version: int, subtasks: int) -> Writer:
    if version >= 5:
        writer.text("window").text("")
    writer.put("QQii", 1, 2, 4, 128)
    if version >= 3:
        writer.nothing()
    else:
        writer.put("i", 1)
    return writer.put("i", subtasks)


def after_keyed(writer: Writer, version: int) -> Writer:
    """No raw keyed state, no channel state."""
    writer.nothing()
    return writer.put("ii", 0, 0) if version >= 3 else writer


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_ones_are_read_to_the_last_operator(path: Path) -> None:
    found = parse_metadata(path.read_bytes())
    assert found.version == (6 if "2.3" in path.stem else 4)
    assert found.operators[0].operator_id == KEYED_OPERATOR
    assert len(found.operators) == 3
    assert {one.max_parallelism for one in found.operators} == {128}
    names = [one.name for one in found.operators]
    assert names[0] == ("GroupAggregate[3]" if found.version == 6 else None)
    assert all(file.relative and file.end_bytes > 0 for file in found.files)
    assert found.inline_bytes > 0 or found.files


def test_real_ones_name_files() -> None:
    assert len(REAL) >= 4
    assert sum(bool(parse_metadata(path.read_bytes()).files) for path in REAL) >= 2


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_incremental_state_names_shared_and_private_files(version: int) -> None:
    writer = operator(start(version, master_states=1), version, 1).put("iii", 0, 0, 0)
    writer.put("b", 5).put("q", 7).text("uuid").put("ii", 0, 128).file("s3://b/meta", 11)
    writer.put("i", 2).text("000001.sst").file("s3://b/shared/1", 100).text("000002.sst").file("s3://b/shared/1", 100)
    writer.put("i", 1).text("CURRENT").relative("private-1", 16)
    found = parse_metadata(after_keyed(writer, version).content)
    assert found.checkpoint_id == 42
    assert found.files == (
        NamedFile("s3://b/meta", 11, relative=False),
        NamedFile("s3://b/shared/1", 100, relative=False),
        NamedFile("private-1", 16, relative=True),
    )


@pytest.mark.parametrize(("tag", "tail"), [(3, False), (7, False), (12, True)])
def test_key_groups(tag: int, tail: bool) -> None:
    writer = operator(start(4), 4, 1).put("iii", 0, 0, 0)
    writer.put("b", tag).put("ii", 0, 2).put("qq", 1, 2).relative("keyed", 9)
    if tail:
        writer.text("id")
    assert parse_metadata(after_keyed(writer, 4).content).files == (NamedFile("keyed", 9, relative=True),)


def test_operator_state_finished_subtasks_and_inline_bytes() -> None:
    writer = operator(start(3, operators=2), 3, -1)
    writer = operator(writer, 3, 2).put("i", -1)  # subtask 0 has finished
    writer.put("ii", 1, 1).put("b", 4).put("i", 1).text("offsets").put("bi", 0, 1).put("q", 0).inline(b"12345")
    writer.put("i", 0).nothing()
    found = parse_metadata(after_keyed(writer, 3).content)
    assert found.inline_bytes == 5
    assert found.files == ()


@pytest.mark.parametrize("version", [3, 6])
def test_channel_state_of_unaligned_checkpoints(version: int) -> None:
    writer = operator(start(version), version, 1).put("iii", 0, 0, 0).nothing().nothing()
    for side in (1, 2):
        writer.put("i", 1)
        if version == 6:
            writer.put("b", side)
        writer.put("iii", 0, 0, 0).put("i", 1).put("q", 0).put("q", 8).file("s3://b/channel", 8)
    assert parse_metadata(writer.content).files == (NamedFile("s3://b/channel", 8, relative=False),)


def test_merged_channel_state() -> None:
    writer = operator(start(6), 6, 1).put("iii", 0, 0, 0).nothing().nothing()
    for side in (3, 4):
        writer.put("i", 1).put("b", side).put("iq", 0, 8).file("s3://b/merged", 8).put("i", 2).put("H", 0)
    assert parse_metadata(writer.content).files == (NamedFile("s3://b/merged", 8, relative=False),)


def test_changelog_and_segments_of_merged_files() -> None:
    writer = operator(start(4), 4, 1).put("iii", 0, 0, 0)
    writer.put("b", 14).put("ii", 0, 1).put("q", 3)
    writer.put("i", 1).put("b", 3).put("ii", 0, 1).put("q", 0)
    writer.put("b", 15).put("qqi", 10, 20, 0).text("s3://b/segments").text("logical")
    writer.put("i", 2)
    writer.put("b", 13).put("ii", 0, 1).put("i", 1).put("q", 5).file("s3://b/log", 6).put("qq", 1, 2).text("i").text(
        "s"
    )
    writer.put("b", 9).put("ii", 0, 1).put("qq", 0, 1).put("i", 1).put("ii", 0, 3).put("3B", 1, 2, 3).text("id")
    writer.put("qq", 1, 1).text("id")
    found = parse_metadata(after_keyed(writer, 4).content)
    assert found.files == (
        NamedFile("s3://b/segments", 30, relative=False, exact=False),
        NamedFile("s3://b/log", 6, relative=False, changelog=True),
    )
    assert found.inline_bytes == 3


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", struct.pack(">Ii", 0x4960672D, 1), struct.pack(">Ii", 0x4960672D, 7)]
)
def test_what_is_no_metadata_or_of_an_unknown_version_is_said_so(content: bytes) -> None:
    with pytest.raises(MetadataError):
        parse_metadata(content)


def test_endless_nesting_ends() -> None:
    writer = operator(start(4), 4, 1).put("iii", 0, 0, 0)
    writer.raw += struct.pack(">biiqi", 8, 0, 1, 0, 1) * 5000
    with pytest.raises(MetadataError, match="nested"):
        parse_metadata(writer.content)


def read(content: bytes) -> SavepointMetadata | None:
    try:
        return parse_metadata(content)
    except MetadataError:
        return None


@given(st.sampled_from(REAL), st.floats(0, 1), st.binary(min_size=1, max_size=8))
def test_damage_is_an_error_or_a_reading_never_a_crash(path: Path, where: float, rubbish: bytes) -> None:
    content = path.read_bytes()
    at = int(where * len(content))
    read(content[:at] + rubbish + content[at + len(rubbish) :])
    assert at == len(content) or read(content[:at]) is None


@given(st.binary(max_size=200))
def test_rubbish_after_the_magic_never_crashes(rubbish: bytes) -> None:
    for version in range(2, 7):
        read(struct.pack(">Ii", 0x4960672D, version) + rubbish)


@pytest.fixture
def savepoint(tmp_path: Path) -> Path:
    """A real `_metadata` with files of the right sizes."""
    content = next(path for path in REAL if path.stem == "flink-2.3-rocksdb-canonical").read_bytes()
    folder = tmp_path / "savepoint-1 with spaces%20"
    folder.mkdir()
    (folder / METADATA_FILE).write_bytes(content)
    for file in parse_metadata(content).files:
        with (folder / file.path).open("wb") as handle:
            handle.truncate(file.end_bytes)
    return folder


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}", "{}/", "{}/_metadata"])
def test_a_whole_savepoint_is_ok(savepoint: Path, form: str) -> None:
    check = check_savepoint(form.format(savepoint))
    assert (check.verdict, check.problems) == ("ok", ())
    assert check.total_bytes == sum(file.end_bytes for file in check.metadata.files) if check.metadata else False


def test_a_missing_or_short_file_is_bad(savepoint: Path) -> None:
    first, second = sorted(path for path in savepoint.iterdir() if path.name != METADATA_FILE)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    check = check_savepoint(str(savepoint))
    assert check.verdict == "bad"
    assert check.total_bytes is None
    assert sorted("missing" in problem for problem in check.problems) == [False, True]


def test_a_folder_without_metadata_is_bad(savepoint: Path) -> None:
    (savepoint / METADATA_FILE).unlink()
    assert check_savepoint(str(savepoint)).verdict == "bad"


def test_a_damaged_metadata_is_bad(savepoint: Path) -> None:
    (savepoint / METADATA_FILE).write_bytes(b"<html>")
    assert check_savepoint(str(savepoint)).verdict == "bad"


@pytest.mark.parametrize("path", ["s3://bucket/sp", "hdfs://nn/sp", "file://otherhost/sp", "/no/such/storage/sp-1"])
def test_storage_out_of_reach_is_unknown_not_bad(path: str) -> None:
    assert check_savepoint(path).verdict == "unknown"


def test_a_savepoint_that_is_gone_from_storage_in_reach_is_bad(tmp_path: Path) -> None:
    assert check_savepoint(str(tmp_path / "savepoint-9")).verdict == "bad"


def test_an_escaped_path_is_the_same_folder(savepoint: Path) -> None:
    folder = savepoint.parent / "with spaces"
    savepoint.rename(folder)
    escaped = f"file:{savepoint.parent}/with%20spaces"
    assert check_savepoint(escaped).verdict == "ok"
    assert same_place(escaped, str(folder))
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert check_savepoint(escaped).verdict == "bad"


def test_a_path_out_of_the_savepoint_is_not_followed(tmp_path: Path) -> None:
    writer = operator(start(4), 4, 1).put("iii", 0, 0, 0)
    writer.put("b", 3).put("ii", 0, 0).relative("../../../etc/passwd", 1)
    (tmp_path / METADATA_FILE).write_bytes(after_keyed(writer, 4).content)
    check = check_savepoint(str(tmp_path))
    assert check.verdict == "bad"
    assert "points out of" in check.problems[0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("file:/a/b", "file:///a/b/", True),
        ("/a/b", "file:/a/b/_metadata", True),
        ("s3://x/a", "s3://x/a/", True),
        ("s3://x/a", "s3://x/b", False),
        ("s3://x/a", "s3a://x/a", True),
        ("s3p://x/a", "s3a://x/b", False),
        ("file:/a", None, False),
        ("hdfs:///x", "hdfs://nn:8020/x", True),
        ("/x//y", "hdfs://nn:8020/x/y/_metadata", True),
        ("hdfs://a:8020/x", "hdfs://b:8020/x", False),
        ("hdfs:///x", "s3:///x", False),
        ("HDFS://NN:8020/x/", "hdfs://nn:8020//x", True),
        ("abfss://c@one.dfs/x", "abfss://c@two.dfs/x", False),
        ("file://localhost/a", "/a", True),
        ("s3://x/a/_metadata", "s3://x/a", True),
        ("s3://x/a_metadata", "s3://x/a", False),
    ],
)
def test_same_place(one: str, other: str | None, same: bool) -> None:
    assert same_place(one, other) is same
