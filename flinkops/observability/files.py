"""The files of `alerts/`: what `flinkops alerts generate` writes."""

from collections.abc import Mapping
from pathlib import Path

from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import Policy
from flinkops.errors import OperationFailed
from flinkops.observability.linted import explained
from flinkops.observability.monitors import pod_monitor, service_monitor
from flinkops.observability.reporter import reporter_groups
from flinkops.observability.rules import groups, prometheus_rule, rule_file

Files = Mapping[str, str]


def alert_files(settings: AlertSettings, policy: Policy) -> Files:
    """Every file by its name."""
    own, flinks = groups(settings), reporter_groups(settings, policy)
    return {
        "flinkops.rules.yaml": explained(rule_file(own)),
        "flinkops.prometheusrule.yaml": explained(prometheus_rule(own, "flinkops")),
        "flink-reporter.rules.yaml": explained(rule_file(flinks)),
        "flink-reporter.prometheusrule.yaml": explained(prometheus_rule(flinks, "flink-reporter")),
        "flinkops.servicemonitor.yaml": service_monitor(),
        "flink-reporter.podmonitor.yaml": pod_monitor(),
    }


def write_files(folder: Path, files: Files) -> None:
    """Write them all into `folder`, made if missing. Raises OperationFailed when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OperationFailed(f"cannot write into {folder}: {error}", next_step="choose another --out") from None
