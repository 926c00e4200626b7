"""What a savepoint says of its states: names, kinds, serializers, sizes, Kafka's offsets; and what two differ in."""

import json
import shutil
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.savepoint_content import SavepointContent, savepoint_content
from flinkops.act.savepoint_diff import savepoint_diff
from flinkops.act.state_headers import SplitOffset, kafka_offsets, key_serializer, state_headers
from flinkops.model.places import METADATA_FILE
from flinkops.sources.storage.stores import Stores
from tests.unit.command_line import Cli
from tests.unit.fake_storage import FakeObjects, FakeStores
from tests.unit.test_savepoint_check import JOB, relative
from tests.unit.test_savepoint_metadata import after_keyed, operator, start

SAMPLES = Path(__file__).parent / "savepoints"
ROWS = "org.apache.flink.table.runtime.typeutils.RowDataSerializer$RowDataSerializerSnapshot"


def sample(folder: Path, name: str) -> str:
    """A real savepoint's metadata, as a savepoint without its files."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(SAMPLES / name, folder / METADATA_FILE)
    return str(folder)


def content(folder: Path, name: str) -> SavepointContent:
    return savepoint_content(sample(folder, name), Stores())


@pytest.mark.parametrize(
    ("name", "form", "flink"),
    [
        ("flink-1.20-hashmap-canonical", "canonical", "1.20"),
        ("flink-1.20-hashmap-native", "native", "1.20"),
        ("flink-1.20-rocksdb-native", "native", "1.20"),
        ("flink-2.3-rocksdb-native", "native", "2.3"),
    ],
)
def test_real_keyed_state_is_named(tmp_path: Path, name: str, form: str, flink: str) -> None:
    found = content(tmp_path / "sp", f"{name}.metadata")
    assert (found.form, found.seen_with_flink) == (form, flink)
    keyed = found.operators[0]
    assert keyed.states is not None
    assert [(one.name, one.kind, one.serializer) for one in keyed.states] == [("accState", "VALUE", ROWS)]
    assert keyed.key_serializer == ROWS
    assert keyed.total_bytes == sum(keyed.subtask_bytes) > 0
    assert len(keyed.subtask_bytes) == keyed.parallelism
    assert found.total_bytes == sum(one.total_bytes for one in found.operators)


def test_a_job_that_reads_kafka(tmp_path: Path) -> None:
    found = content(tmp_path / "sp", "flink-2.3-prices.kafka")
    operators = {one.label: one for one in found.operators}
    source = operators["Source: scrapes"]
    assert source.kafka_offsets == tuple(
        SplitOffset("raw-scrapes-in", number, offset) for number, offset in enumerate((7298, 7183, 8029, 6956))
    )
    assert source.states is not None
    assert [(one.name, one.keyed, one.kind, one.items) for one in source.states] == [
        ("SourceReaderState", False, "split", 4)
    ]
    classify = operators["classify"].states
    assert classify is not None
    assert (classify[0].name, classify[0].kind) == ("event-time-by-partition", "union")
    dedup = operators["dedup"]  # its state is in a file that is not there
    assert dedup.unknown is not None
    assert dedup.total_bytes > 900_000


def test_state_whose_file_is_out_of_reach_has_sizes_and_no_names() -> None:
    bucket = FakeObjects({"sp/1/_metadata": relative({"1.sst": 4})})
    found = savepoint_content("s3://b/sp/1", FakeStores(b=bucket))
    assert found.operators[0].total_bytes == 4
    assert found.operators[0].states == ()  # an incremental handle without a meta file names none
    writer = operator(start(4), 4, 1).put("iii", 0, 0, 0)
    writer.put("b", 3).put("ii", 0, 0).relative("keyed", 9)
    bucket.objects["sp/1/_metadata"] = after_keyed(writer, 4).content
    missing = savepoint_content("s3://b/sp/1", FakeStores(b=bucket)).operators[0]
    assert (missing.states, missing.unknown) == (None, "keyed: missing")
    bucket.objects["sp/1/keyed"] = 9
    bucket.denied = {"read sp/1/keyed"}
    assert savepoint_content("s3://b/sp/1", FakeStores(b=bucket)).operators[0].unknown == "access denied"


def test_skew_and_names_of_a_running_job() -> None:
    writer = operator(start(4), 4, 2)
    for index, size in ((0, 90), (1, 30)):
        writer.put("iii", index, 0, 0).put("b", 3).put("ii", 0, 0).relative(f"keyed-{index}", size)
        after_keyed(writer, 4)
    bucket = FakeObjects({"sp/1/_metadata": writer.content, "sp/1/keyed-0": 90, "sp/1/keyed-1": 30})
    names = {"00000000000000010000000000000002": "window"}
    found = savepoint_content("s3://b/sp/1", FakeStores(b=bucket), names).operators[0]
    assert (found.label, found.subtask_bytes) == ("window", (90, 30, 0, 0))
    assert found.skew_ratio == 3.0


def test_a_split_of_another_source_has_no_offsets() -> None:
    def split(topic: str, *, version: int = 0) -> bytes:
        inner = struct.pack(">H", len(topic)) + topic.encode() + struct.pack(">iqq", 3, 42, -1)
        return struct.pack(">iii", len(inner) + 8, version, len(inner)) + inner

    assert kafka_offsets((split("prices"),)) == (SplitOffset("prices", 3, 42),)
    for other in (split("prices", version=1), split("prices")[:-1], b"", split("prices") + b"", b"\x00" * 40):
        if other != split("prices"):
            assert kafka_offsets((split("prices"), other)) == ()


@given(st.binary(max_size=300))
def test_any_header_is_read_or_not(rubbish: bytes) -> None:
    option = b"\x00\x00\x00\x01\x00\x10KEYED_STATE_TYPE\x00\x05VALUE"
    for header in (rubbish, rubbish + option, option + rubbish, rubbish + option + rubbish):
        assert all(one.kind for one in state_headers(header))
        key_serializer(header)


def test_two_savepoints_differ(tmp_path: Path) -> None:
    before, after = (
        content(tmp_path / "1", "flink-2.3-rocksdb-native.metadata"),
        content(tmp_path / "2", "flink-2.3-rocksdb-native.metadata"),
    )
    assert {one.change for one in savepoint_diff(before, after)} == {"same"}
    first, *others = after.operators
    assert first.states is not None
    grown = msgspec.structs.replace(
        first,
        parallelism=4,
        total_bytes=first.total_bytes + 1,
        states=(msgspec.structs.replace(first.states[0], name="sums"),),
    )
    new = msgspec.structs.replace(others[0], id="f" * 32, name="new")
    changed = msgspec.structs.replace(after, operators=(grown, new))
    found = savepoint_diff(before, changed)
    assert [one.change for one in found] == ["changed", "added", "gone", "gone"]
    assert found[0].what == ("parallelism 2 -> 4", "state sums added", "state accState gone")
    other = msgspec.structs.replace(grown, states=(msgspec.structs.replace(first.states[0], kind="MAP"),))
    words = savepoint_diff(before, msgspec.structs.replace(after, operators=(other,)))[0].what
    assert words[1].startswith("state accState: VALUE ")


def test_the_commands(tmp_path: Path, cli: Cli) -> None:
    first = sample(tmp_path / "1", "flink-2.3-rocksdb-native.metadata")
    second = sample(tmp_path / "2", "flink-2.3-prices.kafka")
    shown = json.loads(cli("savepoint", "show", second, "-o", "json").out)
    assert shown["schema_version"] == 1
    assert "raw-scrapes-in" in json.dumps(shown)
    text = cli("savepoint", "show", first).out
    assert "keyed state accState: VALUE RowDataSerializer" in text
    assert "as Flink 2.3 writes it" in text
    changes = json.loads(cli("savepoint", "diff", first, second, "-o", "json").out)["operators"]
    assert {one["change"] for one in changes} >= {"added", "gone"}
    assert cli("savepoint", "show", str(tmp_path / "3")).code == 1
    assert cli("savepoint", "show", f"/no/such/{JOB}/sp").code == 3
    (tmp_path / "2" / METADATA_FILE).write_bytes(b"")
    assert cli("savepoint", "diff", first, second).code == 1
