"""The list of documented settings is what its generator makes of the installed Flink: it cannot drift."""

import subprocess
import sys

import pytest

from devtools import setting_keys
from devtools.bootstrap import REPOSITORY

pytestmark = pytest.mark.local

GENERATE = """
import sys
from devtools import setting_keys
flink, values = setting_keys.flink_keys()
sys.stdout.write(setting_keys.written(flink, setting_keys.read("operator"), values))
"""


def test_the_file_is_what_its_generator_writes() -> None:
    # In a process of its own: the JVM of the reflection goes with it.
    made = subprocess.run([sys.executable, "-c", GENERATE], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    kept = setting_keys.TARGET.read_text(encoding="utf-8")
    assert made.stdout.splitlines() == kept.splitlines(), "run: python -m devtools.setting_keys"
