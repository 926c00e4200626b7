"""deployment-stuck: the pods behind a job do not come up, or fall over; the custom resource itself does not say why."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import Rule, Verdict, line, remedy
from flinkops.model.facts import StuckFacts
from flinkops.model.findings import Finding, Remedy
from flinkops.model.option_names import AUTOSCALER, AUTOSCALER_ENABLED
from flinkops.model.overrides import OVERRIDES
from flinkops.model.switches import is_on

CODE = "deployment-stuck"
_DEBUGGING = "https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/"

STUCK_SECONDS = 30.0
"""So long a node or an image may take to come."""

_REMEDIES: dict[str, tuple[str, Remedy]] = {
    "image": (
        "its image cannot be pulled",
        remedy(
            "Name an image that exists and that the cluster may pull: tag, registry, imagePullSecrets", "spec.image"
        ),
    ),
    "unschedulable": (
        "no node has room for it",
        remedy("Ask for less, or add a node: CPU and memory of the TaskManager", "spec.taskManager.resource.memory"),
    ),
    "oom-killed": (
        "it was killed for using more memory than it has",
        remedy(
            "Give the process more memory; where RocksDB or native code uses it, more overhead; costs memory",
            "taskmanager.memory.jvm-overhead.fraction",
            "0.2",
        ),
    ),
    "crash-loop": (
        "its container ends again and again",
        remedy("Read the log of the container that ended: a missing jar, class or setting stands in its last lines"),
    ),
    "container": (
        "its container cannot be made",
        remedy("Check what it refers to and is not there: a config map, a secret, a command"),
    ),
    "volume": ("a volume cannot be attached", remedy("Check the claim and its storage class", "spec.podTemplate")),
    "quota": (
        "the namespace's quota is used up",
        remedy("Ask for less, end what is not needed, or have the quota raised"),
    ),
}


_LACKS_ROOM = frozenset({"quota", "unschedulable"})
_BOUND = remedy(
    "The operator's autoscaler scales this job: keep it within what there is room for; costs throughput",
    f"{AUTOSCALER}vertex.max-parallelism",
)


def judge(case: Case) -> Verdict:
    """One finding for each reason that the cluster gives, however many pods have it."""
    resource = case.job.resource
    by_code: dict[str, list[StuckFacts]] = {}
    for each in resource.stuck if resource else ():
        by_code.setdefault(each.code, []).append(each)
    case.above("reasons that the cluster gives", len(by_code), 0, "count")
    return [_finding(case, code, stuck) for code, stuck in sorted(by_code.items())]


def _finding(case: Case, code: str, stuck: list[StuckFacts]) -> Finding:
    what, fix = _REMEDIES.get(code, ("a pod does not come up", remedy("Read what the cluster says of it")))
    since_ms = min((each.since_ms for each in stuck if each.since_ms is not None), default=None)
    seconds = None if since_ms is None else max(0.0, (case.job.seen_ms - since_ms) / 1000)
    lasts = [] if seconds is None else [line("seconds since", seconds, STUCK_SECONDS, "seconds")]
    return Finding(
        code=CODE,
        severity="info" if seconds is not None and seconds < STUCK_SECONDS else "critical",
        confidence=0.95 if code in _REMEDIES else 0.7,
        title=f"Of {len(stuck)} pods, {what}" if len(stuck) > 1 else f"{stuck[0].object}: {what}",
        evidence=(*(line(f"{each.object}: {each.text}"[:300]) for each in stuck[:3]), *lasts),
        remedy=(_BOUND, fix) if code in _LACKS_ROOM and _autoscaled(case) else (fix,),
        next=f"flinkops status {case.selector}",
        reference=_DEBUGGING,
    )


def _autoscaled(case: Case) -> bool:
    """The operator's autoscaler is on, and has decided a parallelism."""
    return is_on(case.job.configuration, AUTOSCALER_ENABLED, default=False) and bool(case.setting(OVERRIDES))


RULE = Rule(CODE, judge, running=False, unseen=True)
