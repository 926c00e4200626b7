"""The rows of bench.rehearsal_agreement: programs with state, and what is changed in each of them."""

from pathlib import Path

from bench.agreement.others import OTHERS
from bench.agreement.rows import CHECKPOINTS, LINES, Change, Program
from bench.agreement.strangers import STRANGERS

_HERE = Path(__file__).parent
CHANGED_JOB = _HERE.parents[1] / "tests" / "local" / "changed_job"

_OPEN_LATEST = 'latest = getRuntimeContext().getListState(new ListStateDescriptor<>("latest", Types.LONG));'
_LIST_TYPE = {
    "ListState<Long> latest": "ListState<String> latest",
    '"latest", Types.LONG': '"latest", Types.STRING',
    "latest.add(number);": 'latest.add("x");',
}
_UID = {'.uid("count")': '.uid("counted")'}
_LIST_RENAMED = {'"latest", Types.LONG': '"newest", Types.LONG'}

_KEYED: dict[str, Change] = {
    "unchanged": Change(),
    "parallelism 2": Change(parallelism=2),
    "another state backend": Change(settings={"state.backend.type": "hashmap"}),
    "POJO field added": Change({"public int seen; // POJO": "public int seen; public String note;"}),
    "POJO field's type": Change({"public int seen; // POJO": "public String seen;"}),
    "uid renamed": Change(_UID),
    "uid renamed, allowed": Change(_UID, {"execution.savepoint.ignore-unclaimed-state": "true"}, loses=LINES),
    "type of a value state": Change(
        {
            "ValueState<Long> count": "ValueState<String> count",
            '"count", Types.LONG': '"count", Types.STRING',
            "Long before = count.value();": "",
            "count.update(before == null ? 1L : before + 1);": 'count.update("x");',
        }
    ),
    "type of a list state": Change(_LIST_TYPE),
    "type of the key": Change(
        {"number -> number % 100": 'number -> "k" + number % 100', "<Long, Long": "<String, Long"}
    ),
    "max parallelism": Change({'.uid("count").name("count")': '.uid("count").name("count").setMaxParallelism(64)'}),
    "parallelism above max": Change(settings={"pipeline.max-parallelism": "2"}, parallelism=2),
    "class of a state missing": Change(
        {
            "class Last {": "class Newest {",
            "ValueState<Last>": "ValueState<Newest>",
            "Last.class": "Newest.class",
            "Last one = new Last();": "Newest one = new Newest();",
        }
    ),
    "state renamed": Change(_LIST_RENAMED, loses=LINES),
    "state not opened any more": Change({_OPEN_LATEST: "", "latest.add(number);": ""}, loses=LINES),
    "a further state": Change(
        {
            "latest.add(number);": 'latest.add(number); getRuntimeContext().getState(new ValueStateDescriptor<>("more",'
            " Types.LONG)).update(number);"
        }
    ),
    "timers: none any more": Change({"context.timerService().registerEventTimeTimer(Long.MAX_VALUE - 1);": ""}),
    "changelog switched on": Change(
        settings={"state.changelog.enabled": "true", "state.changelog.storage": "filesystem"}
    ),
    "type of a lazily opened state": Change(
        {
            "ValueState<Long> lazy": "ValueState<String> lazy",
            '"lazy", Types.LONG': '"lazy", Types.STRING',
            "lazy.update(number);": 'lazy.update("x");',
        }
    ),
    "sampled": Change(sample_bytes=2000),
    "sampled, list type": Change(_LIST_TYPE, sample_bytes=2000),
    "sampled, native savepoint": Change(against="native", sample_bytes=2000),
    "native savepoint": Change(against="native"),
    "native savepoint, list type": Change(_LIST_TYPE, against="native"),
    "newest checkpoint": Change(against="newest"),
    "retained checkpoint": Change(against="retained"),
    "retained, state renamed": Change(_LIST_RENAMED, against="retained", loses=LINES),
}
_SHORT: dict[str, Change] = {
    "unchanged": Change(against="retained"),
    "type of a list state": Change(_LIST_TYPE, against="retained"),
    "uid renamed": Change(_UID, against="retained"),
    "state renamed": Change(_LIST_RENAMED, against="retained", loses=LINES),
}
_CLAIMED = {"execution.savepoint-restore-mode": "CLAIM", "execution.state-recovery.claim-mode": "CLAIM"}
_CHANGELOG: dict[str, Change] = {
    "unchanged, not claimed": Change(against="retained"),  # fails at its first checkpoint
    "unchanged, claimed": Change(settings=_CLAIMED, against="native"),
    "state renamed, claimed": Change(_LIST_RENAMED, _CLAIMED, against="savepoint", loses=LINES),
    "from retained, claimed": Change(settings=_CLAIMED, against="retained"),
}
"""What is claimed may be gone afterwards, so that each is restored once, but for what failed."""

_WINDOWS: dict[str, Change] = {
    "unchanged": Change(),
    "window 5 -> 10 min": Change({"Duration.ofMinutes(5)": "Duration.ofMinutes(10)"}),
    "tumbling -> sliding": Change(
        {
            "TumblingEventTimeWindows.of(Duration.ofMinutes(5))": (
                "SlidingEventTimeWindows.of(Duration.ofMinutes(5), Duration.ofMinutes(1))"
            )
        }
    ),
    "type of the accumulator": Change(
        {
            "AggregateFunction<Long, Long, Long>": "AggregateFunction<Long, String, Long>",
            "public Long createAccumulator() {\n            return 0L;": (
                'public String createAccumulator() {\n            return "0";'
            ),
            "public Long add(Long number, Long sum) {\n            return number + sum;": (
                "public String add(Long number, String sum) {\n            return sum;"
            ),
            "public Long getResult(Long sum) {\n            return sum;": (
                "public Long getResult(String sum) {\n            return 1L;"
            ),
            "public Long merge(Long one, Long other) {\n            return one + other;": (
                "public String merge(String one, String other) {\n            return one;"
            ),
        }
    ),
    "type of the window's key": Change({"number -> number % 10)": 'number -> "k" + number % 10)'}),
    "type of the broadcast state": Change(
        {
            "MapStateDescriptor<Long, Long> RULES": "MapStateDescriptor<Long, String> RULES",
            '"rules", Types.LONG, Types.LONG': '"rules", Types.LONG, Types.STRING',
            "put(number % 1000, number)": 'put(number % 1000, "x")',
        }
    ),
    "broadcast state renamed": Change({'"rules", Types.LONG': '"rules-2", Types.LONG'}, loses=LINES),
}
_QUERY: dict[str, Change] = {
    "unchanged": Change(),
    "filter added": Change({"FROM src GROUP": "FROM src WHERE v > 0 GROUP"}),
    "other aggregate, same type": Change({"MAX(v)": "MIN(v)"}),
    "aggregate added": Change({"MAX(v)": "MAX(v) + COUNT(*)"}),
    "type of the key": Change(
        {"k INT": "k STRING", "'fields.k.min' = '0', 'fields.k.max' = '9'": "'fields.k.length' = '2'"}
    ),
}
_SEVERAL: dict[str, Change] = {
    "unchanged": Change(),
    "type of the state": Change(
        {
            "ValueState<Long> count": "ValueState<String> count",
            '"count", Types.LONG': '"count", Types.STRING',
            "count.update(number)": 'count.update("x")',
        }
    ),
    "uid renamed": Change({'uid(place + "-count")': 'uid(place + "-counted")'}),
}
_ASYNCHRONOUS: dict[str, Change] = {
    "unchanged": Change(against="retained"),
    "native savepoint": Change(against="native"),
    "uid renamed": Change(_UID, against="retained"),
    "type of a list state": Change(
        {
            "ListState<Long> latest": "ListState<String> latest",
            '"latest", Types.LONG': '"latest", Types.STRING',
            "latest.asyncAdd(number);": 'latest.asyncAdd("x");',
        },
        against="retained",
    ),
    "state renamed": Change(_LIST_RENAMED, against="retained", loses=LINES),
}
"""Flink 2.3 gives no canonical savepoint of asynchronous state."""

_PYTHON: dict[str, Change] = {
    "unchanged": Change(),
    "uid renamed": Change({'.uid("count")': '.uid("counted")'}),
    "filter after it": Change({"lambda _: False": "lambda one: one < 0"}),
    "type of a state": Change(
        {
            '"count", Types.LONG()': '"count", Types.STRING()',
            "self.count.update((self.count.value() or 0) + 1)": 'self.count.update((self.count.value() or "") + "x")',
        }
    ),
    "state renamed": Change({'"count", Types.LONG()': '"counted", Types.LONG()'}, loses=LINES),
    "state not opened at the start": Change(
        {
            "    def open(self, runtime_context: RuntimeContext) -> None:\n": (
                "    def open(self, runtime_context: RuntimeContext) -> None:\n"
                "        self.context, self.first = runtime_context, True\n\n"
                "    def described(self, runtime_context: RuntimeContext) -> None:\n"
            ),
            "        self.count.update(": "        self.described(self.context)\n        self.count.update(",
        }
    ),
    "type of the key": Change(
        {"lambda one: one % 100, key_type=Types.LONG()": "lambda one: str(one % 100), key_type=Types.STRING()"}
    ),
}

PROGRAMS: dict[str, Program] = {
    "keyed state": Program(CHANGED_JOB, _KEYED, {"state.backend.type": "rocksdb", **CHECKPOINTS}),
    "heap": Program(CHANGED_JOB, _SHORT, {"state.backend.type": "hashmap", **CHECKPOINTS}),
    "unaligned": Program(CHANGED_JOB, _SHORT, {"execution.checkpointing.unaligned.enabled": "true", **CHECKPOINTS}),
    "changelog": Program(
        CHANGED_JOB,
        _CHANGELOG,
        {"state.changelog.enabled": "true", "state.changelog.storage": "filesystem", **CHECKPOINTS},
    ),
    "ForSt": Program(CHANGED_JOB, _SHORT, {"state.backend.type": "forst", **CHECKPOINTS}, lines=("2.3",)),
    "windows, broadcast": Program(_HERE / "windows", _WINDOWS, CHECKPOINTS),
    "SQL": Program(_HERE / "query", _QUERY, CHECKPOINTS),
    "SQL to PostgreSQL": Program(_HERE / "query", _QUERY, CHECKPOINTS, by_client=True, postgres=True),
    "several execute()": Program(_HERE / "several", _SEVERAL, CHECKPOINTS, by_client=True, alone=True),
    "asynchronous state": Program(_HERE / "asynchronous", _ASYNCHRONOUS, CHECKPOINTS, lines=("2.3",)),
    "asynchronous, ForSt": Program(
        _HERE / "asynchronous", _ASYNCHRONOUS, {"state.backend.type": "forst", **CHECKPOINTS}, lines=("2.3",)
    ),
    "Python, process mode": Program(_HERE / "python", _PYTHON, CHECKPOINTS, by_client=True, alone=True),
    **OTHERS,
    **STRANGERS,
}
"""Each is started once, then stopped, and its changes restored from what it has left."""
