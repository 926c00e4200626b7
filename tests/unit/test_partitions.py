"""What is read of the partitions of a Kafka source, and how findings tell of them."""

import pytest

from flinkops.model.detail import PartitionDetail
from flinkops.model.facts import Spread
from flinkops.sources.flink.partitions import partition_details, partition_metrics
from tests.unit.builders import with_vertex
from tests.unit.doctor_cases import detail, evidence, found, held_up, sample

READER = "Source__orders.KafkaSourceReader.topic"


def offset(subtask: int, topic: str, partition: int, kind: str = "currentOffset") -> str:
    return f"{subtask}.{READER}.{topic}.partition.{partition}.{kind}"


def test_the_names_that_tell_of_partitions() -> None:
    names = [offset(0, "a.b", 1), offset(1, "a.b", 0)]
    noise = [
        "0.numRecordsIn",
        offset(0, "a.b", 1, "committedOffset"),
        "0.Source__orders.KafkaSourceReader.commitsFailed",
    ]
    found_ = partition_metrics([*names, *noise, "0.Source__orders.pendingRecords"])
    assert set(found_.names) == {*names, "0.Source__orders.pendingRecords"}
    assert found_.partitions == 2
    assert partition_metrics([*noise, "0.Source__orders.pendingRecords"]).names == ()


def test_what_waits_is_of_a_partition_where_its_subtask_reads_no_other() -> None:
    values = {
        offset(0, "a.b", 0): 70.0,
        "0.Source__orders.pendingRecords": 5.0,
        offset(1, "a.b", 1): 7.0,
        offset(1, "c", 0): 8.0,
        "1.Source__orders.pendingRecords": 9.0,
    }
    assert partition_details("orders", values) == (
        PartitionDetail("orders", "a.b", 0, 0, 70, 5.0),
        PartitionDetail("orders", "a.b", 1, 1, 7, None),
        PartitionDetail("orders", "c", 0, 1, 8, None),
    )


def test_numbers_that_are_none_and_names_of_any_length_do_no_harm() -> None:
    values = {
        offset(0, "a", 0): float("nan"),
        offset(1, "a", 1): -1.0,
        f"{'9' * 5000}.{READER}.a.partition.2.currentOffset": 1.0,
    }
    assert [(each.partition, each.offset) for each in partition_details("orders", values)] == [(0, None), (1, None)]
    long = f"7.a{'.KafkaSourceReader.topic.a.partition.7' * 20_000}.currentOffset"
    assert partition_metrics([long]).partitions == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_finding_says_where_and_how_long(known: bool) -> None:
    waiting = with_vertex(held_up(), "src", pending_records=Spread(sum=600.0, max=400.0))
    parts = tuple(PartitionDetail("src", "orders", n, n, n, 100.0 * n) for n in range(5)) if known else ()
    past = [sample(20, pending_records=1000.0), sample(10, pending_records=800.0)]
    past = [*past] if known else []
    finding = found("backpressure", evidence(waiting, past, detail=detail(partitions=parts)))
    assert finding is not None
    said = {each.text: each.value for each in finding.evidence}
    assert said["records wait before the sources"] == 600.0
    assert said.get("records wait in partition 4 of orders") == (400.0 if known else None)
    assert ("records wait in partition 1 of orders" in said) is False
    assert said.get("their change over the last minute") == (-20.0 if known else None)
    assert said.get("seconds until they are gone at this pace") == (30.0 if known else None)
