"""Which storage a path means: the spellings of Flink's file systems, and `[storage]` of the settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.config.load import load_settings
from flinkops.config.storage import StorageSettings, settings_of
from flinkops.errors import Refused, UsageError
from flinkops.model.places import qualified
from flinkops.plan.operator.spec import savepoint_directory
from flinkops.sources.storage.location import (
    Location,
    NotAPlace,
    parse_location,
    savepoint_folder,
    without_entropy,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket/sp/1", Location("s3", "bucket", "sp/1")),
        ("s3a://bucket/sp/1/", Location("s3", "bucket", "sp/1")),
        ("s3p://bucket//sp//1", Location("s3", "bucket", "sp/1")),
        ("S3://bucket/sp", Location("s3", "bucket", "sp")),
        ("s3://bucket", Location("s3", "bucket", "")),
        ("s3://bucket/a b%20c+d#e?f/ü", Location("s3", "bucket", "a b%20c+d#e?f/ü")),
        ("gs://bucket/sp", Location("gs", "bucket", "sp")),
        ("abfss://data@account.dfs.core.windows.net/sp", Location("azure", "data@account", "sp")),
        ("abfs://data@account.dfs.core.windows.net/sp", Location("azure", "data@account", "sp")),
        ("wasbs://data@account.blob.core.windows.net/sp", Location("azure", "data@account", "sp")),
        ("wasb://data@account.blob.core.windows.net/sp", Location("azure", "data@account", "sp")),
        ("hdfs:///sp/1", Location("hdfs", "", "/sp/1")),
        ("hdfs:/sp/1", Location("hdfs", "", "/sp/1")),
        ("hdfs://NN:8020/sp/1", Location("hdfs", "nn:8020", "/sp/1")),
        ("/data/sp", Location("file", "", "/data/sp")),
        ("file:/data/sp", Location("file", "", "/data/sp")),
        ("file:///data/a%20b", Location("file", "", "/data/a%20b")),
        ("file://localhost/data", Location("file", "", "/data")),
        ("relative/a:b", Location("file", "", "relative/a:b")),
    ],
)
def test_spellings(text: str, place: Location) -> None:
    assert parse_location(text) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("oss://bucket/sp", "not supported"),
        ("cosn://bucket/sp", "not supported"),
        ("swift://x/y", "not known"),
        ("s3:///sp", "names no bucket"),
        ("wasb://account.blob.core.windows.net/sp", "container@account"),
        ("abfss://@account/sp", "container@account"),
        ("file://otherhost/sp", "another machine"),
        ("s3://bucket/\udcff", "characters that no name"),
    ],
)
def test_what_names_no_storage_says_why(text: str, why: str) -> None:
    with pytest.raises(NotAPlace, match=why):
        parse_location(text)


@given(st.text(min_size=1))
def test_any_text_is_a_place_or_not(text: str) -> None:
    try:
        place = parse_location(text)
    except NotAPlace:
        return
    assert place.kind == "file" or "//" not in place.path


def test_a_savepoint_is_its_folder_or_its_metadata() -> None:
    folder = Location("s3", "b", "sp/1")
    assert savepoint_folder(parse_location("s3://b/sp/1/_metadata")) == folder
    assert savepoint_folder(parse_location("s3://b/sp/1/")) == folder
    assert savepoint_folder(parse_location("/sp/1/_metadata/")) == Location("file", "", "/sp/1")
    assert savepoint_folder(parse_location("/")) == Location("file", "", "/")
    assert folder.parent.child("2").parent.parent.parent == Location("s3", "b", "")


def test_entropy_and_the_default_scheme() -> None:
    assert without_entropy(parse_location("s3://b/x/_entropy_/sp")) == Location("s3", "b", "x/sp")
    assert without_entropy(parse_location("/x/_entropy_/sp")).path == "/x/_entropy_/sp"
    assert qualified("/sp", "s3://b") == "s3://b/sp"
    assert qualified("/sp", "file:///") == qualified("/sp", None) == "/sp"
    settings = {"execution.checkpointing.savepoint-dir": "/sp", "fs.default-scheme": "hdfs://nn:8020"}
    assert savepoint_directory({"flinkConfiguration": settings}) == "hdfs://nn:8020/sp"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder / "flinkops.toml"


TABLE = """
[storage."s3://prices"]
endpoint = "http://127.0.0.1:7070"
path_style = true
[storage."s3://*"]
profile = "flink"
"""


def test_an_untrusted_project_file_sends_no_credentials_anywhere(project: Path) -> None:
    project.write_text(TABLE)
    with pytest.raises(Refused, match='sets "storage"'):
        load_settings({}, environ={})


def test_a_named_file_says_how_a_bucket_is_reached(project: Path) -> None:
    project.write_text(TABLE)
    table = load_settings({}, config_file=str(project), environ={}).storage
    assert settings_of(table, "s3://prices") == StorageSettings(endpoint="http://127.0.0.1:7070", path_style=True)
    assert settings_of(table, "s3://other") == StorageSettings(profile="flink")
    assert settings_of(table, "gs://prices") == StorageSettings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("storage = 3", "not a table of tables"),
        ("[storage.s3]\nendpoint = 'http://x'", "names no storage"),
        ('[storage."s3://b/folder"]', "names no storage"),
        ('[storage."oss://b"]', "names no storage"),
        ('[storage."s3://b"]\nendpont = "http://x"', 'unknown key "endpont"'),
        ('[storage."gs://b"]\nprofile = "x"', 'unknown key "profile"'),
        ('[storage."s3://b"]\npath_style = "yes"', "neither true nor false"),
        ('[storage."s3://b"]\nregion = 3', "is not a text"),
        ('[storage."s3://b"]\nendpoint = "minio:9000"', "no address"),
        ('[storage."s3://b"]\nendpoint = "http://key:secret@minio:9000"', "no address"),
        ('[storage]\n"s3://b" = 3', "is not a table"),
    ],
)
def test_bad_settings_are_named(project: Path, text: str, why: str) -> None:
    project.write_text(text)
    with pytest.raises(UsageError, match=why) as refused:
        load_settings({}, config_file=str(project), environ={})
    assert "secret" not in refused.value.line()
