"""Run recorded cases of what real operators did through the prediction: agreements, differences, causes.

A file has one case a line (JSON, plain or gzipped); without a file, the recorded cases of the tests are taken.
"""

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devtools.bootstrap import REPOSITORY
from flinkops.errors import UsageError

RECORDED = REPOSITORY / "tests" / "unit" / "operator_oracle"


def main(arguments: list[str]) -> int:
    """0 whenever it ran, differences or not; 2 for a file that holds no cases."""
    options = _parser().parse_args(arguments)
    from tests.unit.oracle_cases import Difference, differences

    found: list[Difference] = []
    total: Counter[str] = Counter()
    for path in options.files or sorted(RECORDED.glob("*.jsonl.gz")):
        for case in read_cases(path):
            total[case["operator"]] += 1
            found += differences(case)
    document = _document(total, found)
    print(json.dumps(document) if options.output == "json" else _table(document))
    return 0


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """Its cases. Raises UsageError where a line is none."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as problem:
        raise UsageError(f"{path} cannot be read: {problem}") from None
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            case = json.loads(line)
        except ValueError:
            case = None
        if not isinstance(case, dict) or not {"id", "operator", "kind", "deployed", "wanted"} <= case.keys():
            raise UsageError(f"{path}, line {number}: no case of an operator's decision")
        yield case


def _document(total: Counter[str], found: list[Any]) -> dict[str, Any]:
    differing = {one.id for one in found}
    of_version = Counter({one.id: one.operator for one in found}.values())
    return {
        "schema_version": 1,
        "agree": sum(total.values()) - len(differing),
        "differ": len(differing),
        "by_version": {
            version: {"agree": count - of_version[version], "differ": of_version[version]}
            for version, count in sorted(total.items())
        },
        "by_cause": dict(sorted(Counter(one.cause for one in found).items())),
        "differences": [one._asdict() for one in found],
    }


def _table(document: dict[str, Any]) -> str:
    lines = [f"{document['agree']} agree, {document['differ']} differ"]
    for version, counts in document["by_version"].items():
        lines.append(f"  operator {version}: {counts['agree']} agree, {counts['differ']} differ")
    lines += [f"  by {cause}: {count}" for cause, count in document["by_cause"].items()]
    for one in document["differences"]:
        lines.append(f"{one['id']} ({one['operator']}) {one['cause']}: expected {one['expected']}, got {one['got']}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev oracle", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recorded cases, one a line; may be .gz")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser
