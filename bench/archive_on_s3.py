"""An archive read from S3 against the same from the disk: `python -m bench.archive_on_s3 [--records N] [--files N]`.

Starts an embedded fleet with an S3 server of its own, writes one archive to both (gzip, JSON lines, Parquet; many small
objects and few large ones), and runs the job on each in turn. What counts is the median over the rounds of records a
second, of the job from RUNNING to FINISHED. Prints a table and one line of JSON. Bar: 0.8 of the speed from the disk.
"""

import argparse
import gzip
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.price_aggregation import scrapes
from devtools.s3_gateway import gateway
from flinkops.local import fleet, job, s3_server
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


def fill(info: FleetInfo, folder: Path, store: Any, records: int, files: int) -> None:
    """The archive on the disk and in the bucket."""
    for name, lines in parts(records, files):
        for form in FORMS:
            content = encoded(lines, form)
            place = Path(f"{files}-{form}") / f"{name}.{form}"
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(content)
            store.pipe_file(f"{s3_server.BUCKET}/archive/{place}", content)


def rate(info: FleetInfo, address: str, records: int) -> float:
    """Records a second of one run."""
    command = ["price-aggregation", "--source", "files", "--input", address, "--sink", "print", "--name", "archive"]
    job_id = job.submit(info, command)
    job.await_end(info, job_id, timeout_seconds=END_SECONDS)
    times = (get_json(info.rest_url, f"/jobs/{job_id}") or {})["timestamps"]
    return float(records * 1000 / (times["FINISHED"] - times["RUNNING"]))


def measure(info: FleetInfo, folder: Path, records: int, files: int, rounds: int) -> list[dict[str, Any]]:
    """One row for each form."""
    rows = []
    for form in FORMS:
        name = f"{files}-{form}"
        addresses = {"disk": str(folder / name), "s3": f"s3://{s3_server.BUCKET}/archive/{name}/"}
        rates: dict[str, list[float]] = {"disk": [], "s3": []}
        for number in range(rounds + 1):
            for place in ("disk", "s3") if number % 2 else ("s3", "disk"):
                found = rate(info, addresses[place], records)
                print(
                    f"{name:16} {place:4} {found:9.0f}/s{'' if number else ' (warms up)'}", file=sys.stderr, flush=True
                )
                if number:
                    rates[place].append(found)
        medians = {place: statistics.median(found) for place, found in rates.items()}
        rows.append({"files": files, "form": form, **medians, "ratio": medians["s3"] / medians["disk"]})
    return rows


def main() -> int:
    """The command; exits with 1 below the bar."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--files", type=int, nargs="+", default=[16, 2000])
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    from s3fs import S3FileSystem

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch) / "fleet", Path(scratch) / "archive"
        try:
            info = fleet.up(home, s3=gateway())
            access = s3_server.access(home)
            store = S3FileSystem(key=access.access_key, secret=access.secret_key, endpoint_url=access.endpoint)
            for files in chosen.files:
                records = chosen.records // files * files
                fill(info, folder, store, records, files)
                rows += measure(info, folder, records, files, chosen.rounds)
        finally:
            fleet.down(home)
    print("files form      from disk  from S3  ratio")
    for row in rows:
        print(f"{row['files']:5} {row['form']:9} {row['disk']:8.0f}/s {row['s3']:7.0f}/s  {row['ratio']:.2f}")
    print(json.dumps(rows))
    return 0 if all(row["ratio"] >= BAR_RATIO for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
