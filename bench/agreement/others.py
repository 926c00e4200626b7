"""Rows of bench.rehearsal_agreement: programs that share nothing with those the rehearsal was made on."""

from pathlib import Path

from bench.agreement.rows import CHECKPOINTS, LINES, Change, Program

_HERE = Path(__file__).parent

_ORDER_STATE = 'order = getRuntimeContext().getState(new ValueStateDescriptor<>("order", Order.class));'
_OPERATOR_STATE = 'kept = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("seen", Types.LONG));'
_ORDERS: dict[str, Change] = {
    "unchanged": Change(),
    "unchanged, from retained": Change(against="retained"),
    "parallelism 2": Change(parallelism=2),
    "POJO field removed": Change({"public int pieces; // first": ""}),
    "POJO field renamed": Change({"public int pieces; // first": "public int count;"}),
    "POJO field's type": Change({'public String customer = "c"; // second': "public long customer;"}),
    "field of a POJO's field added": Change({"// city": "public String street;"}),
    "type of a POJO's field's field": Change({'public String city = "x"; // city': "public int city;"}),
    "by Kryo, now a POJO": Change({"private final String text;": "public String text;\n        public Note() {}"}),
    "by Kryo, field added": Change({"private final String text;": "private final String text; private String again;"}),
    "enum constant added": Change({"OPEN, PAID": "NEW, OPEN, PAID"}),
    "enum constant removed": Change({"OPEN, PAID": "PAID"}),
    "time to live switched off": Change(
        {"described.enableTimeToLive(StateTtlConfig.newBuilder(Duration.ofHours(1)).build());": ""}
    ),
    "time to live switched on": Change(
        {
            _ORDER_STATE: (
                'ValueStateDescriptor<Order> forHours = new ValueStateDescriptor<>("order", Order.class);'
                " forHours.enableTimeToLive(StateTtlConfig.newBuilder(Duration.ofHours(1)).build());"
                " order = getRuntimeContext().getState(forHours);"
            )
        }
    ),
    "time to live, longer": Change({"Duration.ofHours(1)": "Duration.ofHours(2)"}),
    "serializer reads another format": Change(
        {"new Money(in.readLong());": "new Money(in.readLong() + in.readInt());"}
    ),
    "serializer's snapshot renamed": Change(
        {
            "class Snapshot extends": "class Described extends",
            "public Snapshot()": "public Described()",
            "return new Snapshot();": "return new Described();",
        }
    ),
    "other serializer": Change(
        {"new MoneySerializer()));": "TypeInformation.of(Money.class).createSerializer(config())));"}
    ),
    "reducing, now a value": Change(
        {
            "ReducingState<Long> total": "ValueState<Long> total",
            ".getReducingState(new ReducingStateDescriptor<>(": ".getState(new ValueStateDescriptor<>(",
            '"total", (one, other) -> one + other, Types.LONG': '"total", Types.LONG',
            "total.add(1L)": "total.update(1L)",
        }
    ),
    "uid forgotten": Change({'.uid("match").name("match")': '.name("match")'}),
    "source's uid forgotten": Change({'.uid("orders")': ""}),
    "side output without a sink": Change(
        {'matched.getSideOutput(LATE).sinkTo(new DiscardingSink<>()).uid("late");': ""}
    ),
    "chained operator split": Change(
        {"orders.map(new Numbered())": 'orders.map(one -> one).uid("more").disableChaining().map(new Numbered())'}
    ),
    "list state of an operator, now union": Change({"().getListState(new": "().getUnionListState(new"}),
    "list state of an operator, now broadcast": Change(
        {
            "private transient ListState<Long> kept;": (
                "private transient org.apache.flink.api.common.state.BroadcastState<Long, Long> kept;"
            ),
            "kept.update(List.of(seen));": "kept.put(0L, seen);",
            _OPERATOR_STATE: (
                "kept = context.getOperatorStateStore()"
                '.getBroadcastState(new MapStateDescriptor<>("seen", Types.LONG, Types.LONG));'
            ),
            "for (Long one : kept.get()) {": "for (Long one : List.<Long>of()) {",
        },
        loses=LINES,
    ),
    "type of an operator's list state": Change(
        {
            "ListState<Long> kept": "ListState<String> kept",
            '"seen", Types.LONG': '"seen", Types.STRING',
            "kept.update(List.of(seen));": 'kept.update(List.of("" + seen));',
            "for (Long one : kept.get())": "for (Long one : List.<Long>of())",
        }
    ),
    "list state of an operator renamed": Change({'"seen", Types.LONG': '"seen-2", Types.LONG'}, loses=LINES),
    "splits of another version": Change({"return 1; // of shards": "return 2;"}),
    "enumerator of another version": Change({"return 1; // of the rest": "return 2;"}),
    "more splits": Change({"new Shards(3)": "new Shards(5)"}),
    "max parallelism of all": Change(
        {"environment.enableCheckpointing(1000);": "environment.enableCheckpointing(1000).setMaxParallelism(256);"}
    ),
}
_JOINS: dict[str, Change] = {
    "unchanged": Change(),
    "trigger counts further": Change({"CountTrigger.of(50)": "CountTrigger.of(100)"}),
    "trigger of the join removed": Change({".trigger(PurgingTrigger.of(CountTrigger.of(50))) // trigger": ""}),
    "trigger of the sessions removed": Change({".trigger(ContinuousEventTimeTrigger.of(Duration.ofMinutes(1)))": ""}),
    "filter before the join, without uids": Change({"left.join(right)": "left.filter(one -> true).join(right)"}),
    "sink added elsewhere": Change(
        {"environment.execute(": 'right.sinkTo(new DiscardingSink<>()).uid("more");\n        environment.execute('}
    ),
    "gap of the sessions": Change({"withGap(Duration.ofMinutes(10))": "withGap(Duration.ofMinutes(20))"}),
    "bounds of the interval": Change({"Duration.ofMinutes(5)) // interval": "Duration.ofMinutes(9))"}),
    "sessions -> tumbling": Change(
        {
            "EventTimeSessionWindows.withGap(Duration.ofMinutes(10))": (
                "TumblingEventTimeWindows.of(Duration.ofMinutes(10))"
            )
        },
        loses=LINES,  # which windows were merged
    ),
    "type of a window's own state": Change(
        {
            "ValueState<Long> ever": "ValueState<String> ever",
            "ValueStateDescriptor<Long> EVER": "ValueStateDescriptor<String> EVER",
            '"ever", Types.LONG': '"ever", Types.STRING',
            "long count = ever.value() == null ? 0 : ever.value();": "long count = 0; ever.value();",
            "ever.update(count);": 'ever.update("x");',
        }
    ),
}
_STATEMENTS: dict[str, Change] = {
    "unchanged": Change(),
    "unchanged, from retained": Change(against="retained"),
    "ttl, longer": Change({'"1 h"); // ttl': '"2 h");'}),
    "ttl switched off": Change({'"1 h"); // ttl': '"0 s");'}),
    "deduplication: the last row": Change({"ORDER BY t ASC": "ORDER BY t DESC"}, loses=("2.3",)),  # rows that wait
    "window 10 -> 20 min": Change({"INTERVAL '10' MINUTE": "INTERVAL '20' MINUTE"}),
    "left join": Change({"AS a JOIN (": "AS a LEFT JOIN ("}),
    "ranking: 5 rows": Change({"WHERE r <= 3": "WHERE r <= 5"}),
    "ranking: another column": Change({"ORDER BY v DESC": "ORDER BY v + 1 DESC"}),
    "statement removed": Change({'all.addInsertSql("INSERT INTO first': 'String none = ("INSERT INTO first'}),
    "type of a column": Change({"src (k INT, v BIGINT": "src (k INT, v INT"}),
    "sum beside the count": Change({"SELECT k, COUNT(*) AS n FROM src": "SELECT k, COUNT(*) + SUM(v) AS n FROM src"}),
}
_PYTHON: dict[str, Change] = {
    "unchanged": Change(),
    "uid forgotten": Change({'.uid("ruled")': ""}),
    "type of the key": Change(
        {"lambda one: one % 20, key_type=Types.LONG()": "lambda one: str(one % 20), key_type=Types.STRING()"}
    ),
    "window 60 -> 90 min": Change({"Time.minutes(60)": "Time.minutes(90)"}),
    "type of the accumulator": Change(
        {
            "accumulator_type=Types.LONG()": "accumulator_type=Types.STRING()",
            "(self) -> int:\n        return 0": '(self) -> str:\n        return ""',
            "return value + accumulator": "return str(value)",
            "return accumulator\n": "return 1\n",
        }
    ),
    "broadcast state renamed": Change({'"rules", Types.LONG()': '"rules-2", Types.LONG()'}, loses=LINES),
    "type of the broadcast state": Change(
        {
            '"rules", Types.LONG(), Types.LONG()': '"rules", Types.LONG(), Types.STRING()',
            "ctx.get_broadcast_state(RULES).put(value % 10, value)": (
                "ctx.get_broadcast_state(RULES).get(value % 10)\n"  # what nobody reads may be of any type
                "        ctx.get_broadcast_state(RULES).put(value % 10, str(value))"
            ),
        }
    ),
}

OTHERS: dict[str, Program] = {
    "orders": Program(_HERE / "orders", _ORDERS, {"state.backend.type": "rocksdb", **CHECKPOINTS}),
    "orders, heap": Program(_HERE / "orders", _ORDERS, {"state.backend.type": "hashmap", **CHECKPOINTS}),
    "joins": Program(_HERE / "joins", _JOINS, {"state.backend.type": "rocksdb", **CHECKPOINTS}),
    "statements": Program(_HERE / "statements", _STATEMENTS, CHECKPOINTS),
    "Python, broadcast": Program(_HERE / "python_broadcast", _PYTHON, CHECKPOINTS, by_client=True, alone=True),
}
