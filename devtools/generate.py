"""Write the generated files again: alerts/, dashboards/, the chart's, docs/metrics.md, the runbooks, the SBOM."""

import argparse
from pathlib import Path

from devtools import argocd, sbom
from devtools.bootstrap import REPOSITORY
from devtools.chart import chart_files
from flinkops.config.alerts import AlertSettings
from flinkops.config.policy import Policy
from flinkops.observability.docs import metrics_page, runbook_index
from flinkops.observability.files import alert_files


def main(arguments: list[str]) -> int:
    """Write every file; a test fails when one of them differs from what is committed."""
    argparse.ArgumentParser(prog="./dev generate", description=__doc__).parse_args(arguments)
    for path, text in generated().items():
        (REPOSITORY / path).parent.mkdir(parents=True, exist_ok=True)
        (REPOSITORY / path).write_text(text, encoding="utf-8")
    return 0


def generated() -> dict[Path, str]:
    """Every generated file by its path in the repository."""
    from devtools.dashboards import dashboard_files, lint_exclusions

    alerts, dashboards = alert_files(AlertSettings(), Policy()), dashboard_files()
    return {
        **{Path("alerts") / name: text for name, text in alerts.items()},
        **{Path("dashboards") / name: text for name, text in dashboards.items()},
        Path("dashboards/.lint"): lint_exclusions(),
        **chart_files(alerts, dashboards),
        argocd.FILE: argocd.argocd_settings(),
        Path("docs/metrics.md"): metrics_page(),
        Path("docs/runbooks/README.md"): runbook_index(),
        Path(sbom.FILE): sbom.document(),
    }
