"""What facts mean: pure functions of a snapshot, earlier samples and a policy; no I/O, no clock."""

from flinkops.assess.fleet import assess, sample

__all__ = ["assess", "sample"]
