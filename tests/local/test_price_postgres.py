"""The job into PostgreSQL: the same rows, once, however often it runs."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from pandas.testing import assert_frame_equal

from flinkops.local.ports import free_ports
from tests.local.price_jobs import flink_2
from tests.local.price_records import MALFORMED, START_MS, hostile, market, write_lines
from tests.local.price_reference import COLUMNS, Meaning, in_order, reference

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]

NO_POSTGRES = "no PostgreSQL server: apt-get install postgresql"


def programs() -> Path | None:
    """Where `initdb` and `postgres` are: on PATH, or where Debian puts them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture
def postgres() -> Iterator[int]:
    """The port of a server on 127.0.0.1, run by an unprivileged user, as it insists."""
    folder = programs()
    if folder is None:
        pytest.skip(NO_POSTGRES)
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    (port,) = free_ports(1)
    # Not below pytest's own folder, which only its user may enter.
    with tempfile.TemporaryDirectory(prefix="postgres-") as data:
        if os.geteuid() == 0:
            shutil.chown(data, user)
        as_user = {"user": user, "cwd": data} if os.geteuid() == 0 else {"cwd": data}
        cluster = Path(data) / "cluster"
        create = [str(folder / "initdb"), "-D", str(cluster), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(create, check=True, capture_output=True, **as_user)  # type: ignore[call-overload]
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", data, "-F"]
        server = subprocess.Popen(
            [str(folder / "postgres"), "-D", str(cluster), *options], stderr=subprocess.DEVNULL, **as_user
        )  # type: ignore[call-overload]
        try:
            await_server(port)
            yield port
        finally:
            server.terminate()
            server.wait(30)


def await_server(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.2)


def test_rows_are_the_reference_also_the_second_time(postgres: int, tmp_path: Path) -> None:
    # With names that a server of PostgreSQL cannot keep, and the longest that it can.
    names = [("x", raw) for reason, raw in MALFORMED if reason.startswith("text_")] + hostile(START_MS)[1:2]
    records = [*names, *market(seed=3, minutes=20, skus=4).records]
    write_lines(tmp_path / "archive.jsonl", records)
    url = f"jdbc:postgresql://127.0.0.1:{postgres}/postgres"
    options = ["--source", "files", "--input", str(tmp_path / "archive.jsonl"), "--sink", "postgres"]
    command = [*options, "--postgres", url, "--dead-letter", str(tmp_path / "dead")]
    flink_2().run(tmp_path / "run", [command, command])
    expected = reference([raw for _, raw in records], Meaning())
    with psycopg.connect(host="127.0.0.1", port=postgres, user="postgres", dbname="postgres") as connection:
        rows = connection.execute("SELECT * FROM prices.price_5m").fetchall()
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in ("window_start", "window_end"):
        table[column] = table[column].astype("datetime64[us]")
    assert_frame_equal(in_order(table), expected.table)
