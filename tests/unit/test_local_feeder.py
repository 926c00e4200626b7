"""The pace of the feeder's past, by a clock of its own."""

from flinkops.local.feeder import paced


def test_records_keep_their_order_and_the_pace_and_a_delay_is_not_made_up_for() -> None:
    now = [0.0]
    sent: list[tuple[float, bytes]] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    records = [(b"", str(number).encode()) for number in range(100)]
    for _, value in paced(records, 500.0, clock=lambda: now[0], sleep=sleep):
        sent.append((now[0], value))
        if value == b"50":
            now[0] += 10.0  # the broker takes its time
    assert [value for _, value in sent] == [value for _, value in records]
    first, last = sent[0][0], sent[-1][0]
    assert 10.0 + 0.15 <= last - first <= 10.0 + 0.21
    after = [at for at, _ in sent if at >= 10.0]
    assert after[-1] - after[0] >= 0.05
