"""Applying a decision to a job of the Flink operator: parallelism overrides in its spec.

The operator itself moves the bounds in place where the adaptive scheduler is on, else it redeploys; an override that
only Flink knew would be gone with the next deployment.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flinkops.cli.options import Common
from flinkops.cli.run_action import Consent, act, executor, new_stamp
from flinkops.errors import Refused

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.act.operator.control import KubeControl
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.autoscale.decide import Decision
    from flinkops.model.facts import JobFacts
    from flinkops.model.plan import Plan


def as_its_spec_says(common: Common, job: "JobFacts") -> "JobFacts":
    """The job with the autoscaler's settings of its resource: Flink itself knows those of the last deployment only."""
    import msgspec

    from flinkops.autoscale.settings import PREFIX
    from flinkops.cli.operator_targets import control_of_resource
    from flinkops.plan.operator.spec import configuration

    ref = job.resource
    if ref is None:
        return job
    with control_of_resource(common, ref.kind, ref.namespace, ref.name) as control:
        spec = configuration(control.resource().get("spec") or {})
    own = {key: value for key, value in spec.items() if key.startswith(PREFIX)}
    others = {key: value for key, value in job.configuration.items() if not key.startswith(PREFIX)}
    return msgspec.structs.replace(job, configuration=others | own)


def apply_to_resource(
    common: Common,
    job: str,
    decision: "Decision",
    consent: Consent,
    journal: "Journal",
    *,
    take_over: bool,
    checkpoints: int,
) -> None:
    """Plan, show, confirm, carry out, report; ends the process with the outcome's exit code."""
    with _planned(common, job, decision, journal, take_over=take_over, checkpoints=checkpoints) as (control, plan):
        act(common, control, plan, consent, journal)


def carry_out_on_resource(
    common: Common, job: str, decision: "Decision", journal: "Journal", *, take_over: bool, throughput: bool
) -> tuple[str, str | None]:
    """The same without asking: outcome and error. Raises Refused when it must not be."""
    with _planned(common, job, decision, journal, take_over=take_over, throughput=throughput) as (control, plan):
        result = executor(common, control, journal).run(plan)
    return result.outcome, result.error


@contextmanager
def _planned(
    common: Common,
    job: str,
    decision: "Decision",
    journal: "Journal",
    *,
    take_over: bool,
    checkpoints: int = 1,
    throughput: bool = True,
) -> "Iterator[tuple[KubeControl, Plan]]":
    """Raises Refused while the operator's autoscaler acts on the job, unless `take_over`, which switches it off."""
    from flinkops.act.autoscale_plan import beside_operator, operator_acts, plan_autoscale_on_resource
    from flinkops.act.operator.prepare import prepare_for_resource
    from flinkops.cli.cluster_targets import kubernetes_access
    from flinkops.cli.operator_targets import resource_on_cluster
    from flinkops.cli.targets import DEFAULT_TIMEOUT_SECONDS
    from flinkops.plan.operator.spec import configuration
    from flinkops.sources.kubernetes.plan_inputs import read_for_plan

    with resource_on_cluster(common, job) as (control, facts):
        access, ref = kubernetes_access(common.settings), control.ref
        read = read_for_plan(access, ref.kind, ref.namespace, ref.name, deadline_seconds=DEFAULT_TIMEOUT_SECONDS)
        operators = operator_acts(configuration(read.resource.get("spec") or {}))
        if operators and not take_over:
            raise beside_operator(job)
        wish = wish_of(decision, switch_off=operators)
        made = prepare_for_resource(control, journal, facts, read, wish, new_stamp("autoscale-apply"))
        close = control.job(facts.id) or facts
        yield (
            control,
            plan_autoscale_on_resource(made.plan, decision, close, checkpoints=checkpoints, throughput=throughput),
        )


def wish_of(decision: "Decision", *, switch_off: bool = False) -> "ResourceWish":
    """The decision as a change of the spec's settings. Raises Refused when there is nothing to do."""
    from flinkops.act.autoscale_plan import overrides_of
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.autoscale.explain import ENABLED, OVERRIDES
    from flinkops.plan.operator.predict import Edit

    if not decision.changes:
        raise Refused("; ".join(decision.blocked_by) or "every vertex is within its bounds: nothing to change")
    off: dict[str, str | None] = {ENABLED: "false"} if switch_off else {}
    return ResourceWish("upgrade", Edit(settings={OVERRIDES: overrides_of(decision), **off}))


@contextmanager
def loop_lease(common: Common, job: str, *, take_over: bool) -> "Iterator[Callable[[], None]]":
    """The Lease of a control loop, beside that of each action: one loop a job in the whole cluster.

    What is given raises OperationFailed once the Lease is lost. Raises Refused while another loop has it, and while
    the operator's autoscaler acts on the job, unless `take_over`.
    """
    from flinkops.act.autoscale_plan import beside_operator, operator_acts
    from flinkops.act.operator.lease import Lease
    from flinkops.cli.operator_targets import resource_on_cluster
    from flinkops.clock import SystemClock
    from flinkops.model.plan import Plan, Target
    from flinkops.plan.operator.spec import configuration

    stamp = new_stamp("autoscale-run")
    with resource_on_cluster(common, job) as (control, facts):
        if operator_acts(configuration(control.resource().get("spec") or {})) and not take_over:
            raise beside_operator(job)
        ref = control.ref
        lease = Lease(control.verbs, ref.namespace, "autoscale", ref.name, SystemClock())
        target = Target(source=control.name, job_name=ref.name, job_id=facts.id, namespace=ref.namespace, kind=ref.kind)
        with lease.held(Plan(id=stamp.plan_id, verb="autoscale-apply", target=target, created_ms=stamp.now_ms)):
            yield lease.require
