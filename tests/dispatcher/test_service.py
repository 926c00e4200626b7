"""The dispatcher on a folder instead of a broker."""

from pathlib import Path

import pytest

from tests.dispatcher.file_log import FileLog
from tests.dispatcher.suite import DispatcherSuite, Topic


class TestOnAFolder(DispatcherSuite):
    @pytest.fixture
    def topic(self, tmp_path: Path) -> Topic:
        folder = tmp_path / "topic"
        folder.mkdir()
        return FileLog(folder)
