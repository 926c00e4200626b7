"""What parallelism a job needs: pure functions from metrics to a decision with its arithmetic (docs/autoscaling.md)."""
