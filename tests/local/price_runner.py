"""Runs a job with each of the given options, in this process's JVM: `price_runner.py JOB < [[option, ...], ...]`."""

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

job = importlib.import_module(f"jobs.{sys.argv[1]}.job")

for options in json.load(sys.stdin):
    job.start(job.parse(options)).get_job_execution_result().result()
