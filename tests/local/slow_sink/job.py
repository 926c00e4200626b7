"""A job whose sink takes as long as a file says: `python job.py REST_URL JAR FILE`; prints the job's id."""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment


def main(url: str, jar: str, file: str) -> None:
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    config = tables.get_config()
    host, port = url.removeprefix("http://").split(":")
    settings = {
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        "pipeline.jars": "file://" + jar.replace(" ", "%20"),
        "pipeline.name": "slow sink",
        "parallelism.default": "1",
        "execution.checkpointing.interval": "2 s",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "1000",
        "restart-strategy.fixed-delay.delay": "1 s",
    }
    for key, value in settings.items():
        config.set(key, value)
    tables.execute_sql("CREATE TEMPORARY FUNCTION deliver AS 'flinkops.probe.Deliver'")
    tables.execute_sql("CREATE TABLE numbers (n INT) WITH ('connector'='datagen','rows-per-second'='20')")
    tables.execute_sql("CREATE TABLE outside (n INT) WITH ('connector'='blackhole')")
    insert = f"INSERT INTO outside SELECT deliver(n, CURRENT_ROW_TIMESTAMP(), '{file}') FROM numbers"
    client = tables.execute_sql(insert).get_job_client()
    assert client
    sys.stdout.write(f"{client.get_job_id()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
