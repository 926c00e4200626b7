"""From what a rehearsal saw to its verdict, and from that to whether an upgrade goes on."""

import json
import string
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.model.rehearsal import Rehearsal
from flinkops.plan.rehearsal import accepted, judge, needs_control, refusal, unopened
from flinkops.plan.rehearsal_seen import Cause, DeclaredState, OpenedState, SavedState, Seen, SeenOperator

COUNT, SOURCE, SINK = "a" * 32, "b" * 32, "c" * 32
MIGRATION = Cause("org.apache.flink.util.StateMigrationException", "the new serializer is incompatible")


def operator(id_: str = COUNT, name: str | None = "count", **more: object) -> SeenOperator:
    fields = {"has_state": True, "runs_as": id_, "saved_parallelism": 1, "saved_max_parallelism": 128, "state_bytes": 9}
    return msgspec.convert({"id": id_, "name": name, **fields, **more}, SeenOperator)


def new_operator(id_: str, name: str) -> SeenOperator:
    return SeenOperator(id_, name=name, runs_as=id_)


def saved(name: str, operator_id: str = COUNT) -> SavedState:
    return SavedState(operator_id, name, "keyed", "VALUE")


def opened(name: str, operator_id: str = COUNT, **more: object) -> OpenedState:
    fields = {"operator": operator_id, "name": name, "kind": "keyed", "type": "VALUE", "restored": True, **more}
    return msgspec.convert(fields, OpenedState)


def seen(**more: object) -> Seen:
    fields: dict[str, object] = {
        "schema_version": 1,
        "outcome": "restored",
        "phase": "snapshot",
        "job": "orders",
        "against": "file:/sp",
        "restore_ms": 1200,
        "operators": (operator(),),
        "saved": (saved("count"),),
        "opened": (opened("count"),),
        **more,
    }
    return Seen(**fields)  # type: ignore[arg-type]


def test_all_that_was_saved_is_opened() -> None:
    found = judge("orders", seen())
    assert (found.verdict, found.cause, found.lost, found.risks) == ("restores", None, (), ())
    assert (found.against, found.restore_seconds) == ("file:/sp", 1.2)
    assert [(one.name, one.outcome) for one in found.operators] == [("count", "restored")]
    assert [(one.name, one.outcome) for one in found.states] == [("count", "compatible")]
    assert refusal(found, ()) is None


def test_an_operator_that_nothing_takes_over_is_the_refusal_that_flink_gives() -> None:
    gone, came = operator(in_graph=False), new_operator("d" * 32, "counted")
    found = judge("orders", seen(operators=(gone, came), opened=()))
    assert found.verdict == "fails"
    assert found.cause == "no operator of the program takes the state of count (operators without state in it: counted)"
    assert found.lost == (COUNT,)
    assert {(one.name, one.outcome) for one in found.operators} == {("count", "dropped"), ("counted", "new")}
    assert f"--accept-loss {COUNT}" in (found.remedy or "")
    assert refusal(found, ()) is not None
    assert refusal(found, ("count",)) is None
    assert refusal(found, (COUNT,)) is None


def test_an_operator_that_a_savepoint_of_1_20_does_not_name_has_the_name_of_the_running_chain() -> None:
    gone, other = operator(name=None, in_graph=False), operator(SOURCE, name=None, in_graph=False)
    nameless = seen(operators=(gone, other, operator(SINK, "kept")), opened=())
    found = judge("orders", nameless.named({COUNT: "count -> discard: Writer", SINK: "sink", "e" * 32: "more"}))
    assert found.cause == f"no operator of the program takes the state of count, operator {SOURCE}"
    assert [one.name for one in found.operators] == ["count", None, "kept"]
    assert accepted(found, ["count", SOURCE])


def test_what_may_be_dropped_is_a_loss_all_the_same() -> None:
    found = judge("orders", seen(operators=(operator(in_graph=False),), opened=()), drops=True)
    assert (found.verdict, found.lost) == ("loses-state", (COUNT,))
    assert refusal(found, ("another",)) is not None


def test_an_operator_that_had_no_state_is_no_loss() -> None:
    gone = operator(in_graph=False, has_state=False)
    assert judge("orders", seen(operators=(gone,), saved=(), opened=())).verdict == "restores"


def test_a_state_of_another_name_in_its_place_is_a_loss() -> None:
    found = judge("orders", seen(opened=(opened("counts", restored=False),)))
    assert found.verdict == "loses-state"
    assert found.cause == "count does not open its state count any more"
    assert {(one.name, one.outcome) for one in found.states} == {("counts", "added"), ("count", "unopened")}


def test_an_unopened_state_is_a_risk_unless_the_running_program_opens_it() -> None:
    new = seen(saved=(saved("count"), saved("lazy")))
    assert needs_control(new)
    alone, lazy = judge("orders", new), judge("orders", new, control=new)
    assert alone.verdict == lazy.verdict == "restores"
    assert lazy.risks == ("count: state lazy is not opened before its first record: it was not tried",)
    old = seen(saved=new.saved, opened=(opened("count"), opened("lazy")))
    assert judge("orders", new, control=old).verdict == "loses-state"


def test_a_state_that_its_first_record_would_fail_to_read_fails_where_the_old_program_reads_it() -> None:
    refused = DeclaredState(COUNT, "lazy", "it cannot be read by the serializer declared")
    new = seen(
        saved=(saved("count"), saved("lazy")), declared=(refused, DeclaredState(COUNT, "count", "opened, so no"))
    )
    old = seen(saved=new.saved)
    found = judge("orders", new, control=old)
    assert (found.verdict, found.cause) == (
        "fails",
        "count: state lazy, opened with its first record: it cannot be read by the serializer declared",
    )
    assert judge("orders", new, control=new).verdict == "restores", "so it was, and no evidence"
    alone = judge("orders", new)
    assert (alone.verdict, alone.risks) == (
        "restores",
        (
            "count: state lazy is not opened before its first record:"
            " may not be readable then: it cannot be read by the serializer declared",
        ),
    )
    own = seen(saved=new.saved, declared=(msgspec.structs.replace(refused, own=True),))
    assert judge("orders", own).verdict == "fails", "nobody else uses it"
    assert judge("orders", own, control=own).verdict == "restores"


def test_a_broadcast_state_does_not_take_over_the_list_of_its_name() -> None:
    kept = SavedState(COUNT, "seen", "operator", "OPERATOR")
    old = seen(saved=(kept,), opened=(opened("seen", kind="operator", type="LIST"),))
    assert judge("orders", old, control=old).verdict == "restores"
    new = seen(saved=(kept,), opened=(opened("seen", kind="operator", type="BROADCAST", restored=False),))
    found = judge("orders", new, control=old)
    assert (found.verdict, found.cause) == ("loses-state", "count does not open its state seen any more")
    rules = seen(saved=(SavedState(COUNT, "seen", "operator", "BROADCAST"),), opened=new.opened)
    assert judge("orders", rules, control=rules).verdict == "restores"


def test_values_of_a_field_that_the_class_has_no_more_are_a_risk() -> None:
    migrated = opened("count", compatibility="after-migration", dropped_fields=("pieces", "address.city"))
    found = judge("orders", seen(opened=(migrated,)))
    assert (found.verdict, found.lost) == ("restores", ())
    (risk,) = found.risks
    assert risk == (
        "count: state count: the class has no field pieces, address.city any more, its values are dropped;"
        " a field that was renamed begins empty"
    )
    (state,) = found.states
    assert (state.outcome, state.detail) == ("migrated", risk.split(": ", 2)[2].partition(";")[0])


def test_timers_and_replaced_sinks_are_not_judged() -> None:
    sink = operator(SINK, "files", replaced="kept")
    timers = SavedState(COUNT, "_timer_state/event_user-timers", "keyed", "PRIORITY_QUEUE")
    found = judge(
        "orders",
        seen(
            operators=(operator(), sink), saved=(saved("count"), timers, SavedState(SINK, "bucket-states", "operator"))
        ),
    )
    assert (found.verdict, found.risks) == ("restores", ())
    assert [one.outcome for one in found.operators] == ["restored", "kept"]


def test_a_state_that_was_opened_under_the_operators_own_id_counts() -> None:
    """A user's hash names the operator in the savepoint; the backend is told the generated id."""
    found = judge("orders", seen(operators=(operator(runs_as="e" * 32),), opened=(opened("count", "e" * 32),)))
    assert (found.verdict, found.risks) == ("restores", ())


def test_an_incompatible_state_is_named_with_its_operator() -> None:
    state = opened("count", error="StateMigrationException: no", compatibility="incompatible")
    found = judge("orders", seen(outcome="failed", phase="restore", causes=(MIGRATION,), opened=(state,)))
    assert (found.verdict, found.cause) == ("fails", "count: state count: StateMigrationException: no")
    assert refusal(found, ("count", COUNT)) is not None, "no word makes that restore"


def test_a_value_that_cannot_be_read_fails_though_the_job_ran() -> None:
    assert judge("orders", seen(opened=(opened("count", error="EOFException: null"),))).verdict == "fails"


def test_max_parallelism_has_its_own_remedy() -> None:
    limited = operator(max_parallelism=64)
    cause = Cause("java.lang.IllegalStateException", "The maximum parallelism (64) is not 128")
    found = judge("orders", seen(outcome="failed", operators=(limited,), causes=(cause,), opened=()))
    assert found.verdict == "fails"
    assert "pipeline.max-parallelism to 128" in (found.remedy or "")


@pytest.mark.parametrize(
    "more",
    [
        {"outcome": "failed", "causes": (Cause("java.lang.OutOfMemoryError", "Java heap space"),)},
        {"outcome": "failed", "causes": (MIGRATION, Cause("java.net.ConnectException", "refused"))},
        {"outcome": "impossible", "phase": "metadata", "causes": (Cause("java.io.IOException", "no such bucket"),)},
        {"outcome": "impossible", "phase": "replace", "not_replaced": ("Source: odd",)},
        {"outcome": "impossible", "phase": "start", "causes": ()},
    ],
)
def test_what_lies_in_the_surroundings_is_no_verdict(more: dict[str, object]) -> None:
    found = judge("orders", seen(opened=(), **more))
    assert found.verdict == "cannot-tell"
    assert found.cause
    assert refusal(found, ()) is None


def test_a_checkpoint_that_was_subsumed_is_seen_as_such() -> None:
    gone = Cause("java.io.FileNotFoundException", "/chk-7/_metadata")
    assert seen(outcome="impossible", causes=(gone,)).state_is_gone
    assert seen(outcome="failed", causes=(MIGRATION, gone)).state_is_gone
    assert not seen(causes=(gone,)).state_is_gone


@pytest.mark.parametrize(
    ("against", "missing", "verdict"),
    [
        ("file:/cp/1f/chk-7", "Cannot find checkpoint or savepoint file/directory 'file:/cp/1f/chk-7'", "cannot-tell"),
        ("file:/cp/1f/chk-7", "/cp/1f/shared/0a (No such file or directory)", "cannot-tell"),
        ("file:/cp/1f/chk-7", "/opt/model.bin (No such file or directory)", "fails"),
        ("file:/cp/savepoint-1", "/cp/savepoint-1/0a (No such file or directory)", "cannot-tell"),
        ("file:/cp/savepoint-1", "/cp/model.bin (No such file or directory)", "fails"),
        ("", "/opt/model.bin (No such file or directory)", "fails"),
    ],
)
def test_a_state_whose_files_are_gone_says_nothing_of_the_program(against: str, missing: str, verdict: str) -> None:
    causes = (Cause("java.lang.Exception", "could not start"), Cause("java.io.FileNotFoundException", missing))
    assert judge("orders", seen(outcome="failed", against=against, causes=causes, opened=())).verdict == verdict


def test_a_restore_that_broke_off_while_it_read_is_tried_again_and_no_verdict() -> None:
    closed = Cause("java.io.IOException", "Cannot register Closeable, registry is already closed. Closing argument.")
    broken_off = seen(outcome="failed", causes=(Cause("java.lang.Exception", "could not restore"), closed))
    assert broken_off.state_is_gone
    assert judge("orders", broken_off).verdict == "cannot-tell"
    wrapped = seen(outcome="failed", causes=(closed, MIGRATION))
    assert not wrapped.state_is_gone
    assert judge("orders", wrapped).verdict == "fails"


def test_a_serializer_that_refuses_a_version_is_no_broken_file() -> None:
    refuses = Cause("java.io.IOException", "a split of version 1", deserializing=True)
    found = seen(outcome="failed", causes=(Cause("java.lang.Exception", "could not restore"), refuses))
    assert not found.state_is_gone
    verdict = judge("orders", found)
    assert (verdict.verdict, verdict.cause) == ("fails", "IOException: a split of version 1")


def test_what_a_program_says_is_one_short_printable_line() -> None:
    nasty = Cause("java.lang.IllegalStateException", "\x1b[31mred\x1b[0m\n" + "long " * 1000)
    found = judge("orders", seen(outcome="failed", causes=(nasty,), opened=()))
    assert found.cause is not None
    assert found.cause.isprintable()
    assert len(found.cause) <= 500


_NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=3)
_OPERATORS = st.sampled_from([COUNT, SOURCE, SINK])


@st.composite
def _seen(draw: st.DrawFn) -> Seen:
    ids = draw(st.lists(_OPERATORS, unique=True, min_size=1))
    operators = [operator(one, one[0], in_graph=draw(st.booleans()), has_state=draw(st.booleans())) for one in ids]
    states = [saved(draw(_NAMES), draw(st.sampled_from(ids))) for _ in range(draw(st.integers(0, 4)))]
    known = {(one.operator, one.name) for one in states}
    names = [(draw(st.sampled_from(ids)), draw(_NAMES)) for _ in range(draw(st.integers(0, 4)))]
    opens = [opened(name, one, restored=(one, name) in known) for one, name in names]
    return seen(operators=tuple(operators), saved=tuple(states), opened=tuple(opens))


@given(_seen(), st.booleans())
def test_laws(one: Seen, drops: bool) -> None:
    found = judge("orders", one, control=one, drops=drops)
    lost = {each.id for each in one.operators if not each.in_graph and each.has_state}
    assert lost <= set(found.lost), "what is dropped is always named"
    assert (found.verdict == "restores") == (found.lost == ())
    assert refusal(found, ()) is None or found.refuses
    assert accepted(found, found.lost) == bool(found.lost)
    assert refusal(found, found.lost) is None
    for name in found.lost:
        rest = tuple(each for each in found.lost if each != name)
        known = {each.id: each.name for each in found.operators}
        if known.get(name) not in {known.get(each) for each in rest}:
            assert refusal(found, rest) is not None, "each loss has to be named"
    left = {(each.operator, each.name) for each in unopened(one)}
    shown = {(each.operator, each.name) for each in found.states if each.outcome == "unopened"}
    assert left == shown, "nothing unopened is passed over in silence"


@given(_seen())
def test_the_same_program_with_lazily_opened_state_is_never_refused(one: Seen) -> None:
    """Unchanged, rehearsed against its own state: all it opens is in it, and what it does not open it never did."""
    same = msgspec.structs.replace(
        one,
        operators=tuple(msgspec.structs.replace(each, in_graph=True) for each in one.operators),
        opened=tuple(each for each in one.opened if each.restored),
    )
    assert judge("orders", same, control=same).verdict == "restores"


def test_a_rehearsal_says_nothing_else_in_its_document() -> None:
    from flinkops.act.rehearsal_document import rehearsal_document

    document = rehearsal_document(Rehearsal("orders", "restores"))
    wanted = {"schema_version", "job", "verdict", "cause", "against", "seconds", "restore_seconds", "outside"}
    assert wanted | {"operators", "states"} <= set(document)


def test_a_new_state_beside_a_lazy_one_is_no_loss() -> None:
    new = seen(saved=(saved("count"), saved("lazy")), opened=(opened("count"), opened("more", restored=False)))
    old = seen(saved=new.saved)
    assert judge("orders", new, control=old).verdict == "restores"
    assert judge("orders", new).verdict == "loses-state", "without the old program the new name is what tells"
    other_type = seen(saved=new.saved, opened=(opened("count"), opened("more", type="MAP", restored=False)))
    assert judge("orders", other_type).verdict == "restores"


RECORDED = {
    entry["change"]: entry
    for path in sorted((Path(__file__).parent / "rehearsals").glob("*.jsonl"))
    for entry in map(json.loads, path.read_text(encoding="utf-8").splitlines())
}
"""What real rehearsals of tests/local/changed_job saw, with one line changed each, and what Flink did with them."""


@pytest.mark.parametrize("change", RECORDED)
def test_recorded_rehearsals_are_judged_as_flink_did(change: str) -> None:
    one = msgspec.convert(RECORDED[change]["seen"], Seen)
    before = msgspec.convert(RECORDED["unchanged"]["seen"], Seen)
    found = judge("changed", one, control=before if needs_control(one) else None)
    assert found.verdict == RECORDED[change]["verdict"], found.cause
    if found.verdict == "loses-state":
        assert found.cause == "count does not open its state latest any more"
