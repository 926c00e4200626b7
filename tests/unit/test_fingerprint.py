"""The key of fingerprints: this user's alone, made in folders that only he enters, never one that another may know."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flinkops.outside import fingerprint as module
from flinkops.outside.fingerprint import fingerprint


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where it is kept, below folders that are not there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a" / "b"))
    module._key.cache_clear()
    yield tmp_path / "a" / "b" / "flinkops" / "fingerprint.key"
    module._key.cache_clear()


def anew(text: str) -> str:
    """As another process makes it."""
    module._key.cache_clear()
    return fingerprint(text)


def test_it_is_kept_where_nobody_else_can_enter(key: Path) -> None:
    before = os.umask(0)
    try:
        assert anew("secret") == anew("secret")
    finally:
        os.umask(before)
    for folder in (key.parent, key.parent.parent, key.parent.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert os.listdir(key.parent) == [key.name]


@pytest.mark.parametrize(
    "spoil",
    [lambda key: key.write_bytes(b"short"), lambda key: key.chmod(0o644), lambda key: key.chmod(0o620)],
    ids=["short", "others can read it", "the group can write it"],
)
def test_a_key_that_others_may_know_is_used_no_more(key: Path, spoil: Callable[[Path], object]) -> None:
    known = anew("secret")
    spoil(key)
    assert anew("secret") != known


def test_a_key_in_a_folder_that_others_write_to_is_not_used(key: Path) -> None:
    known = anew("secret")
    key.parent.chmod(0o777)
    assert anew("secret") != known
    assert anew("secret") != anew("secret")  # one of each process
    key.parent.chmod(0o700)
    assert anew("secret") == known
