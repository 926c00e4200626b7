"""What nobody refers to, as lines and as the document of `flinkops storage orphans -o json`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flinkops.outside.text import clean

if TYPE_CHECKING:
    from flinkops.act.orphans import FolderReport, OrphanReport
    from flinkops.plan.orphan_list import Selection
    from flinkops.plan.orphans import UnitFiles

_MOST_LINES = 50
_MOST_REASONS = 10


def orphan_document(report: "OrphanReport", selections: "Mapping[str, Selection]") -> dict[str, Any]:
    """Sources, what else was considered, and each folder; `selections` are those of --delete, by folder."""
    from flinkops.clock import iso_utc

    return {
        "schema_version": 1,
        "taken_at": iso_utc(report.snapshot.taken_ms),
        "sources": [
            {"name": one.name, "kind": one.kind, "state": one.state, "error": one.error}
            for one in report.snapshot.sources
        ],
        "considered": [{"what": one.what, "count": one.count} for one in report.gathered.considered],
        "folders": [_folder(one, report, selections.get(one.folder)) for one in report.folders],
    }


def _folder(folder: "FolderReport", report: "OrphanReport", selection: "Selection | None") -> dict[str, Any]:
    from flinkops.clock import iso_utc

    decision = folder.decision
    document: dict[str, Any] = {
        "path": folder.folder,
        "used_by": None if folder.sources is None else list(folder.sources),
        "refused": list(folder.refused),
        "next_step": folder.next_step,
        "referenced": None,
        "not_recognised": None,
        "orphans": None,
        "jobs": None,
        "delete": None,
    }
    if decision is None:
        return document
    kept = [one for one in decision.units if one.kept is not None]
    document["referenced"] = {"files": _files(kept), "bytes": _bytes(kept), "by": dict(_reasons(kept))}
    foreign_bytes = sum(one.size_bytes for one in decision.foreign)
    document["not_recognised"] = {"files": len(decision.foreign), "bytes": foreign_bytes}
    document["orphans"] = [_unit(one) for one in _largest_first(decision.orphans)]
    document["jobs"] = [
        {"job_id": job, "name": report.gathered.names.get(job), "files": _files(units), "bytes": _bytes(units)}
        for job, units in _by_job(decision.orphans)
    ]
    if selection is not None:
        document["delete"] = {
            "now": [one.unit.path for one in selection.delete],
            "waiting": [one.unit.path for one in selection.waiting],
            "waiting_until": None if selection.next_ms is None else iso_utc(selection.next_ms),
        }
    return document


def _unit(unit: "UnitFiles") -> dict[str, Any]:
    from flinkops.clock import iso_utc

    newest_ms = unit.newest_ms
    return {
        "path": unit.unit.path,
        "kind": unit.unit.kind,
        "job_id": unit.unit.job,
        "files": len(unit.files),
        "bytes": unit.total_bytes,
        "newest_at": None if newest_ms is None else iso_utc(newest_ms),
    }


def orphan_lines(report: "OrphanReport") -> Iterator[str]:
    """For a person: the sources, then each folder with what is nobody's in it, the largest first."""
    for one in report.snapshot.sources:
        yield f"source {clean(one.name)}: {one.state}{f' ({clean(one.error)})' if one.error else ''}"
    yield "considered: " + ", ".join(f"{one.count} {clean(one.what)}" for one in report.gathered.considered)
    for folder in report.folders:
        yield from _folder_lines(folder, report)


def _folder_lines(folder: "FolderReport", report: "OrphanReport") -> Iterator[str]:
    from flinkops.clock import iso_utc
    from flinkops.model.quantities import human_bytes

    used = f", used by {', '.join(map(clean, folder.sources))} alone" if folder.sources else ""
    yield f"{clean(folder.folder)}{used}"
    for text in folder.refused:
        yield f"  nothing may be deleted: {clean(text)}"
    if folder.decision is None:
        return
    orphans = folder.decision.orphans
    kept = [one for one in folder.decision.units if one.kept is not None]
    yield f"  referred to: {_files(kept)} files, {human_bytes(_bytes(kept))}"
    for why, count in _reasons(kept).most_common(_MOST_REASONS):
        yield f"    {count}: {clean(why)}"
    if foreign := folder.decision.foreign:
        size = human_bytes(sum(one.size_bytes for one in foreign))
        yield f"  not named as Flink names its files, never deleted: {len(foreign)} files, {size}"
    known = ", as far as is known" if folder.decision.gaps else ""
    yield f"  nobody's{known}: {_files(orphans)} files, {human_bytes(_bytes(orphans))}"
    for job, units in _by_job(orphans):
        name = report.gathered.names.get(job)
        yield f"    job {job}{f' ({clean(name)})' if name else ''}: {_files(units)} files, {human_bytes(_bytes(units))}"
    for unit in _largest_first(orphans)[:_MOST_LINES]:
        written = "at an unknown time" if unit.newest_ms is None else iso_utc(unit.newest_ms)
        size = human_bytes(unit.total_bytes)
        yield f"    {size:>8}  {unit.unit.kind:<10}  written {written}  {clean(unit.unit.path)}"
    if len(orphans) > _MOST_LINES:
        yield f"    and {len(orphans) - _MOST_LINES} more: -o json has all"


def _reasons(kept: "Iterable[UnitFiles]") -> Counter[str]:
    """By how many files each is the reason."""
    found: Counter[str] = Counter()
    for unit in kept:
        found[unit.kept or ""] += len(unit.files)
    return found


def _by_job(units: "Iterable[UnitFiles]") -> "list[tuple[str, list[UnitFiles]]]":
    grouped: dict[str, list[UnitFiles]] = {}
    for unit in units:
        grouped.setdefault(unit.unit.job, []).append(unit)
    return sorted(grouped.items(), key=lambda one: -_bytes(one[1]))


def _largest_first(units: "Iterable[UnitFiles]") -> "list[UnitFiles]":
    return sorted(units, key=lambda one: (-one.total_bytes, one.unit.path))


def _files(units: "Iterable[UnitFiles]") -> int:
    return sum(len(one.files) for one in units)


def _bytes(units: "Iterable[UnitFiles]") -> int:
    return sum(one.total_bytes for one in units)
