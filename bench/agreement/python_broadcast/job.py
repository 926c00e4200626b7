"""Broadcast state, windows and keyed states of Python functions; run with one line changed."""

import sys
from collections.abc import Iterator

from pyflink.common import Duration, Time, Types, WatermarkStrategy
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.functions import (
    AggregateFunction,
    KeyedBroadcastProcessFunction,
    RuntimeContext,
)
from pyflink.datastream.state import ListStateDescriptor, MapStateDescriptor
from pyflink.datastream.window import TumblingEventTimeWindows

RULES = MapStateDescriptor("rules", Types.LONG(), Types.LONG())


class Seconds(TimestampAssigner):  # type: ignore[misc]
    def extract_timestamp(self, value: int, _timestamp: int) -> int:
        return value * 1000


class Sum(AggregateFunction):  # type: ignore[misc]
    def create_accumulator(self) -> int:
        return 0

    def add(self, value: int, accumulator: int) -> int:
        return value + accumulator

    def get_result(self, accumulator: int) -> int:
        return accumulator

    def merge(self, one: int, other: int) -> int:
        return one + other


class Ruled(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    def open(self, runtime_context: RuntimeContext) -> None:
        self.seen = runtime_context.get_list_state(ListStateDescriptor("seen", Types.LONG()))

    def process_element(self, value: int, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[int]:
        self.seen.add(value)
        if ctx.get_broadcast_state(RULES).contains(value % 10):
            yield value

    def process_broadcast_element(self, value: int, ctx: KeyedBroadcastProcessFunction.Context) -> None:
        ctx.get_broadcast_state(RULES).put(value % 10, value)


environment = StreamExecutionEnvironment.get_execution_environment()
environment.enable_checkpointing(1000)
environment.set_parallelism(1)
numbers = environment.from_source(
    NumberSequenceSource(0, 1 << 50), WatermarkStrategy.no_watermarks(), "numbers", Types.LONG()
).uid("numbers")
timed = numbers.assign_timestamps_and_watermarks(
    WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_seconds(1)).with_timestamp_assigner(Seconds())
).uid("timed")
keyed = timed.key_by(lambda one: one % 20, key_type=Types.LONG())
rules = timed.filter(lambda one: one % 50 == 0).uid("some").broadcast(RULES)
ruled = keyed.connect(rules).process(Ruled(), output_type=Types.LONG()).uid("ruled").name("ruled")
ruled.filter(lambda _: False).uid("none").print().uid("printed")
summed = (
    keyed.window(TumblingEventTimeWindows.of(Time.minutes(60)))
    .aggregate(Sum(), accumulator_type=Types.LONG(), output_type=Types.LONG())
    .uid("summed")
    .name("summed")
)
summed.filter(lambda _: False).uid("none-too").print().uid("printed-too")
environment.execute(sys.argv[1])
