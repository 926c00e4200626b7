"""The source suite on recorded answers."""

from collections.abc import Iterator

import pytest

from flinkops.model.endpoint import parse_endpoint
from flinkops.sources.flink.source import FlinkRestSource
from tests.fake_flink import FakeFlink, Recording, serving
from tests.source_suite import SourceSuite

SAMPLES = {"flink-1.20-windows": "windows", "flink-2.3-count": "count", "flink-2.3-prices": "price-aggregation"}


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestOnRecordedAnswers(SourceSuite):
    @pytest.fixture
    def job_name(self, sample: str) -> str:
        return SAMPLES[sample]

    @pytest.fixture
    def source(self, sample: str) -> Iterator[FlinkRestSource]:
        recording = Recording.load(sample)
        wanted = [row for row in recording.jobs if row["name"] == SAMPLES[sample]]
        recording.answers["/jobs/overview"] = {"jobs": wanted}
        flink = FakeFlink(recording)
        with serving(flink):
            source = FlinkRestSource(parse_endpoint(flink.url))
            yield source
            source.close()
