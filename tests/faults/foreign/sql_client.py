"""Submits queries to a cluster: `python sql_client.py REST_URL PARALLELISM < JOBS`, a JSON object a line.

A job has name, statements (run first), sql (an INSERT), batch and configuration. Prints a line for each: its name and
id, or its name, `-` and what Flink said.
"""

import sys
from typing import Any

import msgspec
from pyflink.table import EnvironmentSettings, TableEnvironment

_MOST_CHARACTERS = 300


def main(url: str, parallelism: str) -> None:
    for text in sys.stdin:
        job = msgspec.json.decode(text)
        try:
            told = _submit(job, url, parallelism)
        except Exception as problem:  # noqa: BLE001 - whatever Java throws: the others go on
            told = "- " + " ".join(str(problem).rpartition("Caused by:")[2].split())[:_MOST_CHARACTERS]
        sys.stdout.write(f"{job['name']} {told}\n")
        sys.stdout.flush()


def _submit(job: dict[str, Any], url: str, parallelism: str) -> str:
    batch = job["batch"]
    tables = TableEnvironment.create(
        EnvironmentSettings.in_batch_mode() if batch else EnvironmentSettings.in_streaming_mode()
    )
    host, port = url.removeprefix("http://").split(":")
    settings = {
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        "pipeline.name": job["name"],
        "parallelism.default": parallelism,
        **job["configuration"],
    }
    for key, value in settings.items():
        tables.get_config().set(key, value)
    for statement in job["statements"]:
        tables.execute_sql(statement)
    if job["into"] is None:
        query = tables.sql_query(job["sql"])
        columns = ", ".join(f"`c{number}` {kind}" for number, kind in enumerate(_types(query)))
        tables.execute_sql(f"CREATE TABLE nothing ({columns}) WITH ('connector' = 'blackhole')")
    client = tables.execute_sql(f"INSERT INTO {job['into'] or 'nothing'} {job['sql']}").get_job_client()
    assert client
    return str(client.get_job_id())


def _types(query: Any) -> list[str]:
    """Of the columns, without the marks of time attributes."""
    kinds = query._j_table.getResolvedSchema().getColumnDataTypes()
    texts = [str(kind.getLogicalType().asSerializableString()) for kind in kinds]
    return [text.replace(" NOT NULL", "") for text in texts]


if __name__ == "__main__":
    main(*sys.argv[1:])
