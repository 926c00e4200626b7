"""flinkops: see, explain, operate and prove, for fleets of Apache Flink jobs."""

__version__ = "0.1.0"
