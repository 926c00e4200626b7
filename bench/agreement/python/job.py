"""State of a Python function in process mode; run with one line changed."""

import sys
from collections.abc import Iterator

from pyflink.common import Types, WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.functions import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor


class Count(KeyedProcessFunction):  # type: ignore[misc]
    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: int, _ctx: object) -> Iterator[int]:
        self.count.update((self.count.value() or 0) + 1)
        yield value


environment = StreamExecutionEnvironment.get_execution_environment()
environment.enable_checkpointing(1000)
numbers = environment.from_source(
    NumberSequenceSource(0, 1 << 60), WatermarkStrategy.no_watermarks(), "numbers", Types.LONG()
).uid("numbers")
counted = numbers.key_by(lambda one: one % 100, key_type=Types.LONG()).process(Count(), output_type=Types.LONG())
counted.uid("count").name("count").filter(lambda _: False).uid("none").print().uid("printed")
environment.execute(sys.argv[1])
