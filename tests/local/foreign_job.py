"""Submits a job that is none of ours: `python foreign_job.py REST_URL NAME ROWS_PER_SECOND`. Prints its id."""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment

rest_url, name, rate = sys.argv[1:]
host, port = rest_url.removeprefix("http://").split(":")
tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
settings = {
    "execution.target": "remote",
    "rest.address": host,
    "rest.port": port,
    "pipeline.name": name,
    "parallelism.default": "1",
    "execution.checkpointing.interval": "3 s",
}
for key, value in settings.items():
    tables.get_config().set(key, value)
tables.execute_sql(
    "CREATE TABLE readings (sensor INT, degrees DOUBLE, ts AS CAST(CURRENT_TIMESTAMP AS TIMESTAMP(3)),"
    " WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector'='datagen',"
    f" 'rows-per-second'='{rate}', 'fields.sensor.min'='0', 'fields.sensor.max'='99')"
)
tables.execute_sql("CREATE TABLE nothing (sensor INT, ends TIMESTAMP(3), n BIGINT) WITH ('connector'='blackhole')")
result = tables.execute_sql(
    "INSERT INTO nothing SELECT sensor, window_end, COUNT(*) FROM"
    " TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY sensor, window_start, window_end"
)
client = result.get_job_client()
assert client is not None
sys.stdout.write(f"{client.get_job_id()}\n")
