"""A job whose function runs in a Python process: `python python_job.py REST_URL NAME PARALLELISM OPTION=VALUE...`.

Prints its id. Options: per-second, and characters of the text that goes to the other process and back.
"""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

from flinkops.local import flink


def main(url: str, name: str, parallelism: str, *options: str) -> None:
    given = dict(option.split("=", 1) for option in options)
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    host, port = url.removeprefix("http://").split(":")
    jar = next((flink.distribution() / "opt").glob("flink-python-*.jar"))
    settings = {
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        "pipeline.name": name,
        "pipeline.jars": jar.as_uri(),
        "pipeline.operator-chaining.enabled": "false",
        "parallelism.default": parallelism,
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
    }
    for key, value in settings.items():
        tables.get_config().set(key, value)
    tables.create_temporary_function("trimmed", udf(lambda text: text.strip(), result_type="STRING"))
    tables.execute_sql(
        f"CREATE TABLE orders (note STRING) WITH ('connector'='datagen', 'rows-per-second'='{given['per-second']}', "
        f"'fields.note.length'='{given['characters']}')"
    )
    tables.execute_sql("CREATE TABLE nothing (note STRING) WITH ('connector'='blackhole')")
    client = tables.execute_sql("INSERT INTO nothing SELECT trimmed(note) FROM orders").get_job_client()
    assert client
    sys.stdout.write(f"{client.get_job_id()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
