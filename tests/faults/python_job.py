"""A job whose function runs in a Python process: `python python_job.py REST_URL NAME PARALLELISM OPTION=VALUE...`.

Prints its id. Options: per-second, characters of the text that goes to the other process, and how many times it is
sent back.
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
        "execution.checkpointing.interval": "5 s",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
    }
    for key, value in settings.items():
        tables.get_config().set(key, value)
    tables.create_temporary_function("trimmed", udf(lambda text, _number: text.strip(), result_type="STRING"))
    tables.execute_sql(
        f"CREATE TABLE orders (note STRING) WITH ('connector'='datagen', 'rows-per-second'='{given['per-second']}', "
        f"'fields.note.length'='{given['characters']}')"
    )
    numbers = range(int(given["columns"]))
    columns = ", ".join(f"note{number} STRING" for number in numbers)
    tables.execute_sql(f"CREATE TABLE nothing ({columns}) WITH ('connector'='blackhole')")
    calls = ", ".join(f"trimmed(note, {number})" for number in numbers)
    client = tables.execute_sql(f"INSERT INTO nothing SELECT {calls} FROM orders").get_job_client()
    assert client
    sys.stdout.write(f"{client.get_job_id()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
