"""Rows of bench.rehearsal_agreement: patterns of events, files, records, objects as keys, tables."""

from pathlib import Path

from bench.agreement.rows import CHECKPOINTS, LINES, Change, Program

_HERE = Path(__file__).parent

_BUCKETS = """
    static class ByYear
            implements org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner<String, String> {
        @Override
        public String getBucketId(String one, Context context) {
            return "2026";
        }

        @Override
        public org.apache.flink.core.io.SimpleVersionedSerializer<String> getSerializer() {
            return new Year();
        }
    }

    static class Year implements org.apache.flink.core.io.SimpleVersionedSerializer<String> {
        @Override
        public int getVersion() {
            return 7;
        }

        @Override
        public byte[] serialize(String year) {
            return new byte[] {26};
        }

        @Override
        public String deserialize(int version, byte[] bytes) throws java.io.IOException {
            if (version != 7) {
                throw new java.io.IOException("not a year: version " + version);
            }
            return "20" + bytes[0];
        }
    }

    static class Rate"""
_FRAUD: dict[str, Change] = {
    "unchanged": Change(),
    "unchanged, from retained": Change(against="retained"),
    "parallelism 2": Change(parallelism=2),
    "pattern: stage renamed": Change({'begin("small")': 'begin("tiny")', 'ForPattern("small")': 'ForPattern("tiny")'}),
    "pattern: stage added": Change(
        {"Duration.ofMinutes(10)); // pattern": 'Duration.ofMinutes(10)).followedBy("again").where(new Larger());'}
    ),
    "pattern: longer": Change({"Duration.ofMinutes(10)); // pattern": "Duration.ofMinutes(20));"}),
    "pattern: another condition": Change({"one.cents < 100": "one.cents < 200"}),
    "event: field added": Change({"public String card; // first": "public String card; public String shop;"}),
    "event: field's type": Change(
        {
            "public long cents; // second": "public String cents;",
            "one.cents = number % 7 * 50;": 'one.cents = "0";',
            "one.cents < 100": "true",
            "small.cents": "1L",
            "return one.cents > smallest + 200;": "return smallest > 0;",
        }
    ),
    "event: no POJO any more": Change(
        {"public static class Payment {": "public static class Payment { private int no;"}
    ),
    "look-ups in order": Change({"unorderedWait": "orderedWait"}),
    "look-up, now a map": Change(
        {
            "AsyncDataStream.unorderedWait(\n                payments, new Rate(), 5, TimeUnit.SECONDS, 20)": (
                "payments.map(one -> one).returns(Payment.class)"
            )
        },
        loses=LINES,
    ),
    "look-up: uid renamed": Change({'.uid("rate"); // look-up': '.uid("rated");'}),
    "files elsewhere": Change({'"/alerts"': '"/alarms"'}),
    "files: uid forgotten": Change({'.uid("alert-files")': ""}),
    "files: buckets of another version": Change(
        {'new DateTimeBucketAssigner<>("yyyy")': "new ByYear()", "\n    static class Rate": _BUCKETS}
    ),
}
_DEVICES: dict[str, Change] = {
    "unchanged": Change(),
    "unchanged, from retained": Change(against="retained"),
    "parallelism 2": Change(parallelism=2),
    "record: component added": Change(
        {
            "record Limit(double most, String by)": "record Limit(double most, String by, String why)",
            'Limit(number, "n")': 'Limit(number, "n", "")',
        }
    ),
    "record: type of a component": Change(
        {"record Limit(double most,": "record Limit(String most,", 'Limit(number, "n")': 'Limit("1", "n")'}
    ),
    "record, now a class": Change(
        {
            "public record Limit(double most, String by) {} // limit": (
                "public static class Limit { public double most; public String by; public Limit() {}"
                " Limit(double most, String by) { this.most = most; this.by = by; } }"
            )
        }
    ),
    "tuple: type of a field": Change(
        {
            "Tuple2<Long, Double>> extremes": "Tuple2<Long, String>> extremes",
            "Types.TUPLE(Types.LONG, Types.DOUBLE)": "Types.TUPLE(Types.LONG, Types.STRING)",
            "Tuple2.of(reading.atMillis, reading.value)": 'Tuple2.of(reading.atMillis, "x")',
        }
    ),
    "map: type of its keys": Change(
        {
            "MapState<Level,": "MapState<String,",
            "TypeInformation.of(Level.class)": "Types.STRING",
            "reading.value % 2 == 0 ? Level.LOW : Level.HIGH": '"x"',
        }
    ),
    "map: constants in another order": Change({"LOW, HIGH }": "HIGH, LOW }"}),
    "list, now a map": Change(
        {
            "ListState<Instant> times": "MapState<Instant, Long> times",
            'getListState(new ListStateDescriptor<>("times", Types.INSTANT))': (
                'getMapState(new MapStateDescriptor<>("times", Types.INSTANT, Types.LONG))'
            ),
            "times.add(Instant.ofEpochMilli(reading.atMillis));": "times.put(Instant.now(), 1L);",
        }
    ),
    "number of another class": Change(
        {
            "ValueState<BigDecimal> sum": "ValueState<Double> sum",
            '"sum", BigDecimal.class': '"sum", Types.DOUBLE',
            "sum.update(BigDecimal.valueOf(reading.value));": "sum.update(reading.value);",
        }
    ),
    "collections: type of the innermost": Change(
        {
            "Map<String, List<Long>>> notes": "Map<String, List<String>>> notes",
            "TypeHint<Map<String, List<Long>>>": "TypeHint<Map<String, List<String>>>",
            "Map<String, List<Long>> said": "Map<String, List<String>> said",
            "List.of(reading.atMillis)": 'List.of("x")',
        }
    ),
    "key: field added": Change({"public String site; // site": 'public String site; public String room = "";'}),
    "key: another type": Change(
        {
            "readings.keyBy(one -> one.device).connect": "readings.keyBy(one -> one.device.site).connect",
            'keyBy(one -> new Device("s" + one % 3, one % 10))': 'keyBy(one -> "s" + one % 3)',
            "KeyedCoProcessFunction<Device,": "KeyedCoProcessFunction<String,",
            "context.getCurrentKey().site": "context.getCurrentKey()",
        }
    ),
    "state added, opened late": Change(
        {
            ".update(reading.atMillis); // lazy": (
                ".update(1L);"
                ' getRuntimeContext().getState(new ValueStateDescriptor<>("second", Types.LONG)).update(1L);'
            )
        }
    ),
    "state that is opened late, now at the start": Change(
        {
            "times = getRuntimeContext()": (
                'getRuntimeContext().getState(new ValueStateDescriptor<>("first", Types.LONG));'
                " times = getRuntimeContext()"
            )
        }
    ),
    "type of a state that is opened late": Change(
        {'("first", Types.LONG)).update(reading.atMillis); // lazy': '("first", Types.STRING)).update("x");'}
    ),
    "trigger: type of its state": Change(
        {
            "ValueStateDescriptor<Long> count": "ValueStateDescriptor<String> count",
            '"few", Types.LONG': '"few", Types.STRING',
            "ValueState<Long> seen": "ValueState<String> seen",
            "long now = seen.value() == null ? 1 : seen.value() + 1;": "seen.value(); long now = 1;",
            "seen.update(now % 5);": 'seen.update("x");',
        }
    ),
    "window: type of its own state": Change(
        {
            "ValueState<Long> fired": "ValueState<String> fired",
            '"fired", Types.LONG': '"fired", Types.STRING',
            "fired.update(1L);": 'fired.value(); fired.update("x");',
        }
    ),
    "trigger removed": Change({"\n                .trigger(new EveryFew())": ""}),
    "lateness longer": Change({"Duration.ofMinutes(1)) // lateness": "Duration.ofMinutes(9))"}),
    "late records not aside": Change(
        {
            "\n                .sideOutputLateData(LATE)": "",
            'hourly.getSideOutput(LATE).map(one -> one.value).uid("late").sinkTo': (
                'hourly.map(one -> 1.0).uid("late").sinkTo'
            ),
        }
    ),
    "window 1 -> 2 h": Change(
        {"TumblingEventTimeWindows.of(Duration.ofHours(1))": "TumblingEventTimeWindows.of(Duration.ofHours(2))"}
    ),
    "chained differently": Change({'.uid("watch").name("watch")': '.uid("watch").name("watch").startNewChain()'}),
    "slot group": Change({'.uid("watch").name("watch")': '.uid("watch").name("watch").slotSharingGroup("other")'}),
    "max parallelism of one": Change(
        {'.uid("watch").name("watch")': '.uid("watch").name("watch").setMaxParallelism(256)'}
    ),
    "uid renamed": Change({'.uid("hourly")': '.uid("by-hour")'}),
}
_LEDGER: dict[str, Change] = {
    "unchanged": Change(),
    "unchanged, from retained": Change(against="retained"),
    "parallelism 2": Change(parallelism=2),
    "accumulator: field added": Change({"public long total; // total": "public long total; public long more;"}),
    "accumulator: field's type": Change(
        {"public long total; // total": "public int total;", "return counts.total;": "return (long) counts.total;"}
    ),
    "accumulator: field renamed": Change({"total": "sum"}),
    "accumulator: type of the view's values": Change(
        {
            "MapView<Long, Long>": "MapView<Long, String>",
            "Long before = counts.byAmount.get(amount);": "",
            "before == null ? 1 : before + 1": '"x"',
        }
    ),
    "accumulator: view removed": Change(
        {
            "public MapView<Long, Long> byAmount = new MapView<>();": "",
            "Long before = counts.byAmount.get(amount);": "",
            "counts.byAmount.put(amount, before == null ? 1 : before + 1);": "",
            "counts.byAmount.remove(amount);": "",
        },
        loses=LINES,
    ),
    "function renamed": Change({'"median", Median': '"middle", Median', "median(amount)": "middle(amount)"}),
    "another aggregate beside it": Change({"median(amount) AS m FROM": "median(amount) AS m, COUNT(*) AS n FROM"}),
    "filter before it": Change({"FROM entries GROUP": "FROM entries WHERE amount > 5 GROUP"}),
    "filter behind it": Change({'GROUP BY account"': 'GROUP BY account HAVING median(amount) > 5"'}),
    "ttl switched off": Change({'"1 h"); // ttl': '"0 s");'}),
    "small batches": Change(
        settings={
            "table.exec.mini-batch.enabled": "true",
            "table.exec.mini-batch.allow-latency": "1 s",
            "table.exec.mini-batch.size": "100",
        }
    ),
    "row: type of a field": Change(
        {
            "Types.INT, Types.LONG))); // row": "Types.INT, Types.STRING)));",
            'row.getField("account"), row.getField("m")));': 'row.getField("account"), "x"));',
        }
    ),
    "row: field added": Change(
        {
            '{"account", "m"}, Types.INT, Types.LONG))); // row': (
                '{"account", "m", "n"}, Types.INT, Types.LONG, Types.LONG)));'
            ),
            'row.getField("account"), row.getField("m")));': 'row.getField("account"), row.getField("m"), 1L));',
        }
    ),
    "uid of the stream's operator forgotten": Change({'.uid("last")': ""}),
}

STRANGERS: dict[str, Program] = {
    "fraud": Program(_HERE / "fraud", _FRAUD, {"state.backend.type": "rocksdb", **CHECKPOINTS}, files=True),
    "devices": Program(_HERE / "devices", _DEVICES, {"state.backend.type": "rocksdb", **CHECKPOINTS}),
    "devices, heap": Program(_HERE / "devices", _DEVICES, {"state.backend.type": "hashmap", **CHECKPOINTS}),
    "ledger": Program(_HERE / "ledger", _LEDGER, CHECKPOINTS),
}
