"""What a job will be submitted with after a change, and what of it differs from before. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from flinkops.model.facts import JobFacts
from flinkops.model.launch import Launch
from flinkops.model.request import Change

_NOT_SET = "(not set)"


def changed_launch(launch: Launch | None, change: Change) -> Launch | None:
    """The launch after the change; None when nothing says how the job can be submitted."""
    if change.jar is not None:
        launch = Launch("jar", jar_id=change.jar, settings=launch.settings if launch else {})
    elif change.script is not None:
        launch = Launch("client", (change.script,), settings=launch.settings if launch else {})
    if launch is None:
        return None
    command = launch.command
    if change.arguments is not None:
        kept = 0 if launch.kind == "jar" else 1  # the script, or the job's name
        command = (*command[:kept], *change.arguments)
    if change.parallelism is not None and launch.kind == "embedded":
        command = _with_option(command, "--parallelism", str(change.parallelism))
    return msgspec.structs.replace(
        launch,
        command=command,
        entry_class=change.entry_class or launch.entry_class,
        parallelism=change.parallelism or launch.parallelism,
        settings=_with_settings(launch.settings, change.settings),
    )


def _with_settings(old: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """A setting that is changed to None is taken away."""
    return {key: value for key, value in {**old, **changes}.items() if value is not None}


class LaunchChange(NamedTuple):
    """One thing that is submitted otherwise than before."""

    part: Literal["program", "parallelism", "setting", "arguments"]
    name: str
    old: str
    new: str

    def line(self) -> str:
        """As the plan shows it."""
        return f"{self.name}: {self.old} -> {self.new}"


def launch_changes(job: JobFacts, old: Launch | None, new: Launch | None) -> tuple[LaunchChange, ...]:
    """All of them; none where it is not known how to submit the new job."""
    if new is None:
        return ()
    changes = []
    if old is None or not same_program(old, new):
        changes.append(LaunchChange("program", "program", _program(old), _program(new)))
    before = parallelism_before(job, old)
    if new.parallelism is not None and new.parallelism != before:
        changes.append(LaunchChange("parallelism", "parallelism", str(before), str(new.parallelism)))
    settings = old.settings if old else {}
    changes += [
        LaunchChange("setting", key, settings.get(key, _NOT_SET), new.settings.get(key, _NOT_SET))
        for key in changed_settings(settings, new.settings)
    ]
    parts = [_without_option(one.command, "--parallelism") if one else () for one in (old, new)]
    if parts[0] != parts[1]:
        changes.append(LaunchChange("arguments", "arguments", " ".join(parts[0]), " ".join(parts[1])))
    return tuple(changes)


def same_program(old: Launch, new: Launch) -> bool:
    """Whether the same code is run, whatever its arguments."""
    return (old.kind, old.jar_id, old.entry_class) == (new.kind, new.jar_id, new.entry_class)


def parallelism_before(job: JobFacts, old: Launch | None) -> int | None:
    """That of the old submission; of the widest vertex where it names none."""
    if old is not None and old.parallelism:
        return old.parallelism
    return max((vertex.parallelism for vertex in job.vertices), default=None)


def changed_settings(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The keys whose value differs, or that only one of them has."""
    return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))


def change_class(changes: Sequence[LaunchChange]) -> str:
    """As a plan names it: none, scale (the parallelism alone), upgrade."""
    if not changes:
        return "none"
    return "scale" if all(change.part == "parallelism" for change in changes) else "upgrade"


def _program(launch: Launch | None) -> str:
    if launch is None:
        return "(unknown)"
    return launch.jar_id or (launch.command[0] if launch.command else launch.kind)


def _with_option(command: tuple[str, ...], option: str, value: str) -> tuple[str, ...]:
    """The command with this option set once.

    >>> _with_option(("job", "--p", "1", "--x"), "--p", "2")
    ('job', '--x', '--p', '2')
    """
    return (*_without_option(command, option), option, value)


def _without_option(command: tuple[str, ...], option: str) -> tuple[str, ...]:
    kept: list[str] = []
    skip = False
    for part in command:
        if skip:
            skip = False
        elif part == option:
            skip = True
        elif not part.startswith(f"{option}="):
            kept.append(part)
    return tuple(kept)
