"""Which jobs this exporter has, when a fleet is split over several."""

import hashlib
from dataclasses import dataclass

from flinkops.errors import UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobKey


@dataclass(frozen=True)
class Shard:
    """Share ``index`` (from 1) of ``count``; the whole fleet by default."""

    index: int = 1
    count: int = 1

    def owns(self, key: JobKey) -> bool:
        """Whether the job with this key (`share_key`) is ours: the same answer in every process and release."""
        digest = hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def share_key(job: JobAssessment) -> JobKey:
    """What a job is shared by: on Kubernetes its resource, so that all jobs of one Flink cluster stay together."""
    resource = job.facts.resource if job.facts else None
    return JobKey(job.cluster, job.namespace or "", resource.name if resource else job.name)


def parse_shard(text: str) -> Shard:
    """``I/N`` with 1 <= I <= N. Raises UsageError on anything else.

    >>> parse_shard("2/4")
    Shard(index=2, count=4)
    """
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise UsageError(f"--shard {text!r} is not I/N with 1 <= I <= N", next_step="for example --shard 1/4")
    return Shard(int(index), int(count))
