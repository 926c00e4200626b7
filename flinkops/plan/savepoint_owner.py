"""Whose savepoint one in a shared folder is: by its operators, since neither a name nor a job id says it. Pure."""

from collections.abc import Collection

_SHARED_IDS = frozenset({"0" * 32})
"""What application clusters with high availability give every job (``ZERO_JOB_ID``)."""


def is_of_job(operators: Collection[str], vertices: Collection[str], job_id: str) -> bool:
    """Whether a savepoint with these operators may be one that this job took.

    A vertex has the id of the operator at the head of its chain, and Flink writes every operator of a job into its
    savepoints (``PendingCheckpoint.updateOperatorState``): where one is missing it is another application's. Where
    the vertices are not known, the job's id has to say it, which many jobs may share.
    """
    if not vertices or not operators:
        return job_id not in _SHARED_IDS
    return frozenset(vertices) <= frozenset(operators)
