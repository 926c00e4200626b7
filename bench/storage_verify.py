"""Verify of a large savepoint on S3 beside its bare listing: `python -m bench.storage_verify [--files N] [--runs N]`.

Both against the S3 server of the tests on 127.0.0.1, in turns, each run in a process of its own (so the import of
s3fs is in both): seconds, CPU seconds and peak memory; the least and the middle of the runs.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.local.s3 import bucket, running_server
from tests.unit.test_savepoint_check import relative

PATH = "s3://flinkops/savepoint-large"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", choices=sorted(ONE), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _one(options.one)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_server(Path(name)) as access:
        _write(bucket(Path(name)) / "savepoint-large", options.files)
        environment = os.environ | dict(access.environment)
        measured: dict[str, list[tuple[float, ...]]] = {which: [] for which in ONE}
        for _ in range(options.runs):
            for which, runs in measured.items():
                command = [sys.executable, "-m", "bench.storage_verify", "--one", which]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                runs.append(tuple(map(float, done.stdout.split())))
        print(f"{options.files:,} files, {options.runs} runs each; load average {os.getloadavg()[0]:.1f}")
        for which, runs in measured.items():
            seconds, cpu, peak = zip(*runs, strict=True)
            print(
                f"{which:>8}: {min(seconds):6.2f} s least, {statistics.median(seconds):6.2f} s middle,"
                f" {min(cpu):5.2f} s CPU least, {max(peak):5.0f} MiB peak"
            )
        for name, at in (("seconds", 0), ("CPU", 1)):
            least = {which: min(run[at] for run in runs) for which, runs in measured.items()}
            print(f"{name}, verify : listing, of the least: {least['verify'] / least['listing']:.2f}")


def _write(folder: Path, count: int) -> None:
    """As a native savepoint has them: names of 36 characters, some MiB each, which take no room here."""
    names = {f"{number:08x}-0000-4000-8000-{number:012x}": 50 * 2**20 + number for number in range(count)}
    folder.mkdir()
    for name, size in names.items():
        (folder / name).touch()
        os.truncate(folder / name, size)
    (folder / "_metadata").write_bytes(relative(names))


def _one(which: str) -> None:
    started = time.perf_counter()
    ONE[which]()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _listing() -> None:
    from s3fs import S3FileSystem

    S3FileSystem(skip_instance_cache=True).ls(PATH, detail=True)


def _verify() -> None:
    from flinkops.act.savepoint_check import check_savepoint
    from flinkops.sources.storage.stores import Stores

    found = check_savepoint(PATH, Stores({}))
    assert found.verdict == "ok", found


ONE = {"listing": _listing, "verify": _verify}

if __name__ == "__main__":
    main()
