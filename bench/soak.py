"""Exporter, TUI on a replay and dispatcher for an hour under faults: memory, threads and descriptors have to stay.

    python -m bench.soak --minutes 60 --write     all three; the table is kept in docs/evidence/soak.txt
    python -m bench.soak --minutes 2 --only tui   one of them

The exporter is scraped every 5 s on 120 jobs of twelve recorded clusters that go wrong in turn, and a thirteenth that
refuses; the TUI has a terminal of its own and a recording of 120 jobs, and keys open and close its screens; the
dispatcher reads a real Kafka and delivers to a receiver on 127.0.0.1 that fails, hangs and goes away.

Every 15 s the kernel is asked for VmRSS, VmHWM, threads, descriptors and sockets of each. The first third is warm-up:
caches fill, and the samples that the exporter keeps (here a sixth of them, `_soak_exporter`). Verdict on the rest: the
slope of the memory, the median of those of all pairs, is at most 5 % an hour, or comes to less than the scatter around
it; that of threads, descriptors and sockets is below one an hour. One that ends by itself fails the soak, and the
others go on.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench._soak_figures import Sample, judge, sample, table
from bench._soak_parts import PARTS, Part
from flinkops.local.signals import signals_interrupt

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence" / "soak.txt"
SAMPLES = ROOT / "build" / "soak-samples.tsv"
KEPT_SECONDS = 300.0
"""So far apart are the samples in the evidence; all of them are in `SAMPLES`."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=15.0, metavar="SECONDS", help="between samples (default 15)")
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="not all three; repeatable")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {EVIDENCE.relative_to(ROOT)}")
    chosen = parser.parse_args()
    names = chosen.only or sorted(PARTS)
    with signals_interrupt(), tempfile.TemporaryDirectory(prefix="soak-") as folder, ExitStack() as stack:
        parts = [_started(name, Path(folder), stack) for name in names]
        samples = _soak([*parts], chosen.minutes * 60, chosen.every)
        did = {part.name: part.done() for part in parts}
        codes = {part.name: part.end() for part in parts}
    text, held = _report(chosen, samples, did, codes)
    print(text)
    if chosen.write:
        EVIDENCE.write_text(text + "\n", encoding="utf-8")
    return 0 if held else 1


def _started(name: str, folder: Path, stack: ExitStack) -> Part:
    own = folder / name
    own.mkdir()
    part = PARTS[name](own)
    part.start()
    stack.callback(part.close)
    print(f"soak: {name} runs as pid {part.pid}", file=sys.stderr, flush=True)
    return part


def _soak(parts: list[Part], seconds: float, every_seconds: float) -> list[Sample]:
    begun = time.monotonic()
    samples: list[Sample] = []
    SAMPLES.parent.mkdir(exist_ok=True)
    with SAMPLES.open("w", encoding="ascii") as file:
        file.write("\t".join(Sample._fields) + "\n")
        while parts and (elapsed := time.monotonic() - begun) < seconds:
            for part in tuple(parts):
                try:
                    one = sample(part.name, part.pid, elapsed)
                except OSError:
                    print(f"{part.name} has ended after {elapsed:.0f} s: {part.last_words()}", file=sys.stderr)
                    parts.remove(part)
                    continue
                samples.append(one)
                file.write("\t".join(map(str, one)) + "\n")
            file.flush()
            time.sleep(max(0.0, min(begun + seconds, begun + elapsed + every_seconds) - time.monotonic()))
    return samples


def _report(
    chosen: argparse.Namespace, samples: list[Sample], did: dict[str, dict[str, int]], codes: dict[str, int]
) -> tuple[str, bool]:
    verdicts = [judge([one for one in samples if one.name == name]) for name in did]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    lines = [
        f"./dev bench soak --minutes {chosen.minutes:g}",
        f"{day}, commit {commit}, {os.cpu_count()} cores; a sample each {chosen.every:g} s",
        f"judged: the last {min(one.judged_seconds for one in verdicts) / 60:.0f} minutes, after a third as warm-up",
        "grown: more than 5 % an hour and than the scatter around the trend, or a thread, descriptor or socket an hour",
        "",
        table(verdicts),
        "",
        *(f"{name}: {', '.join(f'{value:,} {what}' for what, value in done.items())}" for name, done in did.items()),
        *(f"{name}: ended with exit code {code}" for name, code in codes.items()),
        "",
        "seconds, process, RSS KiB, peak KiB, threads, descriptors, sockets, CPU seconds:",
        *_thinned(samples),
    ]
    return "\n".join(lines), not any(one.grew for one in verdicts) and not any(codes.values())


def _thinned(samples: list[Sample]) -> list[str]:
    """One of each process each few minutes, and the last."""
    shown, due = [], dict.fromkeys((one.name for one in samples), 0.0)
    last = {one.name: one for one in samples}
    for one in samples:
        if one.at_seconds >= due[one.name] or one is last[one.name]:
            due[one.name] += KEPT_SECONDS
            shown.append("\t".join(map(str, one)))
    return shown


if __name__ == "__main__":
    sys.exit(main())
