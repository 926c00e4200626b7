"""The recording that a person starts on the screen: each snapshot goes into it until it is stopped."""

from flinkops.clock import Clock, iso_utc
from flinkops.errors import FlinkopsError
from flinkops.model.facts import FleetSnapshot
from flinkops.recording import Recorder
from flinkops.tui.status_view import PollState


class SnapshotWriter:
    """An open recording, written to by the thread that polls."""

    def __init__(self, path: str) -> None:
        """Raises FlinkopsError when the file cannot be written."""
        self._recorder = Recorder(path)

    def write(self, snapshot: FleetSnapshot) -> str | None:
        """Append it; what went wrong, if anything did: the poll itself is good."""
        try:
            self._recorder.write(snapshot)
        except FlinkopsError as error:
            return error.line()
        return None

    def close(self) -> None:
        """The file is complete."""
        self._recorder.close()


class RecordingKeeper:
    """Starts and stops a recording; `current` gets the snapshots. A stopped one is closed when its last is written."""

    def __init__(self, state: PollState, clock: Clock) -> None:
        self.current: SnapshotWriter | None = None
        self._open: SnapshotWriter | None = None
        self._state = state
        self._clock = clock

    def toggle(self) -> str:
        """Start one beside where the person is, or stop it. Says what was done."""
        if self.current is not None:
            said = f"the recording is in {self._state.recording}"
            self.stop()
            return said
        name = f"flinkops-{(iso_utc(self._clock.now_ms()) or '')[:19].replace(':', '')}.rec"
        try:
            self.current = self._open = SnapshotWriter(name)
        except FlinkopsError as error:
            return error.line()
        self._state.recording = name
        return f"recording to {name}; R ends it"

    def stop(self) -> None:
        """No further snapshot goes into it."""
        self.current = None
        self._state.recording = None

    def close_when_stopped(self) -> None:
        """Close the file of a stopped recording; no snapshot is being written now."""
        if self.current is None and self._open is not None:
            self._open.close()
            self._open = None
