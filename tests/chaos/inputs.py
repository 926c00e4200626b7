"""Bad inputs, made from a seed: every option and argument of every command, and the surroundings of a call."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.commands import Command
from tests.chaos.living_flink import NAME
from tests.chaos.values import (
    CONTRACT,
    DEVICES,
    DURATIONS,
    ENDLESS,
    FILES,
    FORMATS,
    NUMBERS,
    SETTINGS,
    TEXTS,
    URLS,
    VARIABLES,
)

Words = list[str | bytes]


@dataclass(frozen=True)
class Case:
    """One bad input: what sort it is, and the call."""

    kind: str
    command: Command


def prepare(scratch: Path) -> None:
    """The files that inputs name."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in FILES.items():
        (scratch / name).write_bytes(content)
    (scratch / "loop").symlink_to("loop")
    (scratch / ("n" * 200)).write_text("")
    (scratch / "unreadable").write_text("x")
    (scratch / "unreadable").chmod(0)
    (scratch / "folder").mkdir()


def leaves() -> list[tuple[tuple[str, ...], list[Any]]]:
    """Every command with its parameters, as the command line has them now: new ones come by themselves."""
    import typer.main

    from flinkops.cli.main import build

    found: list[tuple[tuple[str, ...], list[Any]]] = []

    def walk(command: Any, path: tuple[str, ...]) -> None:
        if below := command.loaded() if hasattr(command, "loaded") else getattr(command, "commands", None):
            for name, one in sorted(below.items()):
                walk(one, (*path, name))
        else:
            found.append((path, list(command.params)))

    walk(typer.main.get_command(build()), ())
    return found


class Inputs:
    """Makes cases for one scratch folder and one address of a Flink."""

    def __init__(self, seed: int, scratch: Path, url: str) -> None:
        self._random = random.Random(seed)
        self._scratch = scratch
        self._url = url
        self._leaves = [one for one in leaves() if one[0] != ("demo",)]

    def cases(self) -> Iterator[Case]:
        """Without end: one of each kind in turn."""
        makers: Sequence[Callable[[], Case]] = (
            self._bad_option,
            self._bad_option,
            self._bad_argument,
            self._bad_argument,
            self._bad_url,
            self._bad_file,
            self._bad_setting,
            self._bad_variable,
            self._bad_surroundings,
            self._contract,
        )
        while True:
            for make in makers:
                yield make()

    def _pick(self) -> tuple[tuple[str, ...], list[Any]]:
        return self._random.choice(self._leaves)

    def _of(self, path: tuple[str, ...], parameters: list[Any], without: Any = None) -> Words:
        """A call that could work: a value for each argument that has to be there."""
        words: Words = [*path]
        for one in parameters:
            if one is not without and one.param_type_name == "argument" and one.required:
                words.append(self._good(one.name))
        return words

    def _good(self, name: str) -> str:
        return {"path": "s3://bucket/savepoints/savepoint-1", "file": "empty", "plan": "plan.json", "what": NAME}.get(
            name, NAME
        )

    def _finish(self, kind: str, words: Words, **more: Any) -> Case:
        """With an address, an end, and no question."""
        path = " ".join(one for one in words[:2] if isinstance(one, str))
        named = {one for one in words if isinstance(one, str)}
        options = dict(more.pop("options", {}))
        elsewhere = named & {"--rest", "--context", "--kubeconfig", "-n", "--namespace", "-A"}
        needs_none = path.startswith(("version", "config", "alerts", "action"))
        if not elsewhere and not needs_none and self._random.random() < 0.8:
            words += ["--rest", self._url]
        if "--timeout" not in named and self._random.random() < 0.9 and path != "version":
            words += ["--timeout", "1s"]
        takes = {
            option
            for leaf, parameters in self._leaves
            for one in parameters
            for option in one.opts
            if _begins(words, leaf)
        }
        if "--yes" in takes and self._random.random() < 0.6:
            words.append("--yes")
        if "--seconds" in takes and "--seconds" not in named:
            words += ["--seconds", "0.3"]
        if any(path.startswith(one) for one in ENDLESS) or "--watch" in named:
            options.setdefault("signal_after", 2.0)
        command = Command(words, self._scratch, timeout_seconds=20.0, options=options, **more)
        return Case(kind, command)

    def _value(self, option: str) -> str | bytes:
        pools: list[Sequence[str | bytes]] = [TEXTS]
        if any(part in option for part in ("timeout", "interval", "seconds", "watch-for", "pause")):
            pools = [DURATIONS, DURATIONS, TEXTS]
        elif any(part in option for part in ("parallelism", "keep", "checkpoints", "slots", "max-un", "rate", "shard")):
            pools = [NUMBERS, NUMBERS, TEXTS]
        elif option in ("--rest", "--listen"):
            pools = [URLS]
        elif option == "--output":
            pools = [FORMATS]
        elif any(
            part in option
            for part in ("file", "out", "replay", "bundle", "journal", "config", "jar", "py", "tls", "-f")
        ):
            pools = [DEVICES, [*FILES, "loop", "folder", "unreadable", "n" * 300], TEXTS]
        return self._random.choice(self._random.choice(pools))

    def _bad_option(self) -> Case:
        path, parameters = self._pick()
        words = self._of(path, parameters)
        options = [one for one in parameters if one.param_type_name == "option" and not one.is_flag]
        flags = [one for one in parameters if one.param_type_name == "option" and one.is_flag and one.name != "help"]
        for one in self._random.sample(options, min(len(options), self._random.choice((1, 1, 2, 3)))):
            words += [one.opts[0], self._value(one.opts[0])]
        for one in self._random.sample(flags, min(len(flags), self._random.choice((0, 0, 1, 3)))):
            if one.opts[0] != "--debug":
                words.append(one.opts[0])
        return self._finish("options", words)

    def _bad_argument(self) -> Case:
        path, parameters = self._pick()
        arguments = [one for one in parameters if one.param_type_name == "argument"]
        words: Words = [*path]
        if self._random.random() < 0.15:
            return self._finish("arguments", words)  # what has to be there is not
        for one in arguments:
            words.append(self._value(one.name) if self._random.random() < 0.5 else self._random.choice(TEXTS))
        if self._random.random() < 0.15:
            words.append(self._random.choice(TEXTS))  # one too many
        return self._finish("arguments", words)

    def _bad_url(self) -> Case:
        path, parameters = self._pick()
        words = self._of(path, parameters)
        for _ in range(self._random.choice((1, 1, 2))):
            words += ["--rest", self._random.choice(URLS)]
        return self._finish("addresses", words)

    def _bad_file(self) -> Case:
        name = self._random.choice([*FILES, "loop", "folder", "unreadable", "n" * 300, *DEVICES])
        call: Words = list(
            self._random.choice(
                (
                    ("apply", name),
                    ("status", "--replay", name, "--once"),
                    ("doctor", "--replay", name),
                    ("autoscale", "replay", NAME, name),
                    ("autoscale", "advise", NAME, "--replay", name),
                    ("autoscale", "explain", NAME, "--configmap", name),
                    ("upgrade", NAME, "-f", name),
                    ("upgrade", NAME, "--savepoint", "--py", name, "--plan"),
                    ("upgrade", NAME, "--savepoint", "--jar", name, "--plan"),
                    ("status", "--config", name, "--once"),
                    ("status", "--kubeconfig", name, "--once"),
                    ("savepoint", "verify", name),
                    ("savepoint", "verify", f"file://{self._scratch}/{name}"),
                    ("history", "--journal", name),
                    ("action", "repair", "--journal", name),
                    ("record", name),
                    ("doctor", "--bundle", name),
                    ("upgrade", NAME, "--savepoint", "--jar", "old.jar", "--out", name),
                    ("alerts", "generate", "--out", name),
                    ("config", "trust", name),
                    ("exporter", "--basic-auth-file", name, "--listen", "127.0.0.1:0"),
                    ("exporter", "--tls-cert", name, "--tls-key", name, "--listen", "127.0.0.1:0"),
                )
            )
        )
        return self._finish("files", call)

    def _bad_setting(self) -> Case:
        text = self._random.choice(SETTINGS)
        file = self._scratch / "settings.toml"
        path, parameters = self._pick()
        words = [*self._of(path, parameters), "--config", str(file)]
        if path == ("version",):
            words = ["status", "--once", "--config", str(file)]
        file.write_text(text, encoding="utf-8")
        return self._finish("settings", words)

    def _bad_variable(self) -> Case:
        path, parameters = self._pick()
        chosen = dict(self._random.sample(VARIABLES, self._random.choice((1, 1, 2))))
        options = {"encoding": "ascii"} if chosen.get("LANG") == "C" else {}
        words = self._of(path, parameters)
        return self._finish("environment", words, env=chosen, options=options)

    def _bad_surroundings(self) -> Case:
        path, parameters = self._pick()
        words = self._of(path, parameters)
        more: dict[str, Any] = {}
        options: dict[str, Any] = self._random.choice(
            (
                {"stdin": "closed"},
                {"stdout": "closed"},
                {"stderr": "closed"},
                {"stdin": "closed", "stdout": "closed", "stderr": "closed"},
                {"stdout": "/dev/full"},
                {"stderr": "/dev/full"},
                {"stdin": "/dev/zero"},
                {"gone": True},
                {"uid": 54321},
                {"limits": {"RLIMIT_NOFILE": 12}},
                {"limits": {"RLIMIT_FSIZE": 0}},
                {"limits": {"RLIMIT_FSIZE": 100}},
            )
        )
        if options.get("gone"):
            folder = self._scratch / "gone"
            folder.mkdir(exist_ok=True)
            more["cwd"] = folder
        if self._random.random() < 0.4:
            words += ["-o", "json"]
        return self._finish("surroundings", words, options=options, **more)

    def _contract(self) -> Case:
        words: Words = [*self._random.choice(CONTRACT)]
        at = self._random.randrange(1, len(words) + 1)
        words[at:at] = [self._random.choice(TEXTS)]
        return self._finish("contract", words)


def _begins(words: Words, path: tuple[str, ...]) -> bool:
    return tuple(words[: len(path)]) == path
