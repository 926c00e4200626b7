"""A first `flinkops.toml`, with comments, from what was found and answered. Pure."""

import glob
from collections.abc import Iterable, Sequence

import msgspec

FOUND_SHOWN = 20


class FoundCluster(msgspec.Struct, frozen=True):
    """A Kubernetes context as far as it was looked at. ``operator`` is None where the Flink operator was not seen."""

    context: str
    kubeconfig: str | None = None
    operator: str | None = None
    told: str = ""
    """What was seen, or why nothing was."""


class Answers(msgspec.Struct, frozen=True):
    """What the file is to say. ``namespaces`` empty: all of them."""

    clusters: tuple[FoundCluster, ...] = ()
    namespaces: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    production: tuple[str, ...] = ()
    """Names of contexts; each is written so that it stands for itself alone."""


def starter_file(answers: Answers, found: Sequence[FoundCluster] = ()) -> str:
    """The file's content: what was answered as settings, what else there is as comments."""
    lines = [
        "# flinkops.toml, written by `flinkops init`. Flag > FLINKOPS_* > this file > your own file > default;",
        "# `flinkops config view --show-origin` shows what counts. Every key: docs/configuration.md.",
        "",
        '# interval = "10s"  # between polls',
        '# timeout = "8s"    # of each source',
        "",
        "# Sources that are only read, unless --no-read-only is given. Names or patterns.",
        f"production = {_list(map(glob.escape, answers.production))}" if answers.production else _PRODUCTION,
    ]
    for cluster in answers.clusters:
        lines += ["", "[[sources]]", f"context = {_pattern(cluster.context)}{_comment(cluster.told)}"]
        if cluster.kubeconfig is not None:
            lines.append(f"kubeconfig = {toml_string(cluster.kubeconfig)}")
        if answers.namespaces:
            lines.append(f"namespaces = {_list(answers.namespaces)}")
        else:
            lines.append("all_namespaces = true")
        lines.append('# selector = "team=pricing"')
    for url in answers.rest:
        lines += ["", "[[sources]]", f"rest = {toml_string(url)}"]
    if not answers.clusters and not answers.rest:
        lines += ["", "# [[sources]]", '# rest = "http://flink.example:8081"  # or: context = "NAME"']
    left_out = [one for one in found if one not in answers.clusters]
    if left_out:
        lines += ["", "# Also found, and left out:"]
        lines += [f"#   context = {_pattern(one.context)}{_comment(one.told)}" for one in left_out[:FOUND_SHOWN]]
    if len(left_out) > FOUND_SHOWN:
        lines.append(f"#   and {len(left_out) - FOUND_SHOWN} more")
    lines += ["", *_LIMITS]
    return "\n".join(lines) + "\n"


_PRODUCTION = '# production = ["prod-*"]'
_LIMITS = (
    "# What is asked of a job goes by its class: latency-critical (p99 50ms), windowed (p99 1s), or one of yours.",
    "# [classes.latency-critical]",
    '# latency_p99 = "50ms"',
    "# [[jobs]]",
    '# class = "latency-critical"',
    '# name = "alerts-*"',
)


def toml_string(text: str) -> str:
    r"""A basic string of TOML that reads back as `text`; what is not printable is escaped.

    >>> toml_string('a"b\nc')
    '"a\\"b\\nc"'
    """
    return f'"{"".join(_escaped(character) for character in text)}"'


def writable(text: str) -> bool:
    """Whether TOML can hold it: half of a surrogate pair is no character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character == "\n":
        return "\\n"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _pattern(name: str) -> str:
    """A context that stands for itself, also where its name has signs of a pattern."""
    return toml_string(glob.escape(name) if {"*", "?"} & set(name) else name)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(toml_string, texts))}]"


def _comment(told: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in told)[:200].strip()
    return f"  # {line}" if line else ""
