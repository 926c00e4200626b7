"""What can be done to a job over Flink's REST API: one request each, no waiting, no judgement.

Only the executor (flinkops.act) calls these; it checks, journals and waits. All raise errors.Unreachable or one of
its kinds (http.NotFound, http.Rejected with Flink's own words, http.Overdue: it may have happened nevertheless).
"""

from collections.abc import Sequence
from urllib.parse import quote

from flinkops.model.detail import AsyncOutcome, ResourceRequirement
from flinkops.model.savepoint import SavepointFormat
from flinkops.sources.deadline import Deadline
from flinkops.sources.flink import wire_detail
from flinkops.sources.flink.exception_facts import cause_chain
from flinkops.sources.flink.http import RestClient

VERB_SECONDS = 15.0


class FlinkVerbs:
    """The verbs of one cluster."""

    _client: RestClient

    def trigger_savepoint(
        self,
        job_id: str,
        target_directory: str | None,
        *,
        savepoint_format: SavepointFormat = "canonical",
        trigger_id: str | None = None,
        deadline_seconds: float = VERB_SECONDS,
    ) -> str:
        """Asks for a savepoint and returns the id to ask for its outcome.

        With the same `trigger_id` (32 hex digits) a second request does not take a second savepoint.
        """
        body: dict[str, object] = {"cancel-job": False, "formatType": savepoint_format.upper()}
        if target_directory is not None:
            body["target-directory"] = target_directory
        if trigger_id is not None:
            body["triggerId"] = trigger_id
        deadline = Deadline(deadline_seconds)
        answer = self._client.send("POST", f"{_job(job_id)}/savepoints", body, wire_detail.trigger, deadline)
        return answer.request_id

    def trigger_checkpoint(self, job_id: str, *, trigger_id: str, deadline_seconds: float = VERB_SECONDS) -> None:
        """POST /jobs/:id/checkpoints, of Flink 1.17 and newer: one as it is configured, besides the periodic ones."""
        body: dict[str, object] = {"checkpointType": "CONFIGURED", "triggerId": trigger_id}
        self._client.send("POST", f"{_job(job_id)}/checkpoints", body, wire_detail.trigger, Deadline(deadline_seconds))

    def stop_with_savepoint(
        self,
        job_id: str,
        target_directory: str | None,
        *,
        drain: bool = False,
        savepoint_format: SavepointFormat = "canonical",
        trigger_id: str | None = None,
        deadline_seconds: float = VERB_SECONDS,
    ) -> str:
        """Asks the job to take a savepoint and end; `savepoint_status` tells the outcome."""
        body: dict[str, object] = {"drain": drain, "formatType": savepoint_format.upper()}
        if target_directory is not None:
            body["targetDirectory"] = target_directory
        if trigger_id is not None:
            body["triggerId"] = trigger_id
        deadline = Deadline(deadline_seconds)
        return self._client.send("POST", f"{_job(job_id)}/stop", body, wire_detail.trigger, deadline).request_id

    def savepoint_status(self, job_id: str, trigger_id: str, *, deadline_seconds: float = VERB_SECONDS) -> AsyncOutcome:
        """How far it is. Flink forgets outcomes after some minutes (http.NotFound)."""
        path = f"{_job(job_id)}/savepoints/{quote(trigger_id, safe='')}"
        return self._outcome(path, deadline_seconds)

    def dispose_savepoint(self, path: str, *, deadline_seconds: float = VERB_SECONDS) -> str:
        """Asks Flink to delete a savepoint; `disposal_status` tells the outcome."""
        body = {"savepoint-path": path}
        deadline = Deadline(deadline_seconds)
        return self._client.send("POST", "/savepoint-disposal", body, wire_detail.trigger, deadline).request_id

    def disposal_status(self, trigger_id: str, *, deadline_seconds: float = VERB_SECONDS) -> AsyncOutcome:
        """How far the deletion is."""
        return self._outcome(f"/savepoint-disposal/{quote(trigger_id, safe='')}", deadline_seconds)

    def cancel(self, job_id: str, *, deadline_seconds: float = VERB_SECONDS) -> None:
        """Asks the job to end without a savepoint. Accepted is not yet done: read its state."""
        deadline = Deadline(deadline_seconds)
        self._client.send("PATCH", f"{_job(job_id)}?mode=cancel", {}, wire_detail.nothing, deadline)

    def resource_requirements(
        self, job_id: str, *, deadline_seconds: float = VERB_SECONDS
    ) -> tuple[ResourceRequirement, ...]:
        """The bounds of each vertex's parallelism. http.Rejected without the adaptive scheduler."""
        path = f"{_job(job_id)}/resource-requirements"
        answer = self._client.get(path, wire_detail.requirements, Deadline(deadline_seconds))
        return tuple(
            ResourceRequirement(vertex=vertex, lower=each.parallelism.lower_bound, upper=each.parallelism.upper_bound)
            for vertex, each in answer.items()
        )

    def set_resource_requirements(
        self, job_id: str, wanted: Sequence[ResourceRequirement], *, deadline_seconds: float = VERB_SECONDS
    ) -> None:
        """Replaces the bounds of all vertices: Flink refuses a body in which one is missing."""
        body = {each.vertex: {"parallelism": {"lowerBound": each.lower, "upperBound": each.upper}} for each in wanted}
        path = f"{_job(job_id)}/resource-requirements"
        self._client.send("PUT", path, body, wire_detail.nothing, Deadline(deadline_seconds))

    def _outcome(self, path: str, deadline_seconds: float) -> AsyncOutcome:
        answer = self._client.get(path, wire_detail.operation, Deadline(deadline_seconds))
        operation = answer.operation or wire_detail.Operation()
        cause = operation.failure_cause
        if cause is not None:
            return AsyncOutcome(done=True, failure=cause_chain(cause.stack_trace) or cause.class_ or "no reason given")
        return AsyncOutcome(done=answer.status.id == "COMPLETED", location=operation.location)


def _job(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
