"""The three that soak, each with what is done to it: exporter, TUI on a replay, dispatcher of the price alerts."""

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import requests

from bench._soak_exporter import KEPT_SAMPLES
from bench.tui import Terminal
from flinkops.local import kafka
from flinkops.local.java import find_java
from flinkops.local.ports import HOST, free_ports
from flinkops.local.processes import terminate
from flinkops.recording import Recorder
from jobs.price_alerts.dispatcher.receiver import Behaviour, Receiver
from tests.dispatcher.alerts import SECRET, encoded
from tests.tui.fleet import fleet

ROOT = Path(__file__).resolve().parent.parent
SCRAPE_SECONDS, FIRST_SCRAPE_SECONDS = 5.0, 1.5
FRAMES, JOBS = 240, 120
ALERTS_A_SECOND = 20
START_SECONDS = 120.0


class Part(Protocol):
    """One program under the soak."""

    name: str

    @property
    def pid(self) -> int: ...
    def start(self) -> None: ...
    def done(self) -> dict[str, int]:
        """What was done to it and came of it so far."""

    def end(self) -> int:
        """Ends it as its user would; its exit code."""

    def last_words(self) -> str:
        """Of one that ended by itself: its exit code, and the end of what it said."""

    def close(self) -> None:
        """Ends all that is left."""


def _threaded(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _await(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"never: {what}")
        time.sleep(0.2)


def _last_words(process: "subprocess.Popen[bytes]", said: str) -> str:
    return f"exit code {process.poll()}: {said[-1_500:]}"


class ExporterPart:
    """Scraped each few seconds; its fleet goes wrong in turn; some clients read slowly or go away in the middle."""

    name = "exporter"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self._counts = {"scrapes": 0, "failed_scrapes": 0, "jobs_seen_last": 0, "clients_cut_off": 0, "probes": 0}

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._fleet = subprocess.Popen(
            [sys.executable, "-m", "bench._soak_fleet"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._fleet.stdout is not None
        urls = json.loads(self._fleet.stdout.readline())
        self._port, refused = free_ports(2)
        options = [word for url in [*urls, f"http://{HOST}:{refused}"] for word in ("--rest", url)]
        command = [
            sys.executable,
            "-m",
            "bench._soak_exporter",
            "exporter",
            "--listen",
            f"{HOST}:{self._port}",
            "--vertices",
            *options,
        ]
        with (self._folder / "exporter.log").open("wb") as log:
            environment = {**os.environ, "HOME": str(self._folder)}
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        _await(self._answers, "the exporter answers")
        _threaded(self._scrape, "scraper")
        _threaded(self._rude, "rude clients")

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://{HOST}:{self._port}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    def _scrape(self) -> None:
        # First faster, until each job has all the samples that are kept of it, those too that are away now and then.
        while not self._ended.wait(
            FIRST_SCRAPE_SECONDS if self._counts["scrapes"] < 2 * KEPT_SAMPLES else SCRAPE_SECONDS
        ):
            try:
                answer = requests.get(f"http://{HOST}:{self._port}/metrics", timeout=30)
                answer.raise_for_status()
            except requests.RequestException:
                self._counts["failed_scrapes"] += not self._ended.is_set()
                continue
            self._counts["scrapes"] += 1
            self._counts["jobs_seen_last"] = answer.text.count("flinkops_job_health{") // 4

    def _rude(self) -> None:
        rng = random.Random(1)
        while not self._ended.wait(11.0):
            with contextlib.suppress(OSError), socket.create_connection((HOST, self._port), timeout=5) as client:
                if rng.random() < 0.5:
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")  # and never the rest
                    self._ended.wait(rng.uniform(0, 20))
                else:
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")  # and never reads
                self._counts["clients_cut_off"] += 1
            self._counts["probes"] += self._answers()

    def done(self) -> dict[str, int]:
        return self._counts

    def end(self) -> int:
        self._ended.set()
        self._process.terminate()
        return self._process.wait(60)

    def last_words(self) -> str:
        return _last_words(self._process, (self._folder / "exporter.log").read_text("utf-8", "replace"))

    def close(self) -> None:
        self._ended.set()
        if self._process.poll() is None:
            self._process.kill()
        assert self._fleet.stdin is not None
        self._fleet.stdin.close()
        self._fleet.wait(20)


# Each opens something, moves in it, and closes it again.
VISITS = (
    "jjjkk", "G", "g", "\x06\x02", "w", "o", ">", "<", "b", "b", "t", "p p", "[", "]", "{", "}}", "+", "-",
    "\r jjk\x1b", "\r123456789\x1b", "\r d jj\x1b\x1b", "\r T jj\x1b\x1b", "\r a\x1b\x1b", "\r f\x1b\x1b",
    "\r L\x1b\x1b", "\r E\x1b\x1b", "\r 1 j\r\x1b\x1b", "d\x1b", "T\x1b", "?jj\x1b", "S\x1b", "A\x1b", "u\x1b",
    ":orders\x1b", "/orders\r", "/\x15\r", "c\x1b", "v\x1b", "n a note\r", "y\x1b",
)  # fmt: skip


class TuiPart:
    """On a terminal of its own, on a recording of 120 jobs; keys now and then, so that screens open and close."""

    name = "tui"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self._typed: tuple[str, ...] = ()
        self._counts = {
            "keys": 0,
            "visits": 0,
            "visits_without_a_paint": 0,
            "bytes_painted": 0,
            "times_from_the_start": 0,
        }

    @property
    def pid(self) -> int:
        return self._terminal.child.pid

    def start(self) -> None:
        recording = self._folder / "fleet.rec"
        with Recorder(recording) as recorder:
            for poll in range(FRAMES):
                recorder.write(fleet(JOBS, poll=poll, hostile=poll % 40 == 39).snapshot)
        os.environ["HOME"] = str(self._folder)
        self._terminal = Terminal([sys.executable, "-m", "flinkops", "status", "--replay", str(recording)])
        self._terminal.wait_for(b"worst first", START_SECONDS)
        _threaded(self._read, "reader")
        _threaded(self._press, "keys")

    def _read(self) -> None:
        while self._terminal.child.poll() is None:
            painted = self._terminal.read(0.5)
            self._terminal.seen = (self._terminal.seen + painted)[-4_000:]
            self._counts["bytes_painted"] += len(painted)

    def _type(self, keys: str) -> None:
        self._typed = (*self._typed[-4:], keys)
        for key in keys:
            if key == " ":
                time.sleep(0.4)
                continue
            os.write(self._terminal.master, key.encode())
            self._counts["keys"] += 1
            time.sleep(0.5 if key == "\x1b" else 0.15)  # an escape and a key at once are alt and the key

    def _press(self) -> None:
        rng = random.Random(2)
        self._type("++")  # four times as fast: all of the recording is seen within the warm-up
        while not self._ended.wait(rng.uniform(1.0, 4.0)):
            painted = self._counts["bytes_painted"]
            with contextlib.suppress(OSError):
                self._type(rng.choice(VISITS))
                self._counts["visits"] += 1
                if self._counts["visits"] % 50 == 0:  # from the start again: a recording ends
                    self._type("\x1b\x1b" + "{" * (FRAMES // 12 + 1))
                    self._type("p")
                    self._counts["times_from_the_start"] += 1
            time.sleep(0.5)
            self._counts["visits_without_a_paint"] += self._counts["bytes_painted"] == painted

    def done(self) -> dict[str, int]:
        return self._counts

    def end(self) -> int:
        self._ended.set()
        time.sleep(10)  # what is being typed
        for key in "\x1b\x1b\x1bq":
            with contextlib.suppress(OSError):
                self._type(key)
        try:
            return self._terminal.child.wait(60)
        except subprocess.TimeoutExpired:  # a busy machine is still at the keys before: its code then says so
            self._terminal.child.terminate()
            return self._terminal.child.wait(60)

    def last_words(self) -> str:
        logs = [path.read_text("utf-8", "replace") for path in self._folder.rglob("*.log")]
        painted = self._terminal.seen.decode("utf-8", "replace")
        return f"typed last {self._typed!r}; {_last_words(self._terminal.child, painted)}; logs: {logs}"

    def close(self) -> None:
        self._ended.set()
        self._terminal.close()


class DispatcherPart:
    """Real Kafka, a receiver that fails, hangs and goes away for a while, and some records that are no alerts."""

    name = "dispatcher"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self._counts = {"records": 0, "poison": 0, "outages": 0}
        self._receiver = Receiver(SECRET, Behaviour(fail_ratio=0.03, hang_ratio=0.002))

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        home = self._folder / "kafka home"
        broker, controller, receiver, self._metrics = free_ports(4)
        (home / "logs").mkdir(parents=True)
        kafka.write_config(home, broker, controller)
        java = find_java()
        kafka.format_storage(home, java)
        self._kafka = kafka.start(home, java)
        self._bootstrap = f"{HOST}:{broker}"
        _await(lambda: kafka.answers(self._bootstrap, 2.0), "Kafka answers")
        kafka.create_topics(self._bootstrap)
        subscriptions = [
            {"client": "all", "url": f"http://{HOST}:{receiver}/all", "secret": SECRET},
            {"client": "some", "url": f"http://{HOST}:{receiver}/some", "secret": SECRET, "filter": {"sku": ["S1*"]}},
            {"client": "gone", "url": f"http://{HOST}:{controller}/gone", "secret": SECRET, "filter": {"sku": ["S7"]}},
        ]
        (self._folder / "subscriptions.json").write_text(json.dumps(subscriptions))
        _threaded(lambda: asyncio.run(self._receive(receiver)), "receiver")
        command = [
            *(sys.executable, "-m", "jobs.price_alerts.dispatcher", "--bootstrap", self._bootstrap),
            *("--subscriptions", str(self._folder / "subscriptions.json"), "--state", str(self._folder / "state")),
            *("--listen", f"{HOST}:{self._metrics}", "--allow-http", "--allow-address", f"{HOST}/32"),
            *("--timeout", "3", "--attempts", "20", "--longest-backoff", "20", "--remember", "300", "--with-parent"),
        ]
        with (self._folder / "dispatcher.log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        _await(self._answers, "the dispatcher answers")
        _threaded(self._feed, "feeder")

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://{HOST}:{self._metrics}/metrics", timeout=5).ok
        except requests.RequestException:
            return False

    async def _receive(self, port: int) -> None:
        """Seven minutes well, half a minute failing, half a minute gone."""
        while not self._ended.is_set():
            await self._receiver.start(port=port)
            await self._pause(420)
            self._receiver.behaviour.fail_ratio = 1.0
            await self._pause(30)
            self._receiver.behaviour.fail_ratio = 0.03
            await self._receiver.stop()
            self._counts["outages"] += 1
            await self._pause(30)

    async def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._ended.is_set():
            await asyncio.sleep(0.5)

    def _feed(self) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self._bootstrap, "linger.ms": 5})
        rng = random.Random(3)
        number = 0
        while not self._ended.wait(1.0):
            for _ in range(ALERTS_A_SECOND):
                number += 1
                poison = number % 97 == 0
                value = rng.choice((b"\x00", b"\xff" * 70_000, b"{}", b"<html>")) if poison else self._alert(number)
                producer.produce(kafka.ALERTS_TOPIC, value, f"S{number % 1000}")
                self._counts["poison" if poison else "records"] += 1
            producer.poll(0)
            if number % (ALERTS_A_SECOND * 20) == 0:
                self._answers()  # its metrics are scraped too
        producer.flush(10)

    @staticmethod
    def _alert(number: int) -> bytes:
        return encoded(number, f"S{number % 1000}")

    def done(self) -> dict[str, int]:
        receiver = self._receiver
        return self._counts | {
            "requests": receiver.requests,
            "alerts_delivered": len(receiver.keys),
            "repeats": receiver.repeats,
            "forged": receiver.forged,
        }

    def end(self) -> int:
        self._ended.set()
        self._process.terminate()
        return self._process.wait(60)

    def last_words(self) -> str:
        return _last_words(self._process, (self._folder / "dispatcher.log").read_text("utf-8", "replace"))

    def close(self) -> None:
        self._ended.set()
        if self._process.poll() is None:
            self._process.kill()
        terminate([self._kafka])


PARTS: dict[str, Callable[[Path], Part]] = {part.name: part for part in (ExporterPart, TuiPart, DispatcherPart)}
