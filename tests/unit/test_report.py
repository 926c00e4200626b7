"""`flinkops report`: an incident as one page, from a recording and the journal."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flinkops.clock import iso_utc
from flinkops.config.policy import Policy
from flinkops.errors import UsageError
from flinkops.model.facts import FleetSnapshot
from flinkops.recording import Recorder
from flinkops.report.gather import Wanted, make_report
from flinkops.report.plot import Mark, plot
from flinkops.report.rows import marks, rows
from flinkops.report.series import Held, held, points
from flinkops.report.values import Period, Point, Report, Signal
from flinkops.report.write import LONGEST, html, markdown
from tests.unit import incident
from tests.unit.builders import NOW_MS, checkpoints, job, snapshot
from tests.unit.command_line import Cli


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return incident.recorded(tmp_path_factory.mktemp("night") / "night.rec", every_seconds=60)


@pytest.fixture(scope="module")
def report(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(night, Wanted(), Policy(), incident.journal(tmp_path_factory.mktemp("journal")))


class TestWhatIsTold:
    def test_what_was_not_well_is_told_in_full_and_the_rest_by_name(self, report: Report) -> None:
        (orders,) = report.jobs
        assert (orders.name, orders.worst) == ("orders", "warning")
        assert {name for name, _, _ in report.others} >= {"job-1", "job-2"}
        assert {level for _, _, level in report.others} == {"ok"}

    def test_since_when_and_until_when(self, report: Report) -> None:
        (orders,) = report.jobs
        ill = [period for period in orders.periods if period.level != "ok"]
        assert incident.SLOW_FROM_MS <= ill[0].since_ms <= incident.SLOW_FROM_MS + 2 * incident.MINUTE_MS
        assert incident.UPGRADED_MS <= ill[-1].until_ms <= incident.UPGRADED_MS + 2 * incident.MINUTE_MS
        assert any("backpressure 93%" in why for why in ill[0].why)
        assert all(before.until_ms == after.since_ms for before, after in pairwise(ill))

    def test_findings_span_the_snapshots_in_which_they_were_named(self, report: Report) -> None:
        found = {each.code: each for each in report.jobs[0].findings}
        assert found["backpressure"].since_ms < found["backpressure"].until_ms <= incident.UPGRADED_MS
        assert found["restart-loop"].since_ms >= incident.FAILED_MS

    def test_budgets_are_seconds_good_bad_and_unknown(self, report: Report) -> None:
        budgets = {each.name: each for each in report.jobs[0].budgets}
        whole = (incident.END_MS - incident.START_MS) / 1000
        assert budgets["availability"].good_seconds == whole
        assert budgets["availability"].spent_ratio == 0
        missed = budgets["skew"].bad_seconds
        assert 14 * 60 <= missed <= 16 * 60
        assert budgets["skew"].spent_ratio == pytest.approx(missed / (0.001 * 30 * 86_400))
        assert all(each.good_seconds + each.bad_seconds + each.unknown_seconds == whole for each in budgets.values())

    def test_the_action_and_what_flink_forgot_are_in_the_timeline(self, report: Report) -> None:
        kinds = [(row.entry.kind, row.entry.source) for row in rows(report)]
        assert ("action", "journal") in kinds
        assert ("failure", "flink") in kinds  # the last snapshot's Flink knows nothing of it any more
        assert ("deployment", "recording") in kinds
        assert [done.outcome for done in report.jobs[0].actions] == ["verified"]

    def test_a_job_by_name_and_a_part_of_the_time(self, night: Path, tmp_path: Path) -> None:
        since, until = incident.START_MS + 5 * incident.MINUTE_MS, incident.START_MS + 10 * incident.MINUTE_MS
        found = make_report(night, Wanted(("job-1",), since, until), Policy(), incident.journal(tmp_path))
        assert [(job.name, job.worst) for job in found.jobs] == [("job-1", "ok")]
        assert (found.since_ms, found.until_ms, found.snapshots, found.others) == (since, until, 6, ())
        assert found.jobs[0].actions == ()

    def test_where_all_is_well_no_job_is_told_in_full_but_an_only_one(self, tmp_path: Path) -> None:
        for number, jobs in enumerate(([job()], [job(), job(name="other", id="b" * 32)])):
            path = tmp_path / f"calm{number}.rec"
            with Recorder(path) as recorder:
                recorder.write(snapshot(*jobs))
            found = make_report(path, Wanted(), Policy(), incident.journal(tmp_path / "j"))
            assert (len(found.jobs), len(found.others)) == ((1, 0), (0, 2))[number]
            for page in (html(found), markdown(found)):
                assert "nothing is known to have happened" in page
                assert ("Every job was healthy" in page) == (number == 1)

    @pytest.mark.thorough
    def test_a_damaged_snapshot_is_counted(self, night: Path, tmp_path: Path) -> None:
        content = bytearray(night.read_bytes())
        content[-10] ^= 0xFF
        path = tmp_path / "damaged.rec"
        path.write_bytes(content)
        assert make_report(path, Wanted(), Policy(), incident.journal(tmp_path / "j")).damaged == 1


class TestAbsence:
    def test_unknown_is_no_zero_and_what_does_not_apply_is_a_dash(self, tmp_path: Path) -> None:
        path = tmp_path / "absent.rec"
        with Recorder(path) as recorder:
            for number in range(3):
                at_ms = NOW_MS + number * 10_000
                points = checkpoints(enabled=False, history=(), latest_completed=None, completed=0)
                facts = job(seen_ms=at_ms, checkpoints=points, unknown={"state_bytes": "no answer"})
                recorder.write(snapshot(facts, taken_ms=at_ms))
        found = make_report(path, Wanted(), Policy(), incident.journal(tmp_path / "j"))
        by_title = {signal.title: signal for signal in found.jobs[0].signals}
        age = by_title["Age of the last completed checkpoint"]
        assert not age.known
        assert age.absent
        page = html(found)
        assert age.absent in page.replace("&#34;", '"').replace("&#39;", "'")
        assert page.count("<svg") == sum(signal.known for signal in found.jobs[0].signals)

    def test_a_gap_is_not_drawn_over(self) -> None:
        found = points([0, 10, 20, 1_000, 1_010], [1.0, 2.0, 3.0, 4.0, 5.0])
        assert [point.mean for point in found] == [1.0, 2.0, 3.0, None, 4.0, 5.0]
        drawing = plot(Signal("x", "count", found), 0, 1_010)
        assert drawing.count("<polyline") == 2

    def test_a_slice_keeps_its_extremes_and_an_empty_one_stays_empty(self) -> None:
        times = list(range(0, 10_000, 10))
        values: list[float | None] = [5.0] * 1000
        values[500], values[501] = 99.0, 1.0
        values[:100] = [None] * 100
        found = points(times, values, slices=100)
        assert len(found) == 100
        assert [point.mean for point in found[:10]] == [None] * 10
        assert (found[50].low, found[50].high) == (1.0, 99.0)

    def test_what_nobody_saw_is_unknown_time(self) -> None:
        assert held([0, 1_000, 2_000, 100_000], [1.0, 1.0, 1.0, 0.0], 101_000) == Held(5.0, 1.0, 95.0)
        assert held([], [], 5) == Held(0.0, 0.0, 0.0)
        uneven = held([0, 5_018, 10_020, 15_028, 20_031], [1.0, 1.0, 1.0, 1.0, 0.0], 25_038)
        assert repr(uneven.unknown_seconds) == "0.0"
        assert held([7], [None], 1_007) == Held(0.0, 0.0, 1.0)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


class TestPage:
    def test_loads_and_runs_nothing(self, report: Report) -> None:
        page = html(report)
        tags = _Tags()
        tags.feed(page)
        assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(tags.tags)
        assert not [name for name, _ in tags.attributes if name.startswith("on") or name == "src"]
        assert all((value or "").startswith("#") for name, value in tags.attributes if name == "href")
        assert "default-src 'none'" in page

    def test_hostile_names_and_messages_are_inert(self, report: Report) -> None:
        page = html(report)
        assert "&lt;script&gt;" in page
        assert "\x1b" not in page
        text = markdown(report)
        assert "<script>" not in text.replace("\\<", "")
        assert "\\|" in text
        assert "\x1b" not in text

    def test_every_row_of_markdown_has_as_many_cells_as_its_head(self, report: Report) -> None:
        cells = 0
        for line in markdown(report).splitlines():
            if not line.startswith("|"):
                cells = 0
                continue
            found = len(re.findall(r"(?<!\\)\|", line))
            cells = cells or found
            assert found == cells, line

    def test_no_secret_of_a_message_or_of_the_journal(self, report: Report) -> None:
        assert incident.PASSWORD not in html(report) + markdown(report)
        assert "withheld" in html(report)

    def test_drawings_are_well_formed_and_described(self, report: Report) -> None:
        for drawing in re.findall(r"<svg.*?</svg>", html(report), re.DOTALL):
            root = ElementTree.fromstring(drawing)
            assert root.get("aria-label", "").partition(":")[0] in {each.title for each in report.jobs[0].signals}

    def test_a_text_without_end_is_cut(self, report: Report) -> None:
        import msgspec

        long = msgspec.structs.replace(report.jobs[0], name="n" * 100_000)
        page = html(msgspec.structs.replace(report, jobs=(long,)))
        assert "n" * LONGEST not in page

    def test_repeats_are_one_row_with_the_number_that_plots_show(self, report: Report) -> None:
        import msgspec

        again = tuple(
            msgspec.structs.replace(each, at_ms=each.at_ms + 5_000)
            for each in report.timeline.entries
            if each.kind == "failure"
        )
        timeline = msgspec.structs.replace(report.timeline, entries=(*report.timeline.entries, *again))
        found = rows(msgspec.structs.replace(report, timeline=timeline))
        (failure,) = [row for row in found if row.entry.kind == "failure"]
        assert failure.times == 2
        assert failure.last_ms == failure.entry.at_ms + 5_000
        assert [row.number for row in found] == list(range(1, len(found) + 1))
        assert failure.number in [mark.number for mark in marks(found, report.jobs[0])]


class TestPlot:
    def test_limit_and_bands_and_marks(self) -> None:
        signal = Signal("Skew", "seconds", (Point(0, 1.0, 2.0, 3.0), Point(1_000, 2.0, 4.0, 8.0)), limit=5.0)
        drawing = plot(signal, 0, 1_000, periods=(Period("critical", 0, 500),), marks=(Mark(700, 3, "action"),))
        assert 'class="band critical"' in drawing
        assert "limit 5.0 s" in drawing
        assert ">3</text>" in drawing
        assert 'class="span"' in drawing

    def test_a_limit_far_above_does_not_flatten_the_line(self) -> None:
        drawing = plot(Signal("x", "seconds", (Point(0, 0.1, 0.1, 0.1),), limit=500.0), 0, 10)
        assert "(above)" in drawing
        assert '<line class="limit"' not in drawing

    @pytest.mark.parametrize("value", [0.0, 1e-9, 1.0, 59.0, 1e6, 1e15, -5.0])
    @pytest.mark.parametrize("unit", ["seconds", "bytes", "ratio", "per_second"])
    def test_any_value_is_within_the_picture(self, value: float, unit: str) -> None:
        drawing = plot(Signal("x", unit, (Point(0, value, value, value),)), 0, 0)
        (y,) = re.findall(r'cy="([\d.]+)"', drawing)
        assert 0 <= float(y) <= 150


class TestCommand:
    def test_writes_a_file_for_its_owner_and_never_over_one(
        self, night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "report.html"
        arguments = ("report", str(night), "--out", str(out), "--journal", str(tmp_path / "j"))
        assert Cli(capsys)(*arguments).code == 0
        assert out.stat().st_mode & 0o777 == 0o600
        before = out.read_bytes()
        again = Cli(capsys)(*arguments)
        assert (again.code, out.read_bytes()) == (2, before)
        assert "exists" in again.err

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--out", "report.pdf"), "end it with .html or .md"),
            (("--out", "r.md", "--from", "half past"), "is no time"),
            (("--out", "r.md", "--from", "2020-01-01T00:00Z", "--to", "2020-01-02T00:00Z"), "no snapshot in this time"),
            (("--out", "r.md", "--from", "2026-01-02T00:00Z", "--to", "2026-01-01T00:00Z"), "is not before"),
            (("--out", "r.md", "--job", "nobody"), "has no job nobody"),
            (("--out", "/nowhere/r.md"), "cannot write into /nowhere"),
        ],
    )
    def test_bad_usage_is_one_line(
        self,
        night: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        options: tuple[str, ...],
        says: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        ran = Cli(capsys)("report", str(night), *options, "--journal", str(tmp_path / "j"))
        assert ran.code == 2
        assert says in ran.err
        assert len(ran.err.splitlines()) == 1
        assert list(tmp_path.glob("r*")) == []

    def test_times_of_day_are_of_the_recording(
        self, night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        begin = (iso_utc(incident.START_MS + 10 * incident.MINUTE_MS) or "")[11:16]
        end = (iso_utc(incident.START_MS + 20 * incident.MINUTE_MS) or "")[11:16]
        out = tmp_path / "r.md"
        span = ("--from", begin, "--to", end)
        ran = Cli(capsys)("report", str(night), "--out", str(out), *span, "--journal", str(tmp_path / "j"))
        assert ran.code == 0
        assert "10m: 11 snapshots" in out.read_text()

    def test_no_recording_is_said(self, tmp_path: Path) -> None:
        other = tmp_path / "other.rec"
        other.write_text("no")
        with pytest.raises(UsageError, match="is not a flinkops recording"):
            make_report(other, Wanted(), Policy(), incident.journal(tmp_path / "j"))

    def test_a_recording_of_no_job_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.rec"
        with Recorder(path) as recorder:
            recorder.write(FleetSnapshot(taken_ms=NOW_MS, poll_seconds=0.1, sources=(), jobs=()))
        with pytest.raises(UsageError, match="has no job in this time"):
            make_report(path, Wanted(), Policy(), incident.journal(tmp_path / "j"))
