"""Sequences of our own commands on a job of the fake operator: after each, its state must not have gone back.

``python -m tests.unit.operator_sequences COUNT [SEED]`` runs so many random ones and prints what came of them.
"""

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

from flinkops.act.operator import rollback_steps, startup, stop
from flinkops.errors import FlinkopsError
from flinkops.model.endpoint import RestEndpoint
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.sources.flink.http import RestClient
from flinkops.sources.kubernetes.access import KubeAccess
from tests.unit.fake_operator import BAD_IMAGE, LOOPING_IMAGE, FakeOperator
from tests.unit.operator_bench import QUICK, Bench

COMMANDS = (
    "upgrade",
    "upgrade-settings",
    "upgrade-last-state",
    "bad-image",
    "bad-loop",
    "rollback",
    "rollback-first",
    "suspend",
    "resume",
    "restart",
    "rescale",
    "edit",
    "edit-ignored",
    "apply-old",
    "apply-old-keep-nonce",
    "remove-nonces",
    "polls",
)
VERSIONS = (7, 9, 10, 14, 15, 16)


class Kind(NamedTuple):
    """The operator's version, and what the job is like."""

    minor: int = 15
    ha: bool = True
    mode: str = "savepoint"


class Ran(NamedTuple):
    """What came of a command: the outcome of its action, or why it was not begun."""

    command: str
    outcome: str
    error: str | None = None


class Sequenced(NamedTuple):
    """One sequence, and every start behind what had been kept."""

    kind: Kind
    ran: tuple[Ran, ...]
    losses: tuple[str, ...]


def run(kind: Kind, commands: Sequence[tuple[str, int]]) -> Sequenced:
    """Each command with a number, which picks among what it may be about."""
    fake = _fake(kind)
    with tempfile.TemporaryDirectory() as folder, _in_process(fake):
        endpoint = RestEndpoint(url="http://127.0.0.1:9", name="prod")
        bench = Bench(fake, endpoint.url, Path(folder), KubeAccess("prod", "default", lambda: endpoint))
        manifests = [_copy(bench.spec())]
        ran: list[Ran] = []
        for number, (command, pick) in enumerate(commands):
            ran.append(_run(bench, command, pick, f"p{number}", manifests))
            if _copy(bench.spec()) not in manifests:
                manifests.append(_copy(bench.spec()))
            if fake.losses:
                break
        bench.control.close()
    return Sequenced(kind, tuple(ran), tuple(fake.losses))


def _fake(kind: Kind) -> FakeOperator:
    fake = FakeOperator(kind.minor)
    assert fake.resource is not None
    spec = fake.resource["spec"]
    spec["job"]["upgradeMode"] = kind.mode
    if not kind.ha:
        spec["flinkConfiguration"]["high-availability.type"] = "NONE"
        fake.metadata = None
    fake._reconciled("DEPLOYED", "RUNNING", "STABLE")
    fake.shows_checkpoints = True
    fake.progress()
    return fake


def _copy(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(spec))
    return found


def _run(bench: Bench, command: str, pick: int, plan_id: str, manifests: list[dict[str, Any]]) -> Ran:
    if command == "polls":
        for _ in range(pick % 4):
            bench.control.resource()
        return Ran(command, "done")
    if command in ("edit", "edit-ignored", "remove-nonces"):
        bench.fake.edit(_edited(_copy(bench.spec()), command, pick))
        return Ran(command, "done")
    try:
        plan = bench.plan(_request(command, pick, plan_id, manifests), plan_id)
        result = bench.run(plan, seconds=1.0)
    except FlinkopsError as problem:
        return Ran(command, type(problem).__name__, problem.line())
    return Ran(command, result.outcome, result.error)


def _edited(spec: dict[str, Any], command: str, pick: int) -> dict[str, Any]:
    """As another person edits it."""
    if command == "edit":
        spec["image"] = f"edited:{pick % 3}"
    elif command == "edit-ignored":
        spec["flinkConfiguration"]["kubernetes.operator.x"] = str(pick)
    else:
        spec.pop("restartNonce", None)
        spec["job"].pop("savepointRedeployNonce", None)
    return spec


def _request(command: str, pick: int, plan_id: str, manifests: list[dict[str, Any]]) -> ActionRequest:
    if command in ("suspend", "resume", "restart"):
        return ActionRequest(command, terms=QUICK)  # type: ignore[arg-type]
    if command in ("rollback", "rollback-first"):
        undo = f"p{pick % max(1, int(plan_id[1:]))}" if command == "rollback-first" else None
        return ActionRequest("rollback", terms=QUICK, undo=undo)
    if command == "rescale":
        return ActionRequest("rescale", Change(parallelism=1 + pick % 4), QUICK)
    if command.startswith("apply-old"):
        terms = Terms(checkpoints=1, watch_seconds=0.0, keep_nonce=command == "apply-old-keep-nonce")
        return ActionRequest("upgrade", Change(manifest=manifests[pick % len(manifests)]), terms)
    if command == "upgrade-settings":
        return ActionRequest("upgrade", Change(settings={"pipeline.object-reuse": str(pick)}), QUICK)
    images = {"bad-image": BAD_IMAGE, "bad-loop": LOOPING_IMAGE}
    mode: Any = "last-state" if command == "upgrade-last-state" else None
    return ActionRequest("upgrade", Change(image=images.get(command, f"count:{pick % 4}")), QUICK, mode=mode)


@contextmanager
def _in_process(fake: FakeOperator) -> Iterator[None]:
    """Requests go to the fake as calls; what waits for a time does not."""

    def exchange(client: RestClient, method: str, path: str, body: bytes | None, *_: object) -> bytes:
        sent = json.loads(body) if body else {}
        code, answer = fake.answer(method, urlsplit(client.url).path + path, sent)
        content = json.dumps(answer).encode()
        if not 200 <= code < 300:
            raise client._refusal(code, content, path, None)
        return content

    @contextmanager
    def enforced(*_: object) -> Iterator[None]:
        yield

    with (
        patch.object(RestClient, "_exchange", exchange),
        patch.object(RestClient, "enforced", enforced),
        patch.object(startup, "_STUCK_SECONDS", {"image": 0.0, "crash-loop": 0.0}),
        patch.object(startup, "_PODS_EVERY_SECONDS", 0.0),
        patch.object(stop, "_ERROR_HOLDS_SECONDS", 0.0),
        patch.object(rollback_steps, "_SILENT_SECONDS", 0.02),
        patch("os.fsync", lambda _: None),
    ):
        yield


def random_kind(chance: random.Random) -> Kind:
    """Any version, HA on or off, with the modes that keep state."""
    ha = chance.random() < 0.7
    minor = chance.choice(VERSIONS)
    mode = chance.choice(("savepoint", "last-state")) if ha or minor >= 10 else "savepoint"
    return Kind(minor, ha, mode)


def main(arguments: Sequence[str]) -> int:
    """Prints the outcomes of each command, by how often, and every loss with its sequence; 1 where there was one."""
    count, seed = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    chance, outcomes, began = random.Random(seed), Counter[tuple[str, str]](), time.monotonic()
    versions, lost, commands_run = Counter[int](), 0, 0
    for _ in range(count):
        kind = random_kind(chance)
        commands = [(chance.choice(COMMANDS), chance.randrange(100)) for _ in range(chance.randint(2, 8))]
        found = run(kind, commands)
        versions[kind.minor] += 1
        commands_run += len(found.ran)
        outcomes.update((one.command, one.outcome) for one in found.ran)
        if found.losses:
            lost += 1
            sys.stdout.write(f"LOST {found.losses} {kind} {commands} {[one.outcome for one in found.ran]}\n")
    sys.stdout.write(f"{count} sequences (seed {seed}), {commands_run} commands, {lost} with state lost\n")
    sys.stdout.write(f"{time.monotonic() - began:.0f} s; sequences by operator 1.x: {dict(sorted(versions.items()))}\n")
    for (command, outcome), times in sorted(outcomes.items()):
        sys.stdout.write(f"  {command}: {outcome} {times}\n")
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
