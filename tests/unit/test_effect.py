"""What follows from what a running job shows: as wanted, as before, neither, not told."""

import msgspec
import pytest

from flinkops.model.effect import Expected, PodImage, RunsWith
from flinkops.model.facts import JobFacts, VertexFacts
from flinkops.plan.effect import DEFAULT_PARALLELISM, Verdict, readings, same_value
from flinkops.plan.operator.effects import expected_of, lost_overrides
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.spec import compared

SEEN, CONTRADICTED = Verdict.SEEN, Verdict.CONTRADICTED
NOT_YET, NOT_COMPARABLE = Verdict.NOT_YET, Verdict.NOT_COMPARABLE
JOB = JobFacts(id="a" * 32, name="count", cluster="prod", seen_ms=1, state="RUNNING")


def running(*parallelisms: int, limit: int | None = 128) -> JobFacts:
    vertices = tuple(
        VertexFacts(id=f"v{number}", name=f"vertex {number}", parallelism=one, max_parallelism=limit, status="RUNNING")
        for number, one in enumerate(parallelisms)
    )
    return msgspec.structs.replace(JOB, vertices=vertices)


def verdict(one: Expected, job: JobFacts = JOB, told: RunsWith | None = None, *, application: bool = True) -> Verdict:
    (found,) = readings([one], job, told or RunsWith(), application=application)
    return found.verdict


def setting(before: str | None, wanted: str | None, name: str = "a.key") -> Expected:
    return Expected("setting", name, before, wanted)


@pytest.mark.parametrize(
    ("now", "before", "wanted", "found"),
    [
        ("2", "1", "2", SEEN),
        ("120 s", "1 min", "2 min", SEEN),
        ("2048m", "1g", "2 gb", SEEN),
        ("TRUE", "false", "true", SEEN),
        ("1", "1", "2", CONTRADICTED),
        (None, None, "2", CONTRADICTED),  # it was not there before either
        ("1", "1", None, CONTRADICTED),  # it was to go
        (None, "1", None, SEEN),
        ("[a, b]", "a", "a;b", NOT_COMPARABLE),  # written otherwise
        ("******", "old", "new", NOT_COMPARABLE),
        ("******", None, "******", NOT_COMPARABLE),  # a mask is no value, whatever was wanted
    ],
)
def test_a_setting_of_an_applications_cluster(
    now: str | None, before: str | None, wanted: str | None, found: Verdict
) -> None:
    told = RunsWith(settings={} if now is None else {"a.key": now}, own={})
    assert verdict(setting(before, wanted), told=told) is found


def test_a_jobs_own_word_counts_before_its_clusters() -> None:
    """A program may set its checkpoints itself: then the setting has no effect, whatever the cluster has."""
    told = RunsWith(settings={"a.key": "60 s"}, own={"a.key": "5000 ms"})
    assert verdict(setting(None, "60 s"), told=told) is CONTRADICTED
    assert verdict(setting(None, "5 s"), told=told) is SEEN


def test_settings_that_nobody_tells() -> None:
    assert verdict(setting("1", "2"), told=RunsWith(settings={"a.key": "1"}), application=False) is NOT_COMPARABLE
    assert verdict(setting("1", "2"), told=RunsWith(own={"a.key": "2"}), application=False) is SEEN
    assert verdict(setting("1", "2"), told=RunsWith()) is NOT_YET
    assert verdict(setting("1", "2"), told=RunsWith(untold={"settings": "forbidden"})) is NOT_COMPARABLE
    kept_out = setting(None, "0.0.0.0", "rest.bind-address")
    assert verdict(kept_out, told=RunsWith(settings={}, own={})) is NOT_COMPARABLE


OLD, NEW = "count:1", "count:2"
IMAGE = Expected("image", "image", OLD, NEW)


def pods(*images: str, created_ms: int = 20) -> tuple[PodImage, ...]:
    return tuple(PodImage(f"pod-{number}", number == 0, image, created_ms) for number, image in enumerate(images))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (RunsWith(pods=pods(NEW, NEW), changed_ms=10), SEEN),
        (RunsWith(pods=pods(NEW, NEW)), SEEN),  # an API server that does not date its writes
        (RunsWith(pods=pods(OLD, OLD), changed_ms=10), CONTRADICTED),
        (RunsWith(pods=pods(NEW, OLD), changed_ms=10), CONTRADICTED),  # a TaskManager of before
        (RunsWith(pods=pods(NEW, NEW, created_ms=5), changed_ms=10), NOT_YET),  # they ran it before the change
        (RunsWith(pods=()), NOT_YET),
        (RunsWith(), NOT_YET),
        (RunsWith(pods=pods("mirror/count:2", "mirror/count:2"), changed_ms=10), NOT_COMPARABLE),
        (RunsWith(untold={"pods": "forbidden"}), NOT_COMPARABLE),
    ],
)
def test_an_image_is_that_of_pods_newer_than_the_change(told: RunsWith, found: Verdict) -> None:
    assert verdict(IMAGE, told=told) is found


@pytest.mark.parametrize(
    ("job", "default", "wanted", "found"),
    [
        (running(4, 4), None, 4, SEEN),
        (running(4, 1), None, 4, SEEN),  # a committer that can only be 1
        (running(2, 2), "4", 4, CONTRADICTED),  # adaptive, and too few slots
        (running(1, 2), "1", 1, SEEN),  # one operator has its own, by the program
        (running(1, 2), None, 1, CONTRADICTED),
        (running(8, 2), "4", 4, CONTRADICTED),
        (running(3, 3, limit=3), "4", 4, SEEN),  # as much as can be
        (running(), "4", 4, NOT_YET),
        (running(0, 0), "4", 4, NOT_YET),  # not decided yet
    ],
)
def test_parallelism_is_that_of_the_vertices(job: JobFacts, default: str | None, wanted: int, found: Verdict) -> None:
    own = {} if default is None else {DEFAULT_PARALLELISM: default}
    assert verdict(Expected("parallelism", "job.parallelism", "2", str(wanted)), job, RunsWith(own=own)) is found


def test_where_overrides_decide_the_default_is_all_that_can_be_seen() -> None:
    expected = Expected("default-parallelism", "job.parallelism", "2", "4")
    assert verdict(expected, running(2), RunsWith(own={DEFAULT_PARALLELISM: "4"})) is SEEN
    assert verdict(expected, running(2), RunsWith(own={DEFAULT_PARALLELISM: "2"})) is NOT_COMPARABLE
    assert verdict(expected, running(2), RunsWith()) is NOT_YET


def test_a_vertex_runs_as_its_override_says() -> None:
    assert verdict(Expected("vertex", "v0", None, "2"), running(2)) is SEEN
    assert verdict(Expected("vertex", "v0", None, "3"), running(2)) is CONTRADICTED
    assert verdict(Expected("vertex", "gone", None, "3"), running(2)) is NOT_COMPARABLE


def test_program_and_version_of_an_application() -> None:
    key = "$internal.application.program-args"
    program = Expected("program", key, "--a", "--a;--b")
    for text in ("--a;--b", "[--a, --b]"):
        assert verdict(program, told=RunsWith(settings={key: text})) is SEEN
    assert verdict(program, told=RunsWith(settings={key: "--a"})) is CONTRADICTED
    assert verdict(program, told=RunsWith(settings={})) is NOT_COMPARABLE  # standalone: by the command line
    version = Expected("flink-version", "flinkVersion", "v1_20", "v2_0")
    assert verdict(version, told=RunsWith(flink_version="2.0.1")) is SEEN
    assert verdict(version, told=RunsWith(flink_version="1.20.5")) is CONTRADICTED
    assert verdict(version, told=RunsWith(flink_version="2.1.0")) is NOT_COMPARABLE
    assert verdict(version) is NOT_YET


def test_same_value_knows_units_but_not_everything() -> None:
    assert same_value("1024", "1 kb")
    assert not same_value("1 min", "2 min")
    assert not same_value("a", "b")


OVERRIDES = "pipeline.jobvertex-parallelism-overrides"


def spec(**more: object) -> dict[str, object]:
    job = {"jarURI": "local:///a.jar", "parallelism": 2, "upgradeMode": "savepoint", "state": "running"}
    return {"image": OLD, "flinkVersion": "v1_20", "flinkConfiguration": {}, "job": job, **more}


def expected(after: dict[str, object], *, session_job: bool = False) -> set[tuple[str, str, str | None]]:
    fields = compared(spec(), after, Rules(15)).fields
    return {(one.kind, one.name, one.wanted) for one in expected_of(fields, after, session_job=session_job)}


def test_what_a_change_of_a_spec_is_to_bring_about() -> None:
    job = {**spec()["job"], "parallelism": 4, "args": ["a", "b"], "restartNonce": 3}  # type: ignore[dict-item]
    settings = {"x": "1", "kubernetes.operator.y": "1", "job.autoscaler.enabled": "false", "parallelism.default": "9"}
    memory = {"resource": {"memory": "2g"}}
    after = spec(image=NEW, job=job, flinkConfiguration=settings, restartNonce=5, taskManager=memory)
    assert expected(after) == {
        ("image", "image", NEW),
        ("parallelism", "job.parallelism", "4"),
        ("program", "$internal.application.program-args", "a;b"),
        ("setting", "x", "1"),
        ("other", "taskManager", None),
    }
    assert ("other", "job.args", None) in expected(after, session_job=True)


def test_overrides_are_expected_of_the_vertices_and_decide_on_the_parallelism() -> None:
    job = {**spec()["job"], "parallelism": 4}  # type: ignore[dict-item]
    for settings in ({OVERRIDES: "a:3,b:1"}, {f"{OVERRIDES}.a": "3", f"{OVERRIDES}.b": "1"}):
        after = spec(job=job, flinkConfiguration=settings)
        assert expected(after) == {
            ("vertex", "a", "3"),
            ("vertex", "b", "1"),
            ("default-parallelism", "job.parallelism", "4"),
        }
    autoscaled = spec(job=job, flinkConfiguration={"job.autoscaler.enabled": "true"})
    assert expected(autoscaled) == {("default-parallelism", "job.parallelism", "4")}


def test_a_reactive_job_takes_the_slots_of_the_taskmanagers() -> None:
    reactive = {"scheduler-mode": "REACTIVE", "taskmanager.numberOfTaskSlots": "2"}
    before = spec(mode="standalone", flinkConfiguration=reactive, taskManager={"replicas": 2})
    after = {**before, "taskManager": {"replicas": 3}}
    fields = compared(before, after, Rules(15)).fields
    (one,) = expected_of(fields, after)
    assert (one.kind, one.wanted) == ("parallelism", "6")


def test_only_flink_2_0_to_2_3_loses_overrides_at_the_start() -> None:
    settings = {OVERRIDES: "a:3"}
    assert lost_overrides(spec(flinkVersion="v2_3", flinkConfiguration=settings)) == {"a": 3}
    assert lost_overrides(spec(flinkVersion="v1_20", flinkConfiguration=settings)) == {}
    assert lost_overrides(spec(flinkVersion="v2_4", flinkConfiguration=settings)) == {}
    autoscaled = {**settings, "job.autoscaler.enabled": "true"}
    assert lost_overrides(spec(flinkVersion="v2_3", flinkConfiguration=autoscaled)) == {}
