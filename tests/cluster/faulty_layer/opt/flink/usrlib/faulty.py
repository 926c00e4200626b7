"""The kit's `count` with faults: --crash-after SECONDS crash-loops from then on; --other-state keeps another state."""

import argparse
import time

from pyflink.table import EnvironmentSettings, TableEnvironment

parser = argparse.ArgumentParser()
parser.add_argument("--crash-after", type=int)
parser.add_argument("--other-state", action="store_true")
given = parser.parse_args()

t = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
t.execute_sql(
    "CREATE TABLE src (k INT, v DOUBLE) WITH ('connector'='datagen', 'rows-per-second'='200',"
    " 'fields.k.min'='0', 'fields.k.max'='99')"
)
t.execute_sql("CREATE TABLE dst (k INT, n BIGINT) WITH ('connector'='blackhole')")
condition = ""
if given.crash_after is not None:
    # Dividing by zero from then on; the shape of the job, and so what its state is called, stays the same.
    condition = (
        f" WHERE 1 / (CASE WHEN UNIX_TIMESTAMP() > {int(time.time()) + given.crash_after} THEN 0 ELSE 1 END) = 1"
    )
query = f"SELECT k, COUNT(*) AS n FROM src{condition} GROUP BY k"
if given.other_state:
    query = f"SELECT CAST(n AS INT) AS k, COUNT(*) AS n FROM ({query}) GROUP BY CAST(n AS INT)"
t.execute_sql(f"INSERT INTO dst {query}")
