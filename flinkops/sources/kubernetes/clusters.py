"""From settings to Kubernetes clusters: contexts, kubeconfigs, patterns, and the clusters that a file lists."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from flinkops.config.settings import KubernetesSettings, Settings
from flinkops.errors import UsageError
from flinkops.sources.kubernetes.access import KubeAccess, list_contexts, open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from flinkops.sources.protocol import Wanted


def open_kubernetes_sources(settings: Settings, wanted: Wanted | None = None) -> list[KubernetesSource]:
    """One source for each cluster that the settings name.

    Raises UsageError for a context that no kubeconfig has, Unreachable when a log-in fails.
    """
    return [
        KubernetesSource(
            access,
            namespaces=cluster.namespaces or None,
            all_namespaces=cluster.all_namespaces,
            selector=cluster.selector,
            rest_via=cluster.rest_via,
            wanted=wanted,
        )
        for cluster, access in kubernetes_accesses(settings)
    ]


def open_kubernetes(settings: Settings) -> KubernetesSource:
    """The one cluster that the settings name. UsageError when there are several: an action is for one."""
    kubernetes_access(settings)
    return open_kubernetes_sources(settings)[0]


def kubernetes_access(settings: Settings) -> KubeAccess:
    """The way into the one cluster that the settings name. UsageError when there are several."""
    found = kubernetes_accesses(settings)
    if len(found) > 1:
        names = ", ".join(access.context for _, access in found[:10])
        raise UsageError(f"{len(found)} clusters are named ({names})", next_step="name one: --context NAME")
    return found[0][1]


def kubernetes_accesses(settings: Settings) -> list[tuple[KubernetesSettings, KubeAccess]]:
    """What to read, and the way in. Contexts of the same name in two kubeconfigs are told apart by their file."""
    clusters = list(dict.fromkeys(_clusters(settings)))
    found = [(cluster, open_access(cluster.kubeconfig, cluster.context)) for cluster in clusters]
    names = [access.context for _, access in found]
    files = [cluster.kubeconfig or "" for cluster, _ in found]
    short = [(name, Path(file).name) for name, file in zip(names, files, strict=True)]
    for (_, access), name, file, brief in zip(found, names, files, short, strict=True):
        if names.count(name) > 1:
            access.context = f"{name}@{file if short.count(brief) > 1 else brief[1]}"
    return found


def _clusters(settings: Settings) -> list[KubernetesSettings]:
    """Those named: on the command line or in the environment contexts times kubeconfigs, else the listed ones."""
    if settings.kubernetes and not settings.contexts and not settings.kubeconfigs:
        listed = [
            msgspec.structs.replace(one, context=context)
            for one in settings.kubernetes
            for context in _matching([one.kubeconfig], one.context)[one.kubeconfig]
        ]
        return [_narrowed(one, settings) for one in listed]
    files = settings.kubeconfigs or (None,)
    return [
        KubernetesSettings(
            context=context,
            kubeconfig=file,
            namespaces=settings.namespaces,
            all_namespaces=settings.all_namespaces,
            selector=settings.selector,
            rest_via=settings.rest_via,
        )
        for wanted in settings.contexts or (None,)
        for file, contexts in _matching(files, wanted).items()
        for context in contexts
    ]


def _narrowed(listed: KubernetesSettings, settings: Settings) -> KubernetesSettings:
    """A listed cluster with what the command line says of namespaces and labels."""
    if settings.namespaces:
        listed = msgspec.structs.replace(listed, namespaces=settings.namespaces, all_namespaces=False)
    if settings.all_namespaces:
        listed = msgspec.structs.replace(listed, all_namespaces=True)
    if settings.selector:
        listed = msgspec.structs.replace(listed, selector=settings.selector)
    return listed


def _matching(files: Sequence[str | None], wanted: str | None) -> dict[str | None, list[str | None]]:
    """The contexts of each file that `wanted` (a name, a pattern, None: the current one) stands for.

    UsageError when no file has any. A single file is not read for a plain name: opening it says what it knows.
    """
    if wanted is None or (len(files) == 1 and not {"*", "?"} & set(wanted)):
        return {file: [wanted] for file in files}
    found: dict[str | None, list[str | None]] = {
        file: [name for name in list_contexts(file).names if fnmatchcase(name, wanted)] for file in files
    }
    if not any(found.values()):
        raise UsageError(f"no kubeconfig has a Kubernetes context {wanted!r}", next_step="kubectl config get-contexts")
    return found
