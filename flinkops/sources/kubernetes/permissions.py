"""What the shipped roles (deploy/) allow and why, and asking the API server which of it the present account has.

The roles and this list are compared by a test: neither has a rule that the other lacks.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from flinkops.errors import Denied, FlinkopsError
from flinkops.model.json_reading import section, text
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.api import KubeClient, custom_path, list_all
from flinkops.sources.kubernetes.operator_configuration import CONFIG_MAP
from flinkops.sources.kubernetes.operator_version import DEPLOYMENT
from flinkops.sources.kubernetes.resources import GROUP, identity

Role = Literal["cluster", "reader", "operator", "lease", "pods"]
"""``lease`` and ``pods`` are never bound for the whole cluster: they are asked about namespace by namespace."""

_BY_NAMESPACE: frozenset[Role] = frozenset({"lease", "pods"})

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SEE = ("get", "list", "watch")
_MOST_NAMESPACES = 20
NOT_ASKED = "not asked"
"""In the place of a verb: of so many namespaces it is not known."""
_decoder: "msgspec.json.Decoder[dict[str, Any]]" = msgspec.json.Decoder(dict[str, Any])


class Rule(NamedTuple):
    """One rule of a role. ``without`` says what does not work without it; ``names`` limit it to some objects."""

    role: Role
    group: str
    resource: str
    verbs: tuple[str, ...]
    without: str
    names: tuple[str, ...] = ()
    needed: bool = False  # without it nothing works at all

    @property
    def shown(self) -> str:
        """The resource as `kubectl auth can-i` takes it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def yaml(self, verbs: Sequence[str]) -> str:
        """The rule to add to a role, for these verbs, on one line."""
        names = f", resourceNames: [{', '.join(self.names)}]" if self.names else ""
        return f'{{apiGroups: ["{self.group}"], resources: [{self.resource}]{names}, verbs: [{", ".join(verbs)}]}}'


_NO_PODS = "no rehearsal of an operator's job, and no work in a pod beside the cluster's storage"

RULES: tuple[Rule, ...] = (
    Rule("reader", GROUP, "flinkdeployments", _SEE, "no job is seen", needed=True),
    Rule("reader", GROUP, "flinksessionjobs", _SEE, "session jobs are not seen"),
    Rule("reader", GROUP, "flinkstatesnapshots", _SEE, "snapshots are not seen"),
    Rule("reader", GROUP, "flinkbluegreendeployments", _SEE, "blue/green states are not seen"),
    Rule("reader", "", "services/proxy", ("get",), "jobs are seen without measurements (unless --rest-via says else)"),
    Rule("reader", "", "pods", ("list",), "why a deployment does not come up is unknown"),
    Rule("reader", "", "events", ("list",), "events, and why a deployment does not come up, are unknown"),
    Rule("reader", "", "resourcequotas", ("list",), "a quota that keeps TaskManagers from being created is not named"),
    Rule(
        "cluster",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        ("get",),
        "no plan of an upgrade: the operator's rules are told by its resource's schema",
        (f"flinkdeployments.{GROUP}",),
    ),
    Rule(
        "cluster",
        "apps",
        "deployments",
        ("list",),
        "the operator's version is unknown, and its known bugs are not warned of",
        (DEPLOYMENT,),
    ),
    Rule(
        "cluster",
        "",
        "configmaps",
        ("get",),
        "the operator's own settings, which are the defaults of every job, are unknown: some plans are refused",
        (CONFIG_MAP,),
    ),
    Rule("operator", GROUP, "flinkdeployments", ("patch", "create", "delete"), "no upgrade, suspend, rollback"),
    Rule("operator", GROUP, "flinksessionjobs", ("patch", "create", "delete"), "the same for session jobs"),
    Rule("operator", GROUP, "flinkbluegreendeployments", ("patch",), "no upgrade of a blue/green deployment"),
    Rule("operator", GROUP, "flinkstatesnapshots", ("create", "delete"), "no savepoints by operators from 1.10 on"),
    Rule(
        "lease",
        "coordination.k8s.io",
        "leases",
        ("get", "create", "update", "delete"),
        "no action: one at a time on a job is kept by a lease",
    ),
    Rule(
        "operator",
        "",
        "services/proxy",
        ("create", "update", "patch"),
        "no savepoint, rescale or cancel by Flink's own API",
    ),
    Rule(
        "operator",
        "",
        "configmaps",
        ("get", "list"),
        "no word on the operator's autoscaler; whether HA metadata is there is unknown, and some plans are refused",
    ),
    Rule("pods", "batch", "jobs", ("get", "list", "create", "delete"), _NO_PODS),
    Rule("pods", "", "configmaps", ("create",), _NO_PODS),
    Rule("pods", "networking.k8s.io", "networkpolicies", ("create",), _NO_PODS),
    Rule("pods", "", "pods", ("list",), _NO_PODS),
    Rule("pods", "", "pods/log", ("get",), _NO_PODS),
)


class Review(NamedTuple):
    """Which verbs of a rule the account has in one namespace (None: in all), and which it lacks."""

    rule: Rule
    namespace: str | None
    lacks: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether nothing is missing."""
        return not self.lacks


def review(
    client: KubeClient, present: frozenset[str], scopes: Sequence[str | None], deadline: Deadline
) -> Iterator[Review]:
    """Asks for each rule (of the resources that the cluster has) in each scope. Raises Unreachable or a kind of it.

    In the scope of all namespaces (None) leases and pods are asked about in those that have jobs.
    """
    for rule in RULES:
        if rule.group == GROUP and rule.resource not in present:
            continue
        asked = _asked(client, rule, scopes, deadline)
        if len(asked) > _MOST_NAMESPACES:
            yield Review(rule, f"{asked[_MOST_NAMESPACES]} and after it ({len(asked)} in all)", (NOT_ASKED,))
        for namespace in asked[:_MOST_NAMESPACES]:
            lacks = tuple(verb for verb in rule.verbs if not _may(client, rule, verb, namespace, deadline))
            yield Review(rule, namespace, lacks)


def _asked(client: KubeClient, rule: Rule, scopes: Sequence[str | None], deadline: Deadline) -> Sequence[str | None]:
    if rule.role == "cluster":
        return (None,)
    if rule.role not in _BY_NAMESPACE or None not in scopes:
        return scopes
    try:
        found = list_all(client, custom_path("flinkdeployments", None), deadline)
    except Denied:  # said already
        return ()
    return sorted({identity(one)[0] for one in found})


def whoami(client: KubeClient, deadline: Deadline) -> str | None:
    """The account's name as the API server sees it (Kubernetes 1.28 and newer), else None."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = client.send("POST", path, body, _decoder, deadline)
    except FlinkopsError:
        return None
    return text(section(section(answer, "status"), "userInfo"), "username")


def _may(client: KubeClient, rule: Rule, verb: str, namespace: str | None, deadline: Deadline) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {
        "namespace": namespace or "",
        "group": rule.group,
        "resource": resource,
        "subresource": subresource,
        "verb": verb,
        "name": rule.names[0] if rule.names else "",
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = client.send("POST", _REVIEWS, body, _decoder, deadline)
    return section(answer, "status").get("allowed") is True
