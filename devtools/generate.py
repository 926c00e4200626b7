"""Write the generated files again: alerts/, dashboards/, docs/metrics.md, the index of the runbooks, the SBOM."""

import argparse
from pathlib import Path

from devtools import sbom
from devtools.bootstrap import REPOSITORY
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
    from devtools.dashboards import dashboard_files

    return {
        **{Path("alerts") / name: text for name, text in alert_files(AlertSettings(), Policy()).items()},
        **{Path("dashboards") / name: text for name, text in dashboard_files().items()},
        Path("docs/metrics.md"): metrics_page(),
        Path("docs/runbooks/README.md"): runbook_index(),
        Path(sbom.FILE): sbom.document(),
    }
