"""Marks on custom resources that both reading them and planning changes of them must know."""

from collections.abc import Mapping
from typing import Any

LAST_STATE_DUMMY = "KUBERNETES_OPERATOR_LAST_STATE"
"""Newer operators put this where the path of the upgrade's savepoint stands when there was none (last-state)."""

_GITOPS = (
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
)


def managed_by(metadata: Mapping[str, Any]) -> str | None:
    """The GitOps tool whose labels or annotations a resource's metadata carry: it would undo an edit."""
    marks = [
        mark for key in ("labels", "annotations") if isinstance(found := metadata.get(key), Mapping) for mark in found
    ]
    return next((tool for mark, tool in _GITOPS if mark in marks), None)
