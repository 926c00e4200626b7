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
# A graph of the same shape, so that the state finds its operator, with accumulators of another type.
kind, value = ("DOUBLE", "AVG(CAST(k AS DOUBLE))") if given.other_state else ("BIGINT", "COUNT(*)")
t.execute_sql(f"CREATE TABLE dst (k INT, n {kind}) WITH ('connector'='blackhole')")
condition = ""
if given.crash_after is not None:
    # Dividing by zero from then on; the shape of the job, and so what its state is called, stays the same.
    condition = (
        f" WHERE 1 / (CASE WHEN UNIX_TIMESTAMP() > {int(time.time()) + given.crash_after} THEN 0 ELSE 1 END) = 1"
    )
t.execute_sql(f"INSERT INTO dst SELECT k, {value} AS n FROM src{condition} GROUP BY k")
