"""What screens read from the app that shows them. What they want to be done, they post (messages.py)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from flinkops.model.assessment import JobAssessment
from flinkops.sources.protocol import HasJobDetails
from flinkops.tui.context import Context
from flinkops.tui.links import Links
from flinkops.tui.notes import Notes
from flinkops.tui.status_view import PollState
from flinkops.tui.view import View
from flinkops.tui.views import SavedViews


class ScreenHost(Protocol):
    """The app, as far as a screen may know it."""

    @property
    def context(self) -> Context:
        """Signs and palette."""
        ...

    @property
    def view(self) -> View | None:
        """The observation that is shown now; None before the first."""
        ...

    @property
    def poll_state(self) -> PollState:
        """Whether it is live, and where nothing may be changed."""
        ...

    @property
    def said(self) -> str:
        """The short message of the moment."""
        ...

    @property
    def notes(self) -> Notes:
        """Notes on jobs."""
        ...

    @property
    def saved_views(self) -> SavedViews:
        """Filters and orders under a name."""
        ...

    @property
    def links(self) -> Links:
        """Pages elsewhere."""
        ...

    @property
    def sources(self) -> Mapping[str, object]:
        """By the name of their cluster; empty while a recording plays."""
        ...

    @property
    def has_details(self) -> bool:
        """Whether any source can be asked for more."""
        ...

    @property
    def may_act(self) -> bool:
        """Whether actions are offered anywhere."""
        ...

    def may_act_on(self, jobs: Sequence[JobAssessment]) -> bool:
        """Whether actions are offered for all of these jobs."""
        ...

    def details_of(self, job: JobAssessment) -> HasJobDetails | None:
        """Who can be asked for more of this job."""
        ...

    def now_ms(self) -> int:
        """The clock's time; while a recording plays, the recording's."""
        ...
