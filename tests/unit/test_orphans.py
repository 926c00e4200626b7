"""What nobody refers to: never a file that something refers to, in any world."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkops.act.savepoint_metadata import parse_metadata
from flinkops.plan.orphan_list import listed, select
from flinkops.plan.orphans import LAST_STATE, Decision, References, SnapshotContent, StoredFile, decide
from flinkops.plan.state_layout import job_ids_in, keys_in, paths_in, tail_of, unit_of
from tests.effort import examples
from tests.unit.test_checkpoint_kinds import FOLDER, SIZES

DAY_MS = 86_400_000
JOBS = [f"{number:x}" * 32 for number in range(1, 6)]
ZERO = "0" * 32


def file(path: str, modified_ms: int | None = 0, size: int = 10) -> StoredFile:
    return StoredFile(path, size, modified_ms)


def chk(job: str, number: int, root: str = "c") -> str:
    return f"{root}/{job}/chk-{number}"


class World(NamedTuple):
    """Files and metadata; for every snapshot what it needs; which snapshots something starts from."""

    files: list[StoredFile]
    contents: dict[str, SnapshotContent]
    needs: dict[str, set[str]]
    references: References
    starts: set[str]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    jobs = draw(st.lists(st.sampled_from([*JOBS, ZERO]), min_size=1, max_size=4, unique=True))
    roots = draw(st.lists(st.sampled_from(["c", "d/e"]), min_size=1, max_size=2, unique=True))
    shared = [
        f"{root}/{job}/{below}/{name}"
        for root in roots
        for job in jobs
        for below in ("shared", "taskowned", "dstl")
        for name in draw(st.sets(st.sampled_from(["f1", "f2", "sub/f3"])))
    ]
    snapshots = [
        chk(job, number, root)
        for root in roots
        for job in jobs
        for number in draw(st.sets(st.integers(1, 12), max_size=3))
    ]
    snapshots += [
        f"{root}/savepoint-{job[:6]}-{random}"
        for root in roots
        for job in jobs
        for random in draw(st.sets(st.sampled_from(["0a", "0b"])))
    ]
    snapshots += draw(st.sets(st.sampled_from(["c/mine", "d/e/copy of it"])))
    own = {one: [f"{one}/{name}" for name in draw(st.sets(st.sampled_from(["a", "b"])))] for one in snapshots}
    all_files = [
        *shared,
        *(path for paths in own.values() for path in paths),
        *(f"{one}/_metadata" for one in snapshots),
    ]
    foreign = draw(st.sets(st.sampled_from(["c/README", "ha/completedCheckpoint1", "c/blob/job_1"])))
    candidates = [path for path in all_files if not path.endswith("_metadata")]
    needs: dict[str, set[str]] = {}
    contents: dict[str, SnapshotContent] = {}
    for one in snapshots:
        others = draw(st.sets(st.sampled_from(candidates), max_size=4)) if candidates else set()
        needs[one] = {*own[one], *others}
        operators = frozenset(draw(st.sets(st.sampled_from(["o1", "o2"]))))
        modified_ms = draw(st.integers(0, 5))
        contents[one] = SnapshotContent(frozenset(map(tail_of, needs[one])), operators, modified_ms)
    starts = set(draw(st.lists(st.sampled_from(snapshots), max_size=3))) if snapshots else set()
    named = {unit.key: "named" for one in starts if (unit := unit_of(f"{one}/_metadata")) is not None}
    live = dict.fromkeys(draw(st.sets(st.sampled_from(jobs))), "runs")
    outside = draw(st.sets(st.sampled_from(candidates), max_size=2)) if candidates else set()
    references = References(named, live, {tail_of(path): "elsewhere" for path in outside})
    return World([file(one) for one in (*all_files, *foreign)], contents, needs, references, starts)


def needed(world: World) -> set[str]:
    """By another way than the product's: everything that is reached, again and again until nothing is added."""
    found = {one.path for one in world.files if unit_of(one.path) is None}
    found |= {one.path for one in world.files if tail_of(one.path) in world.references.files}
    found |= {one.path for one in world.files if any(f"/{job}/" in one.path for job in world.references.live_jobs)}
    reached = set(world.starts) | {one for one in world.needs if unit_of(f"{one}/_metadata") is None}
    while True:
        # Whoever may be started from has to be whole, and whatever holds a file that is needed may be.
        reached |= {one for one in world.needs if any(path.startswith(f"{one}/") for path in found)}
        more = {path for one in reached for path in (*world.needs[one], f"{one}/_metadata")}
        if more <= found:
            return found
        found |= more


@given(worlds(), st.booleans())
@settings(max_examples=examples(2, quick=1), deadline=None)
def test_nothing_that_is_needed_is_an_orphan(world: World, with_last_states: bool) -> None:
    decision = decide(world.files, world.contents, world.references, with_last_states=with_last_states)
    gone = {one.path for unit in decision.orphans for one in unit.files}
    assert gone & needed(world) == set()
    assert decision.gaps == ()
    seen = [one.path for unit in decision.units for one in unit.files] + [one.path for one in decision.foreign]
    assert sorted(seen) == sorted(one.path for one in world.files)


@given(worlds())
@settings(max_examples=examples(2), deadline=None)
@pytest.mark.thorough
def test_a_job_that_nobody_knows_keeps_its_newest_whole_state(world: World) -> None:
    decision = decide(world.files, world.contents, world.references)
    gone = {one.path for unit in decision.orphans for one in unit.files}
    there = {tail_of(one.path) for one in world.files}
    whole = [one for one in world.needs if {tail_of(path) for path in world.needs[one]} <= there]
    for one in whole:
        unit = unit_of(f"{one}/_metadata")
        if unit is None:
            continue
        twins = [other for other in whole if (twin := unit_of(f"{other}/_metadata")) and twin.job[:6] == unit.job[:6]]
        assert any(not ({*world.needs[other], f"{other}/_metadata"} & gone) for other in twins)


def test_what_a_live_job_a_pointer_or_another_snapshot_names_stays() -> None:
    old, new = JOBS[0], JOBS[1]
    files = [
        file(f"c/{old}/shared/1"),
        file(f"c/{old}/shared/2"),
        file(f"{chk(old, 3)}/_metadata"),
        file(f"{chk(new, 1)}/_metadata"),
    ]
    contents = {
        chk(old, 3): SnapshotContent(frozenset({f"{old}/shared/2"}), modified_ms=1),
        chk(new, 1): SnapshotContent(frozenset({f"{old}/shared/1"}), modified_ms=2),
    }
    references = References({f"{new}/chk-1": "job count refers to it"})
    decision = decide(files, contents, references, with_last_states=True)
    assert {one.unit.path: one.kept for one in decision.units} == {
        f"c/{old}/shared/1": "c/" + new + "/chk-1 refers to it",
        f"c/{old}/shared/2": None,
        chk(old, 3): None,
        chk(new, 1): "job count refers to it",
    }
    kept = decide(files, contents, references)
    assert {one.unit.path for one in kept.units if one.kept == LAST_STATE} == {chk(old, 3)}
    assert kept.orphans == ()


def test_a_kept_snapshot_that_cannot_be_read_is_a_gap() -> None:
    path = f"c/savepoint-{JOBS[0][:6]}-0a"
    contents = {path: SnapshotContent(problem="it is cut off")}
    found = decide([file(f"{path}/_metadata")], contents, References({path.rpartition("/")[2]: "named"}))
    assert found.gaps == (f"what {path} refers to is not known: it is cut off",)
    assert decide([], {}, References(gaps=("source a is down",))).gaps == ("source a is down",)


def test_files_of_one_snapshot_in_several_folders_go_together() -> None:
    """Entropy: its files lie each under a folder of random characters."""
    job = JOBS[0]
    files = [file(f"c/{job}/chk-1/_metadata"), file(f"x1y2/c/{job}/chk-1/a"), file(f"x1y2/c/{job}/chk-2/b")]
    decision = decide(files, {chk(job, 1): SnapshotContent(modified_ms=1)}, References({f"{job}/chk-1": "named"}))
    assert [one.unit.path for one in decision.orphans] == [f"x1y2/c/{job}/chk-2"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f"s3://b/c/{JOBS[0]}/chk-12", {f"{JOBS[0]}/chk-12"}),
        (f'"a:/x/{JOBS[0]}/chk-12/_metadata","{JOBS[1]}/chk-1"', {f"{JOBS[0]}/chk-12", f"{JOBS[1]}/chk-1"}),
        ("file:/sp/savepoint-1a2b3c-d5dabb8bd5b7/", {"savepoint-1a2b3c-d5dabb8bd5b7"}),
        (f"a{JOBS[0]}/chk-1", set()),
        ("savepoint-xyz", set()),
    ],
)
def test_texts_are_searched_for_snapshots(text: str, keys: set[str]) -> None:
    assert keys_in(text) == keys


def test_texts_are_searched_for_jobs_and_paths() -> None:
    text = (
        '{"jobId":"'
        + JOBS[0]
        + '","lastReconciledSpec":"{\\"initialSavepointPath\\":\\"s3://b/p q/savepoint-1a2b3c-00\\"}"}'
    )
    assert job_ids_in(text) == {JOBS[0]}
    assert list(paths_in(text)) == ["s3://b/p q/savepoint-1a2b3c-00"]
    assert list(paths_in(f"x\x00file:/c/{JOBS[0]}/chk-3\x07")) == [f"file:/c/{JOBS[0]}/chk-3"]


def orphaned(*files: StoredFile) -> Decision:
    return decide(files, {}, References())


def test_only_what_was_listed_a_day_ago_and_is_unchanged_is_deleted() -> None:
    path = f"c/{JOBS[0]}/shared/1"
    first = listed(orphaned(file(path)), None, "c", ("a",), 10 * DAY_MS)
    now_ms = 11 * DAY_MS

    def paths(decision: Decision, before_sources: tuple[str, ...] = ("a",), at_ms: int = now_ms) -> list[str]:
        current = listed(decision, first, "c", before_sources, at_ms)
        return [one.unit.path for one in select(decision, current, older_than_seconds=86_400, now_ms=at_ms).delete]

    assert paths(orphaned(file(path))) == [path]
    assert paths(orphaned(file(path)), at_ms=now_ms - 1) == []
    assert paths(orphaned(file(path, size=11))) == []
    assert paths(orphaned(file(path, 5))) == []
    assert paths(orphaned(file(path, None))) == []
    assert paths(orphaned(file(path)), ("a", "b")) == []
    assert paths(orphaned(file(f"{path}1"))) == []
    early = listed(orphaned(file(path)), None, "c", ("a",), 20 * DAY_MS)
    back = listed(orphaned(file(path)), early, "c", ("a",), now_ms)
    assert back.files[path].listed_ms == now_ms


def test_what_was_referred_to_in_between_begins_anew() -> None:
    path = f"c/{JOBS[0]}/shared/1"
    first = listed(orphaned(file(path)), None, "c", ("a",), 0)
    held = decide([file(path)], {}, References(live_jobs={JOBS[0]: "runs"}))
    second = listed(held, first, "c", ("a",), DAY_MS)
    assert second.files == {}
    third = listed(orphaned(file(path)), second, "c", ("a",), 2 * DAY_MS)
    assert third.files[path].listed_ms == 2 * DAY_MS


def test_a_folder_goes_as_a_whole_once_all_of_it_is_old_enough() -> None:
    folder = chk(JOBS[0], 1)
    now_ms = 100 * DAY_MS
    young = orphaned(file(f"{folder}/a", 0), file(f"{folder}/b", now_ms - 6 * DAY_MS))
    current = listed(young, None, "c", ("a",), 0)
    assert select(young, current, older_than_seconds=7 * 86_400, now_ms=now_ms).delete == ()
    due = select(young, current, older_than_seconds=6 * 86_400, now_ms=now_ms).delete
    assert [one.unit.path for one in due] == [folder]
    fresh = select(young, listed(young, None, "c", ("a",), now_ms), older_than_seconds=6 * 86_400, now_ms=now_ms)
    assert ([one.unit.path for one in fresh.waiting], fresh.next_ms) == ([folder], now_ms + DAY_MS)


@pytest.mark.parametrize("name", sorted(SIZES))
def test_what_checkpoints_of_every_kind_name_is_recognised(name: str) -> None:
    """By the names that real Flink gave its files: what is in no snapshot's own folder is under the job's id."""
    names = [one.path for one in parse_metadata((FOLDER / name).read_bytes()).files if not one.relative]
    units = [unit_of(path) for path in names if "/own/" not in path]
    assert all(unit is not None and unit.job in path for unit, path in zip(units, names, strict=False))


def test_a_folder_with_a_file_that_was_not_listed_stays() -> None:
    folder = chk(JOBS[0], 1)
    before, after = orphaned(file(f"{folder}/a")), orphaned(file(f"{folder}/a"), file(f"{folder}/b"))
    current = listed(before, None, "c", ("a",), 0)
    assert len(select(before, current, older_than_seconds=0, now_ms=DAY_MS).delete) == 1
    found = select(after, current, older_than_seconds=0, now_ms=DAY_MS)
    assert (found.delete, found.waiting) == ((), ())
