"""Runs jobs one after the other in this process's JVM: `price_runner.py < [[option, ...], ...]`."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from jobs.price_aggregation import job

for options in json.load(sys.stdin):
    job.start(job.parse(options)).wait()
