"""The embedded fleet: real Flink, Kafka and Iceberg on one machine, in one folder."""
