"""Any sequence of our own commands through the operator: no job ever starts behind what had been kept."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.unit.fake_operator import FakeOperator
from tests.unit.operator_sequences import COMMANDS, VERSIONS, Kind, run

KINDS = st.builds(
    lambda minor, ha, mode: Kind(minor, ha, mode if ha or minor >= 10 else "savepoint"),
    st.sampled_from(VERSIONS),
    st.booleans(),
    st.sampled_from(["savepoint", "last-state"]),
)
SEQUENCES = st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 99)), min_size=2, max_size=6)
BAD_GOOD_BAD_ROLLBACK = [("bad-image", 1), ("upgrade", 2), ("bad-image", 3), ("rollback", 0)]
SUSPEND_EDIT_RESUME_ROLLBACK = [("suspend", 0), ("upgrade", 2), ("resume", 0), ("rollback", 0)]
OLD_MANIFEST = [("bad-image", 1), ("upgrade", 2), ("bad-loop", 1), ("apply-old", 1), ("apply-old-keep-nonce", 1)]


@settings(max_examples=examples(2, quick=1), suppress_health_check=[HealthCheck.too_slow])
@given(KINDS, SEQUENCES)
@example(Kind(15), BAD_GOOD_BAD_ROLLBACK)
@example(Kind(7), BAD_GOOD_BAD_ROLLBACK)
@example(Kind(15), SUSPEND_EDIT_RESUME_ROLLBACK)
@example(Kind(7), SUSPEND_EDIT_RESUME_ROLLBACK)
@example(Kind(15), OLD_MANIFEST)
@example(Kind(15), [("upgrade-last-state", 1), ("suspend", 0), ("remove-nonces", 0), ("resume", 0), ("restart", 0)])
def test_state_never_goes_back(kind: Kind, commands: list[tuple[str, int]]) -> None:
    assert run(kind, commands).losses == ()


@pytest.mark.parametrize("minor", [8, 15])
def test_a_loss_is_noticed(minor: int) -> None:
    """As any other tool does it: a manifest of before, with its nonce and its path."""
    fake = FakeOperator(minor)
    assert fake.resource is not None
    before = {**fake.resource["spec"]["job"], "savepointRedeployNonce": 1, "initialSavepointPath": "s3://bucket/old"}
    for _ in range(3):
        fake._tick()
    fake.edit({**fake.resource["spec"], "job": before})
    for _ in range(3):
        fake._tick()
    (loss,) = fake.losses
    assert loss.startswith("from s3://bucket/old at 0, and ")
