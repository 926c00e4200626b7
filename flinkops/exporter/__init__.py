"""The Prometheus face: what the status shows, as metrics."""
