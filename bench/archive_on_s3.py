"""An archive read from S3 against the same from the disk: `python -m bench.archive_on_s3 [--records N] [--files N]`.

Starts an embedded fleet with an S3 server of its own, writes one archive to both (gzip, JSON lines, Parquet; many small
objects and few large ones), and runs the job on each in turn. What counts is the median over the rounds of records a
second, of the job from RUNNING to FINISHED. Beside it the processor time of a million records, of the TaskManager and
of the server: where both share the machine, the server's takes from the job. Prints a table and one line of JSON. Bar:
0.8 of the speed from the disk. `--archive DIR` keeps what was made for the next run.
"""

import argparse
import gzip
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.price_aggregation import scrapes
from devtools.s3_gateway import gateway
from flinkops.local import fleet, flink, job, s3_server
from flinkops.local.probe import get_json
from flinkops.local.state import FleetInfo

BAR_RATIO = 0.8
END_SECONDS = 3600.0
FORMS = ("jsonl", "jsonl.gz", "parquet")


def parts(records: int, files: int) -> Iterator[tuple[str, list[bytes]]]:
    """The names of the objects below the archive's folder, and their lines; hourly folders as a scraper writes them."""
    each = records // files
    lines = (raw for _, raw in scrapes(each * files, 20_000))
    for number in range(files):
        yield f"hour={number * 24 // files:02}/part-{number:05}", [next(lines) for _ in range(each)]


def encoded(lines: list[bytes], form: str) -> bytes:
    """One file of that form."""
    text = b"\n".join(lines) + b"\n"
    if form == "jsonl":
        return text
    if form == "jsonl.gz":
        return gzip.compress(text, 6)
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([json.loads(line) for line in lines]), sink)
    return bytes(sink.getvalue().to_pybytes())


def write(folder: Path, records: int, files: int, forms: Sequence[str]) -> None:
    """The archive on the disk; one that is there already is left."""
    wanted = [form for form in forms if not (folder / f"{files}-{form}").exists()]
    for name, lines in parts(records, files) if wanted else ():
        for form in wanted:
            place = folder / f"{files}-{form}" / f"{name}.{form}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encoded(lines, form))


def upload(folder: Path, store: Any, files: int, form: str) -> None:
    """The same in the bucket."""
    for path in sorted((folder / f"{files}-{form}").rglob(f"*.{form}")):
        store.put_file(str(path), f"{s3_server.BUCKET}/archive/{path.relative_to(folder)}")


class Run(NamedTuple):
    """Records a second; processor seconds of a million records, of the TaskManagers and of the S3 server."""

    records_per_second: float
    job_cpu_seconds: float
    server_cpu_seconds: float


def cpu_seconds(info: FleetInfo, role: str) -> float:
    """Of the processes of that role since they were started."""
    pids = [one.pid for one in info.processes if one.role.startswith(role)]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def run(info: FleetInfo, address: str, records: int) -> Run:
    """The job over the archive, from its beginning to its end."""
    roles = (flink.TASKMANAGER_PREFIX, s3_server.ROLE)
    before = [cpu_seconds(info, role) for role in roles]
    command = ["price-aggregation", "--source", "files", "--input", address, "--sink", "print", "--name", "archive"]
    job_id = job.submit(info, command)
    job.await_end(info, job_id, timeout_seconds=END_SECONDS)
    times = (get_json(info.rest_url, f"/jobs/{job_id}") or {})["timestamps"]
    used = [(cpu_seconds(info, role) - had) * 1e6 / records for role, had in zip(roles, before, strict=True)]
    return Run(records * 1000 / (times["FINISHED"] - times["RUNNING"]), *used)


def measure(
    info: FleetInfo, folder: Path, records: int, files: int, rounds: int, forms: Sequence[str]
) -> list[dict[str, Any]]:
    """One row for each form."""
    rows = []
    for form in forms:
        name = f"{files}-{form}"
        addresses = {"disk": str(folder / name), "s3": f"s3://{s3_server.BUCKET}/archive/{name}/"}
        runs: dict[str, list[Run]] = {"disk": [], "s3": []}
        for number in range(rounds + 1):
            for place in ("disk", "s3") if number % 2 else ("s3", "disk"):
                found = run(info, addresses[place], records)
                shown = f"{found.records_per_second:9.0f}/s, {records / found.records_per_second:.0f} s, CPU of a"
                shown += f" million: job {found.job_cpu_seconds:.1f} s, server {found.server_cpu_seconds:.1f} s"
                print(f"{name:16} {place:4} {shown}{'' if number else ' (warms up)'}", file=sys.stderr, flush=True)
                if number:
                    runs[place].append(found)
        disk, s3 = (Run(*map(statistics.median, zip(*runs[place], strict=True))) for place in ("disk", "s3"))
        ratio = s3.records_per_second / disk.records_per_second
        rows.append({"files": files, "form": form, "disk": disk._asdict(), "s3": s3._asdict(), "ratio": ratio})
    return rows


def main() -> int:
    """The command; exits with 1 below the bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--files", type=int, nargs="+", default=[16, 2000])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    options.add_argument("--archive", type=Path)
    chosen = options.parse_args()
    from s3fs import S3FileSystem

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch) / "fleet", chosen.archive or Path(scratch) / "archive"
        for files in chosen.files:
            write(folder, chosen.records // files * files, files, chosen.forms)
        try:
            info = fleet.up(home, s3=gateway())
            access = s3_server.access(home)
            store = S3FileSystem(key=access.access_key, secret=access.secret_key, endpoint_url=access.endpoint)
            for files in chosen.files:
                records = chosen.records // files * files
                for form in chosen.forms:
                    upload(folder, store, files, form)
                rows += measure(info, folder, records, files, chosen.rounds, chosen.forms)
        finally:
            fleet.down(home)
    print("files form      from disk   from S3  ratio   CPU seconds a million records: job disk, job S3, server")
    for row in rows:
        disk, s3 = Run(**row["disk"]), Run(**row["s3"])
        speeds = f"{disk.records_per_second:8.0f}/s {s3.records_per_second:7.0f}/s  {row['ratio']:.2f}"
        used = f"{disk.job_cpu_seconds:5.1f} {s3.job_cpu_seconds:5.1f} {s3.server_cpu_seconds:5.1f}"
        print(f"{row['files']:5} {row['form']:9} {speeds}   {used}")
    print(json.dumps(rows))
    return 0 if all(row["ratio"] >= BAR_RATIO for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
