"""Applying a decision to a job of the Flink operator: parallelism overrides in its spec.

The operator itself moves the bounds in place where the adaptive scheduler is on, else it redeploys; an override that
only Flink knew would be gone with the next deployment.
"""

from typing import TYPE_CHECKING

from flinkops.cli.acting import Consent, executor, new_stamp
from flinkops.cli.options import Common
from flinkops.errors import Refused

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.act.prepare_resource import ResourceWish
    from flinkops.autoscale.decide import Decision


def apply_to_resource(
    common: Common, job: str, decision: "Decision", consent: Consent, journal: "Journal", *, take_over: bool
) -> None:
    """Plan, show, confirm, carry out, report; ends the process with the outcome's exit code."""
    from flinkops.cli.resource_acting import act_on_resource

    refuse_beside_operator(common, job, take_over=take_over)
    act_on_resource(common, job, wish_of(decision), consent, journal)


def carry_out_on_resource(
    common: Common, job: str, decision: "Decision", journal: "Journal", *, take_over: bool
) -> tuple[str, str | None]:
    """The same without asking: outcome and error. Raises Refused when it must not be."""
    from flinkops.act.prepare_resource import prepare_for_resource
    from flinkops.cli.kube_targets import kubernetes_access
    from flinkops.cli.resource_acting import resource_on_cluster
    from flinkops.cli.targets import DEFAULT_TIMEOUT_SECONDS
    from flinkops.sources.kube_plan import read_for_plan

    refuse_beside_operator(common, job, take_over=take_over)
    with resource_on_cluster(common, job) as (control, facts):
        access, ref = kubernetes_access(common.settings), control.ref
        read = read_for_plan(access, ref.kind, ref.namespace, ref.name, deadline_seconds=DEFAULT_TIMEOUT_SECONDS)
        made = prepare_for_resource(control, journal, facts, read, wish_of(decision), new_stamp("autoscale-apply"))
        result = executor(common, control, journal).run(made.plan)
    return result.outcome, result.error


def refuse_beside_operator(common: Common, job: str, *, take_over: bool) -> None:
    """Two controllers would undo each other. Raises Refused while the operator's autoscaler acts on the job."""
    from flinkops.autoscale.explain import ENABLED, SCALING
    from flinkops.cli.resource_acting import resource_on_cluster

    if take_over:
        return
    with resource_on_cluster(common, job) as (control, _facts):
        settings = (control.resource().get("spec") or {}).get("flinkConfiguration") or {}
    on = str(settings.get(ENABLED, "false")).strip().lower() == "true"
    if on and str(settings.get(SCALING, "true")).strip().lower() != "false":
        raise Refused(
            f"the operator's autoscaler is on for {job}",
            next_step=f"flinkops autoscale disable {job}, or --take-over",
        )


def wish_of(decision: "Decision") -> "ResourceWish":
    """The decision as a change of the spec's settings. Raises Refused when there is nothing to do."""
    from flinkops.act.prepare_resource import ResourceWish
    from flinkops.autoscale.explain import OVERRIDES
    from flinkops.plan.operator import Edit

    if not decision.changes:
        raise Refused("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    text = ",".join(f"{each.id}:{each.recommended}" for each in decision.vertices)
    return ResourceWish("upgrade", Edit(settings={OVERRIDES: text}))
