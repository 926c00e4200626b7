"""Options of the operator's autoscaler under the names that each version reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.errors import UsageError
from flinkops.model.option_names import AUTOSCALER
from flinkops.plan.operator.autoscaler_options import default_of, known_to, named_for

RENAMED = {"utilization.target": "0.8", "scale-down.interval": "10 min"}
OLD_NAMES = {"target.utilization": "0.8", "scale-up.grace-period": "10 min"}


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("1.7.0", {"target.utilization", "scale-up.grace-period"}),
        ("1.9.0", {"target.utilization", "scale-up.grace-period"}),
        ("1.10.0", {"target.utilization", "scale-down.interval"}),
        ("1.15.0", {"utilization.target", "scale-down.interval"}),
        ("1.16-SNAPSHOT", {"utilization.target", "scale-down.interval"}),
        ("2.0.0", {"utilization.target", "scale-down.interval"}),
        (None, {"target.utilization", "scale-up.grace-period"}),  # which all versions read
    ],
)
@pytest.mark.parametrize("given_as", [RENAMED, OLD_NAMES])
def test_a_renamed_option_gets_the_name_that_the_version_reads(
    version: str | None, names: set[str], given_as: dict[str, str]
) -> None:
    found = named_for(given_as, version)
    assert found.settings.keys() == {AUTOSCALER + name for name in names}
    assert set(found.settings.values()) == {"0.8", "10 min"}
    assert found.doubts == ()


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("utilization.min", "1.10.0", "came with 1.11"),
        ("scaling.parallelism-alignment.mode", "1.15.0", "came with 1.16"),
        ("memory.tuning.enabled", "1.7.0", "came with 1.8"),
        ("scaling.custom-executor.mine.class", "1.15.0", "came with 1.16"),
        ("utilisation.target", "1.15.0", 'did you mean "utilization.target"'),
        ("cool-down", "1.15.0", "has no option cool-down"),  # flinkops' own: the operator would ignore it
        ("settle", None, "has no option settle"),
    ],
)
def test_what_the_version_does_not_know_is_refused(name: str, version: str | None, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        named_for({name: "1"}, version)
    assert words in refused.value.line()


def test_two_names_of_one_option_must_agree() -> None:
    assert named_for({"utilization.target": "0.8", "target.utilization": "0.8"}, "1.15.0").settings == {
        "job.autoscaler.utilization.target": "0.8"
    }
    with pytest.raises(UsageError, match="given twice"):
        named_for({"utilization.target": "0.8", "target.utilization": "0.7"}, "1.15.0")


def test_where_the_version_is_not_known_doubt_is_said() -> None:
    (doubt,) = named_for({"job.autoscaler.memory.tuning.enabled": "true"}, None).doubts
    assert "came with operator 1.8" in doubt


def test_alignment_is_balanced_from_1_16_on() -> None:
    name = "scaling.parallelism-alignment.mode"
    assert (default_of(name, "1.16.0"), default_of(name, "1.15.0")) == ("BALANCED", None)
    assert default_of("scaling.key-group.partitions.adjust.mode", "1.15.0") == "EVENLY_SPREAD"
    assert default_of("nothing", "1.15.0") is None


@given(st.integers(7, 16), st.data())
def test_every_option_of_a_version_is_written_as_it_is(minor: int, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(known_to(minor)))
    assert named_for({name: "x"}, f"1.{minor}.0").settings == {AUTOSCALER + name: "x"}
