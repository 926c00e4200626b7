"""Submits SQL to a fleet: `python sql_job.py REST_URL NAME STATEMENT...`; prints the job's id."""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment


def main(url: str, name: str, *statements: str) -> None:
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    host, port = url.removeprefix("http://").split(":")
    settings = {
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        "pipeline.name": name,
        "parallelism.default": "1",
    }
    for key, value in settings.items():
        tables.get_config().set(key, value)
    for statement in statements:
        client = tables.execute_sql(statement).get_job_client()
    assert client
    sys.stdout.write(f"{client.get_job_id()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
