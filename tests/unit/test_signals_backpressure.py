"""Backpressure and the vertex that is to blame for it."""

from flinkops.assess.backpressure import backpressure
from flinkops.model.assessment import Bottleneck
from flinkops.model.facts import JobFacts
from flinkops.model.graph import Graph
from flinkops.model.history import JobSample
from tests.unit.builders import NOW_MS, job, spread, vertex, with_vertex


def bottleneck_of(facts: JobFacts, past: tuple[JobSample, ...] = ()) -> Bottleneck | None:
    found = backpressure(facts, Graph(facts.vertices), past).value
    assert found is not None
    return found.bottleneck


class TestBackpressure:
    def test_levels_are_flinks(self) -> None:
        for ratio, level in ((0.0, "none"), (0.1, "none"), (0.11, "low"), (0.5, "low"), (0.51, "high"), (1.2, "high")):
            facts = with_vertex(job(), "src", backpressured_ratio=spread(0.0, max=ratio))
            found = backpressure(facts, Graph(facts.vertices), ()).value
            assert found is not None
            assert (found.level, found.ratio) == (level, min(1.0, ratio))

    def held(self, **work: object) -> JobFacts:
        facts = with_vertex(job(), "src", backpressured_ratio=spread(0.9))
        return with_vertex(facts, "work", **work)

    def test_capacity(self) -> None:
        found = bottleneck_of(self.held(busy_ratio=spread(0.98)))
        assert found is not None
        assert (found.vertex, found.kind) == ("vertex work", "capacity")

    def test_low_backpressure_has_no_bottleneck(self) -> None:
        facts = with_vertex(with_vertex(job(), "src", backpressured_ratio=spread(0.4)), "work", busy_ratio=spread(0.98))
        found = backpressure(facts, Graph(facts.vertices), ())
        assert found.value is not None
        assert (found.value.level, found.value.bottleneck) == ("low", None)
        assert "no vertex holds the others up" in found.not_applicable["backpressure.bottleneck"]

    def test_key_skew(self) -> None:
        found = bottleneck_of(self.held(busy_ratio=spread(0.98, avg=0.3, min=0.05)))
        assert found is not None
        assert found.kind == "key-skew"

    def test_external(self) -> None:
        found = bottleneck_of(self.held(busy_ratio=spread(0.04)))
        assert found is not None
        assert found.kind == "external"

    def test_a_busy_time_that_is_no_number_is_inferred(self) -> None:
        found = bottleneck_of(self.held(busy_ratio=None))
        assert found is not None
        assert "not reported" in found.why

    def test_the_walk_ends_at_the_first_that_is_not_held_up(self) -> None:
        facts = self.held(backpressured_ratio=spread(0.95), busy_ratio=spread(0.05))
        found = bottleneck_of(with_vertex(facts, "sink", busy_ratio=spread(1.0)))
        assert found is not None
        assert found.vertex == "vertex sink"

    def test_independent_branches_are_all_named(self) -> None:
        facts = job(
            vertices=(
                vertex("a", backpressured_ratio=spread(0.9)),
                vertex("b", backpressured_ratio=spread(0.7)),
                vertex("slow a", "a", busy_ratio=spread(1.0)),
                vertex("slow b", "b", busy_ratio=spread(0.1)),
            )
        )
        found = bottleneck_of(facts)
        assert found is not None
        assert found.vertex == "vertex slow a"
        assert '"vertex slow b" (external)' in found.why

    def test_an_idle_sibling_is_not_to_blame(self) -> None:
        facts = job(
            vertices=(
                vertex("src", backpressured_ratio=spread(0.9)),
                vertex("slow", "src", busy_ratio=spread(0.99)),
                vertex("idle", "src", busy_ratio=spread(0.02)),
            )
        )
        found = bottleneck_of(facts)
        assert found is not None
        assert "idle" not in found.why
        assert found.vertex == "vertex slow"

    def test_windows_that_fire_by_turns(self) -> None:
        past = tuple(
            JobSample(at_ms=NOW_MS - 10_000 * age, state="RUNNING", busiest=((leader, 0.9, 0.0),))
            for age, leader in ((5, "work"), (4, "sink"), (3, "work"), (2, "sink"), (1, "work"))
        )
        found = bottleneck_of(self.held(busy_ratio=spread(0.98)), past)
        assert found is not None
        assert found.kind == "window-firing"
        assert '"vertex sink"' in found.why

    def test_a_source_that_falls_behind_without_backpressure(self) -> None:
        facts = with_vertex(job(), "src", busy_ratio=spread(0.97), pending_records=spread(3_000))
        past = tuple(
            JobSample(at_ms=NOW_MS - 10_000 * age, state="RUNNING", pending_records=pending)
            for age, pending in ((2, 1_000.0), (1, 2_000.0))
        )
        found = bottleneck_of(facts, past)
        assert found is not None
        assert (found.vertex, found.kind) == ("vertex src", "capacity")
        assert bottleneck_of(facts, past[:1]) is None

    def test_one_missing_vertex_leaves_it_unknown_unless_another_is_high(self) -> None:
        facts = with_vertex(job(), "sink", backpressured_ratio=None)
        found = backpressure(facts, Graph(facts.vertices), ())
        assert found.value is None
        assert '"vertex sink"' in found.unknown["backpressure"]
        high = with_vertex(facts, "src", backpressured_ratio=spread(0.8))
        assert backpressure(high, Graph(high.vertices), ()).value is not None


class TestOneSlowVertexBehindAnother:
    """The busiest and last one decides how much flows; the others wait for it a part of the time."""

    def blamed(self, own: float, sink_busy: float) -> str | None:
        vertices = (
            vertex("src", backpressured_ratio=spread(0.95)),
            vertex("work", "src", busy_ratio=spread(0.8), backpressured_ratio=spread(own)),
            vertex("send", "work", busy_ratio=spread(sink_busy)),
        )
        found = bottleneck_of(job(vertices=vertices))
        return found.vertex if found else None

    def test_the_one_behind_is_busier(self) -> None:
        assert self.blamed(0.48, 0.8) == "vertex send"
        assert self.blamed(0.11, 0.95) == "vertex send"

    def test_it_has_more_time_or_is_not_waited_for(self) -> None:
        assert self.blamed(0.48, 0.79) == "vertex work"
        assert self.blamed(0.1, 0.99) == "vertex work"
