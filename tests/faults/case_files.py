"""Reads the files of faults and controls, ours and strangers': all that is wrong is said before a job starts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from flinkops.diagnose.rules import RULES
from flinkops.errors import UsageError
from flinkops.input_file import read_input_text
from tests.faults.cases import Case, CaseFile, Control, Feed, Job, Set
from tests.faults.symptoms import FACTS

SUBFOLDERS = ("", "injected", "healthy")
GIVEN = "given"
"""The strength of a file that has no strengths."""
SHARED_CAUSE = "shared-cause"
MOST_SUBTASKS = 32
_MOST_BYTES = 1 << 20
_MOST_JOBS = 500
_MOST_WATCH_SECONDS = 3600.0
_WATCH_SECONDS = 75.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""Of a file and of a strength: jobs and topics are named for them, and Kafka takes no other signs."""
_CODE = re.compile(r"[a-z][a-z0-9-]{1,60}")
_OWN_OPTIONS = frozenset({"name", "bootstrap"})


def read_folder(folder: Path, chosen: Set = "reported") -> tuple[list[Case], list[Control]]:
    """The faults and controls of a folder, and of its `injected` and `healthy`, by name.

    Raises UsageError with one line for each thing that is wrong with it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", next_step="--cases takes a folder of *.toml files")
    paths = [path for part in SUBFOLDERS for path in sorted((folder / part).glob("*.toml"))]
    if not paths:
        raise UsageError(f"{folder} holds no *.toml file", next_step="docs/doctor.md has the format")
    found: list[Case | Control] = []
    wrong: list[str] = []
    for path in paths:
        try:
            found += read_file(path, chosen)
        except UsageError as problem:
            wrong.append(problem.line())
    wrong += _twice([each.job.name.removeprefix("orders-") for each in found])
    if not wrong and len(found) > _MOST_JOBS:
        wrong.append(f"{folder} has {len(found)} cases: at most {_MOST_JOBS} are run at once")
    if wrong:
        raise UsageError("\n".join(wrong))
    cases = [each for each in found if isinstance(each, Case)]
    return cases, [each for each in found if isinstance(each, Control)]


def without_rule(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Codes of the cases that no rule has, with the cases that want them: they can only be missed."""
    known = {*RULES, SHARED_CAUSE}
    return {
        code: [each.name for each in cases if code in each.codes]
        for code in sorted({code for each in cases for code in each.codes} - known)
    }


def read_file(path: Path, chosen: Set = "reported") -> Sequence[Case | Control]:
    """What one file has at the strengths of a set. Raises UsageError: the file, what is wrong, what would be right."""
    text = read_input_text(path, most_bytes=_MOST_BYTES)
    try:
        file = msgspec.toml.decode(text, type=CaseFile)
    except (msgspec.ValidationError, ValueError, TypeError) as problem:
        raise UsageError(f"{path}: {problem}") from None
    try:
        _check(path.stem, file)
        codes = _codes(file)
        return _cases(path.stem, file, codes, chosen) if codes else [_control(path.stem, file)]
    except (msgspec.ValidationError, UsageError) as problem:
        raise UsageError(f"{path}: {problem.line() if isinstance(problem, UsageError) else problem}") from None


def _check(name: str, file: CaseFile) -> None:
    for each in (name, *file.tuning, *file.reported):
        if not _NAME.fullmatch(each):
            raise UsageError(f"{each!r} names a job and a topic: letters, digits and . _ - only, at most 80")
    if file.symptom is not None and file.symptom.fact not in FACTS:
        raise UsageError(f"symptom.fact {file.symptom.fact!r} is not known; there are {', '.join(FACTS)}")
    if file.second_taskmanager and not file.alone:
        raise UsageError("second_taskmanager: only with alone = true, since other jobs would be on it too")
    if file.during == "network-cut" and not file.second_taskmanager:
        raise UsageError('during = "network-cut" needs second_taskmanager = "plain"')
    if file.small_disk_megabytes is not None and not 1 <= file.small_disk_megabytes <= 1000:
        raise UsageError("small_disk_megabytes: from 1 to 1000")
    if file.watch_seconds is not None and not 0 < file.watch_seconds <= _MOST_WATCH_SECONDS:
        raise UsageError(f"watch_seconds = {file.watch_seconds:g}: more than 0, at most {_MOST_WATCH_SECONDS:.0f}")


def _codes(file: CaseFile) -> tuple[str, ...]:
    if file.code is not None and file.codes is not None:
        raise UsageError("it has both code and codes: give one of them")
    codes = (file.code,) if file.code is not None else file.codes or ()
    if file.codes == ():
        raise UsageError("codes is empty: name some, or leave it out for a healthy control")
    if wrong := [each for each in codes if not _CODE.fullmatch(each)]:
        raise UsageError(f"{', '.join(map(repr, wrong))} cannot be a code; there are {', '.join(sorted(RULES))}")
    if len(set(codes)) < len(codes):
        raise UsageError("codes names one twice")
    return codes


def _cases(name: str, file: CaseFile, codes: tuple[str, ...], chosen: Set) -> list[Case]:
    strengths = file.tuning if chosen == "tuning" else file.reported
    if not strengths and (file.tuning or file.reported):
        other = "leave --tuning out" if chosen == "tuning" else "--tuning runs the others"
        raise UsageError(f"it has no strength in [{chosen}]", next_step=other)
    made = []
    for strength, own in (strengths or {GIVEN: {}}).items():
        job = _job(f"{name}-{strength}", file.options | own, file.configuration)
        job = msgspec.structs.replace(job, small_disk_megabytes=file.small_disk_megabytes)
        beside = tuple(
            _job(f"{name}-{strength}-{other}", options, {}) for other, options in sorted(file.beside.items())
        )
        made.append(
            Case(
                name=name,
                strength=strength,
                codes=codes,
                about=file.about,
                symptom=file.symptom,
                job=job,
                alone=file.alone,
                fills_slots=file.fills_slots,
                during=file.during,
                watch_seconds=file.watch_seconds,
                beside=beside,
                twice=file.twice,
                second_taskmanager=file.second_taskmanager,
            )
        )
    return made


def _control(name: str, file: CaseFile) -> Control:
    if file.symptom is not None:
        raise UsageError("it has a symptom, and no code: a control has neither, a fault both")
    if file.alone or file.fills_slots or file.tuning or file.reported or file.beside:
        raise UsageError("without a code it is a healthy control: about, options, configuration, during, watch_seconds")
    job = _job(name, file.options, file.configuration)
    return Control(name, file.about, file.watch_seconds or _WATCH_SECONDS, job, file.during)


def _job(name: str, options: dict[str, Any], configuration: dict[str, str]) -> Job:
    given = dict(options)
    configuration = configuration | msgspec.convert(given.pop("configuration", {}), dict[str, str])
    feed = msgspec.convert(given.pop("feed", None), Feed | None)
    rescaled_to = msgspec.convert(given.pop("rescaled_to", None), int | None)
    parallelism = msgspec.convert(given.pop("parallelism", 2), int)
    for number in (parallelism, *([rescaled_to] if rescaled_to is not None else [])):
        if not 1 <= number <= MOST_SUBTASKS:
            raise UsageError(f"parallelism {number}: from 1 to {MOST_SUBTASKS}")
    if feed is not None and not (1 <= feed.fed <= feed.partitions <= 1000 and 1 <= feed.per_second <= 100_000):
        raise UsageError("feed: 1 <= fed <= partitions <= 1000, and per_second from 1 to 100000")
    if feed is not None and not 0 <= feed.hot_share <= 1:
        raise UsageError("feed: hot_share from 0 to 1")
    for key, value in given.items():
        if not isinstance(value, str | int | float) or key in _OWN_OPTIONS or key.startswith("-"):
            raise UsageError(f"option {key!r}: a text or a number, and no option that the lab sets itself")
    texts = {key: str(value) for key, value in given.items()}
    return Job(f"orders-{name}", texts, configuration, parallelism, feed, rescaled_to)


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(
        {
            f"{name} is there twice: two files, or two strengths, make one name"
            for name in names
            if names.count(name) > 1
        }
    )
