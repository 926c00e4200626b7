"""A support case in one file: the evidence, what the doctor makes of it, and the ends of the logs, by allow-list.

Evidence as JSON lines, one a job, can be diagnosed again from the bundle or from a file of its own.
"""

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from flinkops.clock import iso_utc
from flinkops.diagnose.evidence import Evidence, decode_evidence
from flinkops.errors import OperationFailed, UsageError
from flinkops.input_file import read_input
from flinkops.model.facts import JobKey
from flinkops.outside.export import LONGEST, Export
from flinkops.outside.log_lines import grave_lines
from flinkops.user_folders import absolute

EVIDENCE = "evidence.jsonl"
MAX_FILE_BYTES = 256 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_README = """A flinkops bundle: what was seen of Flink jobs, and what flinkops doctor makes of it.

doctor.json      findings and what was not assessed (the document of `flinkops doctor -o json`)
evidence.jsonl   a line a job: facts, history, subtasks, TaskManagers, flame graphs
logs/            of the ends of the logs: warnings, errors, stack traces; all lines where --logs asked for them

flinkops doctor --replay THIS_FILE diagnoses it again. Written are: settings that Flink, its operator and flinkops
document, numbers, names, ids, messages. For everything else, and for what looks like a secret, there stands
<withheld: LENGTH characters, #FINGERPRINT>: the same fingerprint is the same text (of one user on one machine).
"""


def check_free(path: Path) -> None:
    """Before anybody is asked for evidence. Raises UsageError where something is already, or nothing can be written."""
    absolute(path)
    if os.path.lexists(path):
        raise UsageError(f"{path} exists", next_step="name another file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write into {path.parent}", next_step="name a file in a folder of yours")


def write_bundle(
    path: Path, evidence: Sequence[Evidence], doctor_json: str, logs: Mapping[str, str], *, whole_logs: bool = False
) -> None:
    """Raises OperationFailed when the file is there already or cannot be written. For its owner alone to read.

    Of logs only warnings, errors and stack traces are written, unless `whole_logs`.
    """
    findings = msgspec.json.decode(doctor_json)
    export = Export()
    export.learn(*evidence, findings, list(logs.values()))
    lines = b"".join(msgspec.json.encode(export.value(each)) + b"\n" for each in evidence)
    files = {
        "README.txt": _README.encode(),
        "doctor.json": msgspec.json.encode(export.value(findings)),
        EVIDENCE: lines,
    }
    for number, (name, text) in enumerate(logs.items(), 1):
        log = export.text(_tail(text))
        files[f"logs/{number:02}-{_safe(export.text(name))}"] = (log if whole_logs else _grave(log)).encode()
    taken_ms = max((each.taken_ms for each in evidence), default=0)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(f"flinkops-bundle/{name}")
                entry.size, entry.mtime = len(content), taken_ms // 1000
                archive.addfile(entry, io.BytesIO(content))
    except OSError as problem:
        raise OperationFailed(f"cannot write {path}: {problem.strerror}", next_step="name another file") from None


def read_evidence(path: Path) -> list[Evidence]:
    """From a bundle, or from JSON lines; of each job the newest. Raises UsageError for anything else."""
    try:
        content = read_input(path, most_bytes=MAX_FILE_BYTES)
        if content.startswith(_GZIP):
            content = _from_archive(content, path)
        newest: dict[JobKey, Evidence] = {}
        for line in content.splitlines():
            evidence = decode_evidence(line)
            newest[evidence.job.key] = evidence
    except (OSError, tarfile.TarError, EOFError) as problem:
        raise UsageError(f"cannot read {path}: {getattr(problem, 'strerror', None) or problem}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise UsageError(f"{path} is no recording, bundle or evidence of flinkops ({problem})") from None
    if not newest:
        raise UsageError(f"{path} holds no evidence", next_step="flinkops doctor --bundle FILE makes one that does")
    return list(newest.values())


def describe(evidence: Sequence[Evidence]) -> str:
    """What was read, for a person."""
    taken_ms = max((each.taken_ms for each in evidence), default=None)
    jobs = "1 job" if len(evidence) == 1 else f"{len(evidence)} jobs"
    return f"{jobs} as of {iso_utc(taken_ms) or 'an unknown time'}"


def _from_archive(content: bytes, path: Path) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for entry in archive:
            if entry.isfile() and entry.name.endswith(f"/{EVIDENCE}") and entry.size <= MAX_FILE_BYTES:
                file = archive.extractfile(entry)
                return file.read(MAX_FILE_BYTES) if file else b""
    raise UsageError(f"{path} holds no {EVIDENCE}", next_step="flinkops doctor --bundle FILE makes one that does")


def _tail(text: str) -> str:
    """The end of a log, from the beginning of a line, as long as one text may be."""
    return text if len(text) <= LONGEST else text[-LONGEST:].partition("\n")[2]


def _grave(log: str) -> str:
    kept, left_out = grave_lines(log)
    return f"{kept}\n[{left_out} lines below WARN left out; flinkops doctor --bundle FILE --logs keeps them]\n"


def _safe(name: str) -> str:
    """A file name that no system reads as anything else."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in name)
    return kept.strip("._")[:80] or "log"
