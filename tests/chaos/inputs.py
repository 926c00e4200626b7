"""Bad inputs, made from a seed: every option and argument of every command, and the surroundings of a call."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.commands import ABSENT, Command
from tests.chaos.invariants import PLANTED
from tests.chaos.living_flink import NAME

Words = list[str | bytes]

TEXTS: tuple[str | bytes, ...] = (
    "",
    " ",
    "-",
    "--",
    "-x",
    "--no-such-option",
    "\x1b[31mred\x1b]52;c;eA==\x07",
    "\u202eevil",
    "[bold]x[/]",
    "a" * 120_000,
    "../../../../etc/passwd",
    "%s%n%p",
    "{job}{0.__class__}",
    "💥" * 40,
    b"\xff\xfe\xfa",
    "two\nlines\r\n\tand a tab",
    "'; touch pwned #",
    "$(touch pwned)",
    "`id`",
    "0",
    "-1",
    "NaN",
    "inf",
    "1e999",
    "9" * 400,
    "０１２",
    "true",
    "null",
    "a=b=c",
    "=",
    "x=",
    "=x",
    "\u2028",
    "İ",
    "\x7f",
)
DURATIONS = (
    "0",
    "-5s",
    "1e308h",
    "9" * 30 + "d",
    "5 parsecs",
    "nan",
    "inf",
    "1s2",
    "",
    "1.5.2s",
    "٣s",
    "1µ",
    "0.0000001ms",
)
NUMBERS = ("-1", "0", "1.5", "9" * 40, "1e3", "0x10", "", "one", "-0", "+1", "1_000", "٣")
URLS = (
    "http://",
    "http://[::1",
    "http://a b",
    "ftp://127.0.0.1:9",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:-1",
    "http://:80",
    "//127.0.0.1:9",
    f"http://user:{PLANTED}-1@127.0.0.1:9",
    f"http://user:{PLANTED}/2@127.0.0.1:9",
    f"http://user:{PLANTED}@3@[bad",
    "http://" + "a" * 300 + ".invalid",
    "http://" + "a." * 200 + "invalid",
    "http://İ̇.invalid",
    "http://xn--a.invalid",
    "http://ａ。invalid:9",
    "http://.:9",
    "http://..invalid:9",
    "http://127.0.0.1:9/%ff%00",
    "http://127.0.0.1:9/" + "x" * 5_000,
    "http://\u0000",
    "http://exa\u0000mple.invalid",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "unix:///var/run/docker.sock",
    "http://127.0.0.1:9#\x1b[31m",
    "http://[::ffff:127.0.0.1%25lo]:9",
    "127.0.0.1:9/?a=b",
)
FORMATS = ("JSON", "xml", "", "json,yaml", "jsonpath={.x}", "\x1b[31m")
SETTINGS: tuple[str, ...] = (
    "timeout = 1\x00",
    "timeout = inf",
    "interval = -1",
    "a = " + "[" * 3_000,
    "a = {" * 500,
    "[" * 2_000,
    "read_only = 'perhaps'",
    "production = 7",
    "production = ['[']",
    "sources = [1]",
    '[[sources]]\nname = "a"\nrest = "http://["',
    f'[[sources]]\nname = "a"\nrest = "http://127.0.0.1:9"\npassword = "{PLANTED}-literal"',
    '[[sources]]\nname = "a"\nrest = "http://127.0.0.1:9"\npassword = "env:NO_SUCH_VARIABLE"\nusername = "u"',
    '[[sources]]\nname = "a"\nrest = "http://127.0.0.1:9"\nheaders = { "A\\nB" = "env:HOME" }',
    '[[sources]]\nname = "a"\nrest = "https://127.0.0.1:9"\nca_file = "/dev/null"',
    '[[sources]]\nname = "a"\nrest = "https://127.0.0.1:9"\nclient_cert = "/no/such/file"',
    '[[sources]]\ncontext = "nobody"',
    '[classes.x]\nstate_limit = "9e999GB"',
    '[links]\nx = "{job.__class__.__init__.__globals__}"',
    '[links]\nx = "https://l/{job!r:>99999999999}"',
    "[health]\nraise_after_polls = 1e308",
    'context = ["a", "a"]\nkubeconfig = "."',
    "\ufeffinterval = '3s'",
    "\xe9",
    "interval = 99999999999999999999999999999999s",
    "rest = ['" + "a" * 100_000 + "']",
)
VARIABLES: tuple[tuple[str, str], ...] = (
    ("HOME", ABSENT),
    ("HOME", "/no/such/home"),
    ("HOME", ""),
    ("HOME", "relative"),
    ("HOME", "/dev/null"),
    ("XDG_CONFIG_HOME", "/dev/null"),
    ("XDG_STATE_HOME", "/proc/1/no"),
    ("XDG_CACHE_HOME", "\x1b[31m"),
    ("PATH", ABSENT),
    ("LANG", "C"),
    ("LC_ALL", "xx_YY.KOI8"),
    ("TERM", "dumb"),
    ("TERM", "\x1b"),
    ("COLUMNS", "0"),
    ("COLUMNS", "999999999"),
    ("COLUMNS", "wide"),
    ("TZ", "No/Where"),
    ("FLINKOPS_TIMEOUT", "soon"),
    ("FLINKOPS_TIMEOUT", "1e308h"),
    ("FLINKOPS_INTERVAL", "-1"),
    ("FLINKOPS_READ_ONLY", "perhaps"),
    ("FLINKOPS_OUTPUT", "xml"),
    ("FLINKOPS_REST", "http://[ , ;"),
    ("FLINKOPS_REST", f"http://u:{PLANTED}@[x"),
    ("FLINKOPS_CONTEXT", ",,"),
    ("FLINKOPS_KUBECONFIG", "/dev/zero"),
    ("FLINKOPS_NAMESPACE", "../.."),
    ("FLINKOPS_CONFIG", "/dev/zero"),
    ("FLINKOPS_CONFIG", "/no/such/file"),
    ("FLINKOPS_JOURNAL", "/dev/null"),
    ("FLINKOPS_JOURNAL", "/dev/null/below"),
    ("FLINKOPS_JOURNAL", "/proc/self"),
    ("FLINKOPS_JOURNAL", ""),
    ("FLINKOPS_LOCAL_HOME", "/dev/zero"),
    ("FLINKOPS_PRODUCTION", ","),
    ("KUBECONFIG", "/dev/null"),
    ("KUBECONFIG", "::"),
    ("KUBECONFIG", "/dev/zero"),
    ("KUBERNETES_SERVICE_HOST", "\x1b[31m"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("REQUESTS_CA_BUNDLE", "/no/such/file"),
    ("SSL_CERT_FILE", "/dev/null"),
)
FILES: dict[str, bytes] = {
    "empty": b"",
    "zeros": b"\0" * 3_000_000,
    "not-utf8": b"\xff\xfe\xfa" * 100,
    "deep.json": b"[" * 300_000,
    "deep.yaml": b"- " * 20_000 + b"x",
    "bomb.yaml": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n".encode() for n in range(8)),
    "long.jsonl": b'{"schema_version":1,"taken_ms":1' + b" " * 2_000_000 + b"}\n",
    "numbers.json": b'{"a":' + b"9" * 100_000 + b"}",
    "plan.json": b'{"schema_version":1,"hash":"x","plan":{"id":"../../x","verb":"upgrade"}}',
    "newer.json": b'{"schema_version":99}',
    "gzip.gz": b"\x1f\x8b\x08\x00" + b"\0" * 50,
    "script": b"#!/bin/sh\ntouch pwned\n",
    "manifest.yaml": b"kind: FlinkDeployment\nmetadata: 7\nspec: []\n",
    "tag.yaml": b"!!python/object/apply:os.system ['touch pwned']\n",
}
DEVICES = (
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/proc/self/mem",
    "/",
    ".",
    "/no/such/file",
    "/dev/stdin",
)
ENDLESS = ("status --watch", "exporter", "autoscale run", "record")
"""Commands that run until they are told to stop."""


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
        if hasattr(command, "commands"):
            for name, below in sorted(command.commands.items()):
                walk(below, (*path, name))
        else:
            found.append((path, list(command.params)))

    walk(typer.main.get_command(build()), ())
    return found


CONTRACT = (
    ("rehearse", NAME),
    ("timeline", NAME),
    ("report", "x.rec", "--out", "report.html"),
    ("storage", "orphans"),
    ("savepoint", "show", "s3://b/x"),
    ("savepoint", "diff", "s3://b/x", "s3://b/y"),
    ("savepoint", "copy", "s3://b/x", "s3://b/y"),
    ("record", "--last", "2h", "x.rec"),
    ("init",),
    ("alerts", "generate", "--out", "alerts"),
)
"""Calls of the contract: also those that are not there yet."""


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


def json_journal(lines: int) -> bytes:
    """Lines as a journal has them, which say nothing."""
    return b"".join(json.dumps({"schema_version": 1, "n": n}).encode() + b"\n" for n in range(lines))
