"""The app is what the screens take it for, and each message that asks for a screen gets one or a reason."""

import pytest

from flinkops.tui.host import ScreenHost
from flinkops.tui.messages import (
    OpenAutoscaling,
    OpenEvents,
    OpenFindings,
    OpenFlameGraph,
    OpenJob,
    OpenLogs,
    OpenScreen,
    OpenTimeline,
    OpenVertex,
)
from flinkops.tui.navigation import screen_for
from tests.tui.details import FakeSource
from tests.tui.fleet import fleet
from tests.tui.screen import make_app

JOB = fleet(9).assessment.jobs[0]
ASKED = (OpenVertex(JOB, JOB.vertices[0]), OpenFlameGraph(JOB, JOB.vertices[0]), OpenLogs(JOB))
BY_KEY = (OpenJob(JOB.key), OpenFindings(JOB.key), OpenAutoscaling(JOB.key), OpenTimeline(JOB), OpenTimeline(None))


def test_the_app_is_a_host_of_screens() -> None:
    host: ScreenHost = make_app()  # the type is what mypy checks
    assert host.view is None
    assert not host.may_act
    assert not host.has_details
    assert host.details_of(JOB) is None


@pytest.mark.parametrize("message", [*ASKED, *BY_KEY], ids=lambda message: type(message).__name__)
def test_every_message_opens_its_screen(message: OpenScreen) -> None:
    screen = screen_for(message, {JOB.cluster: FakeSource(JOB.cluster)}, replaying=False)
    assert not isinstance(screen, str)


@pytest.mark.parametrize("message", [*ASKED, OpenEvents(JOB)], ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("replaying", [True, False])
def test_what_no_source_gives_is_a_reason_in_words(message: OpenScreen, replaying: bool) -> None:
    reason = screen_for(message, {}, replaying=replaying)
    assert isinstance(reason, str)
    assert ("recording" in reason) == replaying


def test_all_messages_are_known() -> None:
    assert {type(message) for message in (*ASKED, *BY_KEY, OpenEvents(JOB))} == set(OpenScreen.__subclasses__())
