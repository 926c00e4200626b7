"""What is changed inside a child before its command runs: shorter waits, and a clock that jumps."""

import importlib
import time

_PATIENCE = {
    "flinkops.act.rest.control": {"_PROGRAM_SECONDS": 5.0},
    "flinkops.act.rest.steps": {
        "_ENDED_WITHIN_SECONDS": 6.0,
        "_KNOWN_WITHIN_SECONDS": 6.0,
        "_RUNNING_WITHIN_SECONDS": 8.0,
    },
    "flinkops.act.savepoint_steps": {"_LISTED_WITHIN_SECONDS": 3.0, "_DISPOSED_WITHIN_SECONDS": 5.0},
    "flinkops.act.stability_steps": {"_RESCALED_WITHIN_SECONDS": 4.0, "_CHECKPOINT_GRACE_SECONDS": 3.0},
    "flinkops.act.flow_steps": {"_FLOWS_WITHIN_SECONDS": 3.0, "_CAUGHT_UP_WITHIN_SECONDS": 4.0},
    "flinkops.act.throughput_steps": {"_OVER_SECONDS": 0.2, "_WITHIN_SECONDS": 3.0, "_EVERY_SECONDS": 0.05},
    "flinkops.act.rest_cache": {"CACHE_SECONDS": 0.3},
    "flinkops.act.operator.stop": {
        "_TAKEN_UP_WITHIN_SECONDS": 6.0,
        "_ERROR_HOLDS_SECONDS": 0.3,
        "_WITHOUT_SAVEPOINT_SECONDS": 2.0,
    },
    "flinkops.act.operator.spec_steps": {"_TAKEN_UP_WITHIN_SECONDS": 6.0},
    "flinkops.act.operator.rollback_steps": {
        "_ACTS_WITHIN_SECONDS": 6.0,
        "_GONE_WITHIN_SECONDS": 6.0,
        "_SILENT_SECONDS": 1.0,
    },
    "flinkops.autoscale.controller": {"SHORTEST_SECONDS": 0.1},
    "flinkops.cli.autoscale.observed": {"POLL_EVERY_SECONDS": 0.1},
    "flinkops.act.operator.startup": {"_RUNNING_WITHIN_SECONDS": 8.0, "_PODS_EVERY_SECONDS": 0.0},
}
"""Waits that are right for a real cluster; a name that is gone fails loudly."""


def quick() -> None:
    """Polls and patience for servers that answer at once."""
    from flinkops.act.operator.control import KubeControl
    from flinkops.act.rest.control import RestControl

    RestControl.poll_seconds = KubeControl.poll_seconds = 0.02
    for module, values in _PATIENCE.items():
        found = importlib.import_module(module)
        for name, value in values.items():
            if not hasattr(found, name):
                raise LookupError(f"{module} has no {name} any more: change tests/chaos/hooks.py")
            setattr(found, name, value)


def clock_jumps(after_seconds: float, by_seconds: float) -> None:
    """The time of day is set, once, while the command runs; no time passes by it."""
    from flinkops.clock import SystemClock

    begun = time.monotonic()

    def now_ms(_self: SystemClock) -> int:
        jumped = by_seconds if time.monotonic() - begun > after_seconds else 0.0
        return time.time_ns() // 1_000_000 + round(jumped * 1000)

    SystemClock.now_ms = now_ms  # type: ignore[method-assign,assignment]


def file_limit_at(step: str, spare_bytes: int = 0) -> None:
    """No file grows beyond what the journal has when a step begins: a disk that is full from then on."""
    import resource

    from flinkops.act.journal import Journal

    append = Journal.append

    def limited(self: Journal, event: str, *arguments: object, **options: object) -> object:
        if event == "intent" and options.get("step") == step:
            size = self.path.stat().st_size + spare_bytes
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return append(self, event, *arguments, **options)  # type: ignore[arg-type]

    Journal.append = limited  # type: ignore[method-assign,assignment]


def journal_breaks_at(step: str, how: str) -> None:
    """Something happens to the journal's folder when a step begins."""
    import shutil

    from flinkops.act.journal import Journal

    append = Journal.append

    def broken(self: Journal, event: str, *arguments: object, **options: object) -> object:
        if event == "intent" and options.get("step") == step:
            if how == "gone":
                shutil.rmtree(self.folder)
                self.folder.write_text("")
            elif how == "garbage":
                with self.path.open("ab") as file:
                    file.write(b"\xff\xff nonsense\n")
            elif how == "torn":
                with self.path.open("ab") as file:
                    file.write(b'{"schema_version":1,"at_ms":17')
        return append(self, event, *arguments, **options)  # type: ignore[arg-type]

    Journal.append = broken  # type: ignore[method-assign,assignment]
