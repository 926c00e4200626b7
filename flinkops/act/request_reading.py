"""From what was given to an ActionRequest: one reading for the command line and the screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from flinkops.act.manifest import specs_of_manifest
from flinkops.act.request_options import OPTIONS, RequestOption
from flinkops.errors import UsageError
from flinkops.model.quantities import parse_duration
from flinkops.model.request import ActionRequest, Change, Mode, RequestVerb, Terms
from flinkops.model.request_defaults import DEFAULT_CHECKPOINTS, DEFAULT_WATCH_SECONDS


def request_of(verb: RequestVerb, values: Mapping[str, Any], job: str | None) -> ActionRequest:
    """What was given, by the names of the options; a missing one has its default. `job` is the job as it was named.

    Reads the file of a manifest. Raises UsageError for what makes no sense anywhere; what a back end cannot do is its
    own to refuse (Backend.prerequisites).
    """
    given = {option.name: values.get(option.name, option.default) for option in OPTIONS[verb]}
    vertices, manifest = _vertices(given.get("vertex")), given.get("manifest")
    if verb == "rescale" and given["parallelism"] is None and not vertices:
        raise UsageError("nothing to change", next_step="give --parallelism N or --vertex ID=N")
    return ActionRequest(
        verb,
        change=_change(given),
        terms=_terms(given),
        mode=_one_mode(given),
        vertices=vertices,
        undo=given.get("undo"),
        start_from=given.get("start_from"),
        manifest={} if manifest is None else specs_of_manifest(Path(manifest), job),
    )


def rehearsed(request: ActionRequest) -> ActionRequest:
    """The same, with a rehearsal before the stop."""
    return msgspec.structs.replace(request, terms=msgspec.structs.replace(request.terms, rehearse=True))


def parse_request(verb: RequestVerb, words: Sequence[str], job: str) -> ActionRequest:
    """The same from words, as they stand on a command line behind the job. Raises UsageError."""
    by_flag = {flag: option for option in OPTIONS[verb] for flag in option.flags}
    values: dict[str, Any] = {}
    left = list(words)
    while left:
        flag, value = _split(left.pop(0))
        option = by_flag.get(flag)
        if option is None:
            raise UsageError(f"{flag!r} is no option of {verb}", next_step=f"known: {', '.join(by_flag)}")
        if option.is_flag:
            if value is not None:
                raise UsageError(f"{flag} takes no value")
            values[option.name] = True
            continue
        if value is None and not left:
            raise UsageError(f"{flag}: {option.metavar or 'a value'} is expected")
        read = _read(option, flag, left.pop(0) if value is None else value)
        values[option.name] = [*values.get(option.name, []), read] if option.repeatable else read
    return request_of(verb, values, job)


def _split(word: str) -> tuple[str, str | None]:
    """``--flag=value``, ``-fvalue``, or the flag alone."""
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag, value if equals else None
    if word.startswith("-") and len(word) > 2:
        return word[:2], word[2:]
    return word, None


def _read(option: RequestOption, flag: str, text: str) -> str | int:
    if option.choices and text not in option.choices:
        raise UsageError(f"{flag} {text}: it is {' or '.join(option.choices)}")
    if option.kind is not int:
        return text
    if not (text.isascii() and text.isdigit()) or int(text) < (option.minimum or 0):
        raise UsageError(f"{flag} {text}: a number is expected, at least {option.minimum or 0}")
    return int(text)


def _change(given: Mapping[str, Any]) -> Change:
    return Change(
        parallelism=given.get("parallelism"),
        settings={**pairs(given.get("settings"))},
        arguments=tuple(given["arguments"]) if given.get("arguments") else None,
        jar=given.get("jar"),
        entry_class=given.get("entry_class"),
        script=given.get("script"),
        image=given.get("image"),
    )


def _terms(given: Mapping[str, Any]) -> Terms:
    native: Literal["canonical", "native"] = "native" if given.get("savepoint_format") == "native" else "canonical"
    return Terms(
        target_directory=given.get("target"),
        savepoint_format=native,
        checkpoints=given.get("checkpoints", DEFAULT_CHECKPOINTS),
        watch_seconds=_watch_seconds(given.get("watch_for")),
        backup=given.get("backup", False),
        redeploy_from=given.get("redeploy_from"),
        keep_nonce=given.get("keep_nonce", False),
        rehearse=given.get("rehearse", False),
        accept_loss=tuple(given.get("accept_loss") or ()),
        flink_home=given.get("flink_home"),
        sample=given.get("sample", False),
        prepull=given.get("prepull", False),
    )


def _watch_seconds(text: str | None) -> float:
    try:
        return DEFAULT_WATCH_SECONDS if text is None else parse_duration(text)
    except ValueError as problem:
        raise UsageError(f"--watch-for: {problem}") from None


def _one_mode(given: Mapping[str, Any]) -> Mode | None:
    chosen: list[Mode] = []
    if given.get("savepoint"):
        chosen.append("savepoint")
    if given.get("last_state"):
        chosen.append("last-state")
    if given.get("stateless"):
        chosen.append("stateless")
    if len(chosen) > 1:
        raise UsageError(f"one mode, not {' and '.join(chosen)}")
    return chosen[0] if chosen else None


def pairs(given: Sequence[str] | None) -> dict[str, str]:
    """``KEY=VALUE`` each, of `--set`. Raises UsageError for what is not."""
    found = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {text}: KEY=VALUE is expected")
        found[key] = value
    return found


def _vertices(given: Sequence[str] | None) -> dict[str, int]:
    wanted = {}
    for text in given or []:
        vertex, equals, number = text.rpartition("=")
        if not equals or not vertex or not (number.isascii() and number.isdigit()):
            raise UsageError(f"--vertex {text}: ID=N is expected", next_step="flinkops status JOB -o json has the ids")
        wanted[vertex] = int(number)
    return wanted
