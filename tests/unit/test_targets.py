"""The target of a request goes past urllib3's escaping where that would change nothing."""

from hypothesis import assume, example, given
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection
from urllib3.util import parse_url

from flinkops.sources.connections import AbortableConnections, _adopt, short_target
from flinkops.sources.deadline import Deadline


@given(st.text(alphabet="/abz019._~?=&,%:@!$'()*+;-[] \u00e9#<AF", max_size=40).map("/{}".format))
@example("/jobs/a/vertices/b/subtasks/metrics?get=numRecordsIn,Source__a%5Bb%5D.watermark")
@example("/jobs/%zz")
def test_a_target_is_sent_as_urllib3_would_escape_it(target: str) -> None:
    with AbortableConnections().request(Deadline(1)):
        given_to_urllib3 = short_target(target)
        sent = _adopt(HTTPConnection("localhost"), given_to_urllib3)
    assert sent == target
    if given_to_urllib3 != target:
        assume(not {".", ".."} & set(target.partition("?")[0].split("/")))  # parse_url takes these out, requests do not
        assert target == parse_url(f"http://localhost{target}").request_uri


def test_long_targets_are_spared_the_escaping_and_unescaped_ones_are_not() -> None:
    with AbortableConnections().request(Deadline(1)):
        assert short_target("/jobs/a?get=b%5Bc") == "/"
        assert short_target("/jobs/a?get=b[c") == "/jobs/a?get=b[c"
        assert short_target("/jobs/a b") == "/jobs/a b"
        assert short_target("http://proxied/jobs") == "http://proxied/jobs"


def test_what_is_asked_outside_of_a_request_stays_what_it_is() -> None:
    assert short_target("/jobs") == "/jobs"
    assert _adopt(HTTPConnection("localhost"), "/jobs") == "/jobs"
