"""What flinkops itself writes to and removes from a real S3 server: copies of savepoints, and what nobody refers to."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flinkops.local.s3_server import S3Access
from flinkops.sources.storage.port import OutOfReach
from flinkops.sources.storage.stores import Stores, place_of
from tests.local.s3 import running_server
from tests.local.storage_changes import PARTS_BYTES, copies_there_and_back, removes_what_nobody_refers_to

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Access]:
    with running_server(tmp_path_factory.mktemp("s3 server")) as access:
        yield access


@pytest.fixture
def stores(server: S3Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with closing(Stores({})) as found:
        yield found


def test_a_savepoint_goes_to_the_bucket_and_comes_back_the_same(stores: Stores, tmp_path: Path) -> None:
    copies_there_and_back("s3://flinkops", stores, tmp_path)


def test_an_upload_that_broke_off_leaves_nothing(stores: Stores) -> None:
    def torn() -> Iterator[bytes]:
        for _ in range(PARTS_BYTES // 2**20):
            yield bytes(2**20)
        raise OutOfReach("the source is gone")

    place = place_of("s3://flinkops/torn/file")
    with pytest.raises(OutOfReach, match="the source is gone"):
        stores.at(place).write(place, torn())
    assert stores.at(place).entry(place) is None
    elsewhere = place_of("s3://no-such-bucket/x")
    with pytest.raises(OutOfReach, match="no bucket"):
        stores.at(elsewhere).write(elsewhere, [b"x"])


def test_what_nobody_refers_to_goes_and_the_rest_stays(stores: Stores, tmp_path: Path) -> None:
    removes_what_nobody_refers_to("s3://flinkops", stores, tmp_path)
