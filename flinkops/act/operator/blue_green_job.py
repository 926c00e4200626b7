"""A FlinkBlueGreenDeployment as a job that can be upgraded: from an ActionRequest to a Plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flinkops.act.backend import READ_SECONDS, Prepared, RescaleTerms
from flinkops.act.journal import Journal
from flinkops.act.manifest import spec_of_kind
from flinkops.act.operator.blue_green_control import BlueGreenControl
from flinkops.act.operator.prepare import patch_command
from flinkops.act.operator.redeploy import NonceChoice, settle_nonce
from flinkops.act.operator.rehearsing import not_built, refuse_acceptance, told_not_built
from flinkops.autoscale.decide import Decision
from flinkops.errors import Refused, UsageError
from flinkops.model.blue_green_state import state_of, told_state
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import Json, section
from flinkops.model.plan import Plan
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import ActionRequest
from flinkops.outside.shell import shell_command
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.blue_green import (
    BLUE_GREEN,
    BlueGreenAct,
    BlueGreenOutlook,
    child_name,
    outlook,
    template_of,
)
from flinkops.plan.operator.blue_green_plan import plan_blue_green
from flinkops.plan.operator.merge_patch import merge_patch
from flinkops.plan.operator.predict import Edit, edited_spec
from flinkops.plan.operator.rules import Features, features
from flinkops.plan.operator.spec import configuration, desired_state, savepoint_directory, upgrade_mode
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.plan_inputs import Read, read_for_plan
from flinkops.sources.kubernetes.resources import job_id
from flinkops.sources.kubernetes.verbs import ResourceRef

_FIRST_MINOR = 14
"""FlinkBlueGreenDeployment came with operator 1.14."""


def named_blue_green(jobs: Sequence[JobFacts], wanted: str) -> tuple[ResourceRef, tuple[JobFacts, ...]] | None:
    """The blue/green deployment that a JOB argument names, and its children; None where it names none.

    A job of that very name is the job.
    """
    namespace, _, name = wanted.rpartition("/")
    children = tuple(
        job
        for job in jobs
        if job.resource is not None
        and job.resource.owner == f"{BLUE_GREEN}/{name}"
        and namespace in ("", job.namespace)
        and job.name != name
    )
    if not children or any(job.name == name for job in jobs):
        return None
    if len(places := sorted({job.namespace or "default" for job in children})) > 1:
        raise UsageError(
            f'{len(places)} blue/green deployments match "{wanted}"',
            next_step=f"name one by its namespace/name: {', '.join(f'{one}/{name}' for one in places)}",
        )
    return ResourceRef(BLUE_GREEN, places[0], name), children


@dataclass(frozen=True)
class BlueGreenJob:
    """One pair; its job is that of the active child."""

    access: KubeAccess
    control: BlueGreenControl
    children: tuple[JobFacts, ...]

    @property
    def job(self) -> JobFacts:
        """As the fleet shows it, under the name of the pair."""
        found = self.control.resource()
        return self._job_of(found, child_name(self.control.ref.name, state_of(found).colour))

    def measured(self) -> JobFacts:
        """As its REST API has it."""
        job = self.job
        return (self.control.job(job.id) if job.id else None) or job

    def plan(self, request: ActionRequest, _journal: Journal, stamp: Stamp) -> Prepared:
        """Only an upgrade. Raises Refused for other verbs, UsageError, Unreachable and OperationFailed."""
        if request.verb != "upgrade":
            raise self._refused(request.verb)
        _refuse_impossible(request)
        ref = self.control.ref
        read = read_for_plan(self.access, *ref, deadline_seconds=READ_SECONDS)
        spec = section(read.resource, "spec")
        wanted, warning = _wanted_spec(ref, read.resource, request)
        after = merge_patch(spec, wanted)
        patch = {"spec": after} if after else {}
        active = child_name(ref.name, state_of(read.resource).colour)
        template = template_of({"spec": wanted})
        found = _outlook(read, template, self.control.child_resource(active), stateless=request.mode == "stateless")
        leftover, problem = self._leftover(found)
        refused = (*found.refused, *filter(None, [problem, *_without_directory(read, template, found)]))
        job = self._job_of(read.resource, active)
        plan = plan_blue_green(
            self.control.name,
            read.resource,
            template,
            patch,
            found._replace(refused=refused),
            (self.control.job(job.id) if job.id and not refused else None) or job,
            leftover,
            stamp,
            request.terms,
        )
        if warning is not None:
            plan = msgspec.structs.replace(plan, risks=(*plan.risks, warning))
        return told_not_built(Prepared(plan, bool(patch), patch_command(plan, patch)), request.terms)

    def rehearse(
        self, request: ActionRequest, _journal: Journal, *, against: str | None, note: Callable[[str], None]
    ) -> Rehearsal:
        """Not yet."""
        _refuse_impossible(request)
        return not_built(self.job.name, against)

    def plan_decision(
        self, _decision: Decision, _observed: JobFacts, _journal: Journal, _stamp: Stamp, _terms: RescaleTerms
    ) -> Plan:
        """Raises Refused: parallelism is changed in the template."""
        raise self._refused("autoscale")

    def _job_of(self, resource: Json, active: str) -> JobFacts:
        name = self.control.ref.name
        seen = next((job for job in self.children if job.name == active), None)
        if seen is not None:
            return msgspec.structs.replace(seen, name=name)
        child = self.control.child_resource(active) or {}
        where = self.control.ref.namespace
        return JobFacts(
            id=job_id(child) or "", name=name, cluster=self.control.name, seen_ms=0, state="UNKNOWN", namespace=where
        )

    def _leftover(self, found: BlueGreenOutlook) -> tuple[str | None, str | None]:
        """The other child where an aborted transition has left it suspended; and why it stands in the way."""
        if found.act is not BlueGreenAct.TRANSITION or found.refused:
            return None, None
        there = self.control.child_resource(found.next_child)
        if there is None:
            return None, None
        if "deletionTimestamp" in section(there, "metadata"):
            return None, f"{found.next_child} is still being deleted"
        if desired_state(section(there, "spec")) == "suspended":
            return found.next_child, None
        return None, f"{found.next_child} is there too, and is not suspended: it would be overwritten"

    def _refused(self, verb: str) -> Refused:
        ref = self.control.ref
        state = told_state(self.control.resource())
        named = ", ".join(sorted(f"{job.namespace}/{job.name} ({job.state})" for job in self.children))
        command = shell_command("kubectl", "-n", ref.namespace, "edit", BLUE_GREEN.lower(), ref.name)
        what = f'"{ref.name}" is a {BLUE_GREEN} ({state}); its children are {named}, which it would set back'
        return Refused(f"{what}: flinkops can upgrade it, not {verb}", next_step=f"change its spec.template: {command}")


def _refuse_impossible(request: ActionRequest) -> None:
    """Raises UsageError for what a transition does not have."""
    refuse_acceptance(request.terms)
    if request.terms.redeploy_from is not None:
        raise UsageError("--redeploy-from: a transition starts from the savepoint that the operator takes")
    if request.terms.backup:
        raise UsageError("--backup-savepoint: the savepoint of a transition stays, and the old job runs on")


def _wanted_spec(ref: ResourceRef, resource: Json, request: ActionRequest) -> tuple[dict[str, Any], str | None]:
    """The whole spec of the pair with the change in its template, and what to warn of."""
    spec: Mapping[str, Any] = section(resource, "spec")
    if request.manifest:
        spec = spec_of_kind(request.manifest, ref.kind, ref.name)
    before, template = template_of(resource), template_of({"spec": spec})
    settled = settle_nonce(before, template, 0, NonceChoice(None, request.terms.keep_nonce))
    wanted = edited_spec(settled.spec, Edit.of(request.change, mode=request.mode))
    return {**spec, "template": {**section(spec, "template"), "spec": wanted}}, settled.warning


def _outlook(read: Read, template: Mapping[str, Any], child: Json | None, *, stateless: bool) -> BlueGreenOutlook:
    """By the rules of each version that it may be; where they come to different things it is refused."""
    found: Features = features(read.definition, read.operator.version)
    rules = [one for one in found.candidates if one.minor >= _FIRST_MINOR] or list(found.candidates)
    outlooks = [outlook(read.resource, template, child, one, stateless=stateless) for one in rules]
    last = outlooks[-1]
    if len({one.act for one in outlooks}) > 1:
        acts = " or ".join(sorted({one.act.value for one in outlooks}))
        unknown = f"what it comes to is not known ({acts}): the operator's version could not be read"
        return last._replace(refused=(*last.refused, unknown))
    return last


def _without_directory(read: Read, template: Mapping[str, Any], found: BlueGreenOutlook) -> list[str]:
    if found.act is not BlueGreenAct.TRANSITION or upgrade_mode(template) == "stateless":
        return []
    of_operator = read.operator_configuration
    if savepoint_directory({"flinkConfiguration": {**(of_operator or {}), **configuration(template)}}) is not None:
        return []
    where = "nor are the operator's own settings known" if of_operator is None else "nor has the operator any"
    return [f"no savepoint directory is configured (execution.checkpointing.savepoint-dir), {where}"]
