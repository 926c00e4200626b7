"""The custom resources of a YAML file: which of them is meant. A file may hold other objects and several resources."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flinkops.errors import UsageError
from flinkops.input_file import read_input_text

KINDS = ("FlinkDeployment", "FlinkSessionJob", "FlinkBlueGreenDeployment")
MAX_BYTES = 4 * 1024 * 1024
"""Kubernetes itself takes no object of more than 1.5 MiB."""

MAX_VALUES = 100_000
"""Aliases (``*name``) are written out when the spec is sent: a small file may mean an endless one."""

Specs = Mapping[str, Mapping[str, Any]]
"""The spec of each kind that bears the job's name."""


def specs_of_manifest(path: Path, job: str | None) -> Specs:
    """The specs of the resources in this file that are called as the job; raises UsageError when none is.

    `job` is a name or ``namespace/name``; an object without a namespace is in any.
    """
    if job is None:
        raise UsageError("which job? -f is the whole spec of one", next_step="flinkops upgrade JOB -f MANIFEST")
    namespace, _, name = job.rpartition("/")
    found: dict[str, Mapping[str, Any]] = {}
    names: list[str] = []
    for one in _resources(_documents(path)):
        metadata = one.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        names.append(f"{one['kind']} {metadata.get('name')}")
        if metadata.get("name") != name or namespace not in ("", metadata.get("namespace") or namespace):
            continue
        kind, spec = str(one["kind"]), one.get("spec")
        if kind in found:
            raise UsageError(f"{path} has several objects {kind} {name}; one is wanted")
        if not isinstance(spec, Mapping):
            raise UsageError(f"{path}: {kind} {name} has no spec")
        if _values(spec, MAX_VALUES) > MAX_VALUES:
            raise UsageError(f"{path}: {kind} {name} has more than {MAX_VALUES} values, its aliases written out")
        found[kind] = spec
    if not found:
        has = ", ".join(names[:10]) or "no resource of the Flink operator"
        raise UsageError(f"{path} is not about {job!r}; it has: {has}")
    return found


def spec_of_kind(specs: Specs, kind: str, name: str) -> Mapping[str, Any]:
    """That of the resource that is there. Raises UsageError when the file has only other kinds of this name."""
    if kind in specs:
        return specs[kind]
    raise UsageError(f"the manifest has {' and '.join(sorted(specs))} {name}, the job is a {kind}")


def _documents(path: Path) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.safe_load_all(read_input_text(path, most_bytes=MAX_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise UsageError(f"{path} is no YAML: {' '.join(str(problem).split())[:200]}") from None


def _values(value: object, enough: int) -> int:
    """How many values there are within, counted no further than `enough`."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    count = 1
    for one in inner:
        if count > enough:
            break
        count += _values(one, enough - count)
    return count


def _resources(documents: Iterator[Any]) -> Iterator[Mapping[str, Any]]:
    """The operator's, also those within a ``List``."""
    for document in documents:
        if not isinstance(document, Mapping):
            continue
        listed = document.get("items") if document.get("kind") == "List" else None
        for one in listed if isinstance(listed, list) else [document]:
            if isinstance(one, Mapping) and one.get("kind") in KINDS:
                yield one
