"""Which job a JOB argument means."""

from collections.abc import Sequence
from typing import TypeVar

from flinkops.errors import OperationFailed, UsageError, did_you_mean
from flinkops.model.identity import Identified, full_name, matching

J = TypeVar("J", bound=Identified)


def pick_job(jobs: Sequence[J], wanted: str) -> J:
    """The one job that is meant.

    Raises UsageError, listing them, when several match; OperationFailed when none does: the command made sense.
    """
    found = matching(jobs, wanted)
    if len(found) == 1:
        return found[0]
    if found:
        names = [full_name(job) for job in found]
        in_full = len(set(names)) == len(found) and any(job.namespace for job in found)
        choices = ", ".join(
            f"{name if in_full else job.id} ({job.cluster})" for job, name in list(zip(found, names, strict=True))[:10]
        )
        how = "namespace/name" if in_full else "id"
        raise UsageError(f'{len(found)} jobs match "{wanted}"', next_step=f"name one by its {how}: {choices}")
    otherwise = f"there are {len(jobs)}: flinkops status -o name lists them"
    raise OperationFailed(f'no job "{wanted}"', next_step=did_you_mean(wanted, (job.name for job in jobs), otherwise))
