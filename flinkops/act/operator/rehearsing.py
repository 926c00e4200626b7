"""Rehearsals of operator jobs: not built yet, and said so in the plan and as a verdict."""

import msgspec

from flinkops.act.backend import Prepared
from flinkops.errors import UsageError
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import Terms
from flinkops.plan.rehearsal import cannot_tell

_NOT_BUILT = "a rehearsal is not built for jobs of the Flink operator yet"


def not_built(job: str, against: str | None) -> Rehearsal:
    """It would have to run in a pod of the new image."""
    return cannot_tell(job, _NOT_BUILT, against=against or "")


def with_rehearsal(made: Prepared, terms: Terms) -> Prepared:
    """The plan, whose risks say what was asked for and is not done."""
    if not terms.rehearse:
        return made
    risks = (*made.plan.risks, f"rehearsal: cannot-tell: {_NOT_BUILT}")
    return made._replace(plan=msgspec.structs.replace(made.plan, risks=risks))


def refuse_acceptance(terms: Terms) -> None:
    """Raises UsageError: there is no rehearsal that it could answer."""
    if terms.accept_loss:
        raise UsageError(f"--accept-loss answers a rehearsal, and {_NOT_BUILT}")
