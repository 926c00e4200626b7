"""Who we are and where the API server is: from a kubeconfig, or from the pod we run in.

Everything that kubectl can log in with works: client certificates, tokens, exec plug-ins, in-cluster accounts.
"""

import importlib
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote

import msgspec

from flinkops.errors import FlinkopsError, Unreachable, UsageError
from flinkops.input_file import read_input_text
from flinkops.model.endpoint import RestEndpoint
from flinkops.outside.logs import warn_once
from flinkops.paths import expanded, is_file
from flinkops.sources.kubernetes.login import plugins_heard

IN_CLUSTER = "in-cluster"
_MOST_KUBECONFIG_BYTES = 16 * 2**20
_ACCOUNT_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT_KUBECONFIG = "~/.kube/config"


class ContextNames(msgspec.Struct, frozen=True):
    """The contexts of a kubeconfig; ``current`` is None where it names none."""

    names: tuple[str, ...]
    current: str | None


class KubeAccess:
    """One API server with credentials. ``context`` names it for people; ``namespace`` is the context's own.

    ``server`` is the API server's URL, known without a log-in; empty where it is not.
    """

    def __init__(self, context: str, namespace: str, endpoint: Callable[[], RestEndpoint], *, server: str = "") -> None:
        self.context = context
        self.namespace = namespace
        self.server = server
        self._endpoint = endpoint

    def endpoint(self) -> RestEndpoint:
        """The API server itself. Tokens are renewed here: ask again for each poll."""
        return self._endpoint()

    def service_endpoint(self, namespace: str, service: str, port: int) -> RestEndpoint:
        """The REST API of a service, through the API server's service proxy: no port-forward needed.

        A `service` that speaks TLS is written ``https:NAME``.
        """
        server = self.endpoint()
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/services/{quote(service, safe=':')}:{port}/proxy"
        return msgspec.structs.replace(
            server, url=f"{server.url}{path}", name=f"{namespace}/{service.removeprefix('https:')}"
        )


@runtime_checkable
class HasKubernetesAccess(Protocol):
    """A source whose jobs belong to custom resources, and are changed through them."""

    @property
    def access(self) -> KubeAccess:
        """How its API server is reached."""
        ...


def kubeconfig_exists(kubeconfig: str | None = None) -> bool:
    """Whether there is a kubeconfig (the one given, of $KUBECONFIG, or ~/.kube/config) to find contexts in."""
    return any(is_file(expanded(part)) for part in _kubeconfig_files(kubeconfig))


def in_cluster() -> bool:
    """Whether this process runs in a pod with an account."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and _ACCOUNT_NAMESPACE_FILE.exists()


def kubernetes_at_hand() -> bool:
    """Whether there is a cluster although none is named: a kubeconfig, or that of the pod we run in."""
    return kubeconfig_exists() or in_cluster()


def list_contexts(kubeconfig: str | None = None) -> ContextNames:
    """The names of the contexts. Raises UsageError when there is no readable kubeconfig."""
    if not kubeconfig_exists(kubeconfig):
        raise _unusable(kubeconfig, FileNotFoundError())
    try:
        found, current = _config().list_kube_config_contexts(config_file=kubeconfig)
    except Exception as problem:  # noqa: BLE001 - whatever a broken file makes the library and YAML raise
        raise _unusable(kubeconfig, problem) from None
    return ContextNames(tuple(str(one["name"]) for one in found), current["name"] if current else None)


def logs_in_by_program(kubeconfig: str | None, context: str) -> bool:
    """Whether the context's user logs in by a program. Where that cannot be told, loading it tells more."""
    user = None
    users: set[str] = set()
    for found in map(_kubeconfig_content, _kubeconfig_files(kubeconfig)):
        with suppress(AttributeError, KeyError, TypeError):
            mine = [one["context"]["user"] for one in found.get("contexts") or () if one["name"] == context]
            user = user or next(iter(mine), None)
        with suppress(AttributeError, KeyError, TypeError):
            users |= {one["name"] for one in found.get("users") or () if "exec" in one["user"]}
    return user in users


def _kubeconfig_content(file: str) -> Any:
    """One file, as it says; None where it cannot be read: whoever opens it says why."""
    import yaml

    if not is_file(expanded(file)):
        return None
    try:
        return yaml.safe_load(read_input_text(expanded(file), most_bytes=_MOST_KUBECONFIG_BYTES))
    except (UsageError, RecursionError, ValueError, yaml.YAMLError):
        return None


def servers_of_contexts(kubeconfigs: Iterable[str | None]) -> dict[str, str]:
    """The API server of each context of these kubeconfigs (None: the usual one), without any log-in.

    A file that cannot be read has none: whoever opens it says why.
    """
    servers: dict[str, str] = {}
    for file in dict.fromkeys(part for one in kubeconfigs for part in _kubeconfig_files(one)):
        found = _kubeconfig_content(file)
        try:
            urls = {one["name"]: one["cluster"]["server"] for one in found.get("clusters") or ()}
            for one in found.get("contexts") or ():
                if (server := urls.get(one["context"]["cluster"])) is not None:
                    servers.setdefault(str(one["name"]), str(server).rstrip("/"))
        except (AttributeError, KeyError, TypeError):
            continue
    return servers


def context_names(kubeconfigs: Iterable[str | None]) -> list[str]:
    """The contexts of these kubeconfigs (None: the usual one), as far as they can be read; without any log-in."""
    names: dict[str, None] = {}
    for file in dict.fromkeys(part for one in kubeconfigs for part in _kubeconfig_files(one)):
        with suppress(AttributeError, KeyError, TypeError):
            names |= {str(one["name"]): None for one in _kubeconfig_content(file).get("contexts") or ()}
    return list(names)


def open_access(kubeconfig: str | None = None, context: str | None = None) -> KubeAccess:
    """Reads the credentials of `context` (default: the current one), or the pod's own where there is no kubeconfig.

    Raises UsageError for an unknown context or an unreadable file. A log-in plug-in that fails is tried again whenever
    the API server is to be asked; that raises Unreachable.
    """
    if kubeconfig is None and context is None and not kubeconfig_exists() and in_cluster():
        return _pod_access()
    names = list_contexts(kubeconfig)
    chosen = context or names.current
    if chosen not in names.names:
        known = ", ".join(names.names[:20]) or "none"
        raise UsageError(f"there is no Kubernetes context {chosen!r} in the kubeconfig (known: {known})")
    login = _Login(kubeconfig, chosen)
    return KubeAccess(
        chosen,
        _context_namespace(kubeconfig, chosen),
        lambda: _endpoint(login.configuration(), chosen),
        server=login.server,
    )


class _Login:
    """A context's log-in, once it works."""

    def __init__(self, kubeconfig: str | None, context: str) -> None:
        self._kubeconfig, self._context = kubeconfig, context
        self._lock = threading.Lock()
        self._configuration: Any = None
        self.server = servers_of_contexts([kubeconfig]).get(context, "")
        if not logs_in_by_program(kubeconfig, context):  # which may take its time: it runs when the API server is asked
            self.server = str(self.configuration().host).rstrip("/")

    def configuration(self) -> Any:
        """Raises Unreachable when a plug-in fails, UsageError when the file says nothing usable."""
        with self._lock:
            if self._configuration is None:
                self._configuration = _load(self._kubeconfig, self._context)
            return self._configuration


def _config() -> Any:
    """The kubernetes package's log-in code; imported on first use, since it takes 0.4 s."""
    return importlib.import_module("kubernetes.config")


def _configuration() -> Any:
    return importlib.import_module("kubernetes.client").Configuration()


def _load(kubeconfig: str | None, context: str) -> Any:
    configuration = _configuration()
    try:
        with plugins_heard(context):
            _config().load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
            )
    except FlinkopsError:
        raise
    except Exception as problem:  # noqa: BLE001 - exec plug-ins and odd files raise all sorts
        raise _unusable(kubeconfig, problem, context) from None
    if getattr(configuration, "tls_server_name", None):
        raise UsageError(
            f"context {context!r} sets tls-server-name, which is not supported; use a name of the certificate"
        )
    return configuration


def _context_namespace(kubeconfig: str | None, context: str) -> str:
    found, _ = _config().list_kube_config_contexts(config_file=kubeconfig)
    mine = next(one for one in found if one["name"] == context)
    return str(mine.get("context", {}).get("namespace") or "default")


def _pod_access() -> KubeAccess:
    configuration = _configuration()
    _config().load_incluster_config(client_configuration=configuration)
    namespace = _ACCOUNT_NAMESPACE_FILE.read_text(encoding="utf-8").strip() or "default"
    return KubeAccess(IN_CLUSTER, namespace, lambda: _endpoint(configuration, IN_CLUSTER))


def _endpoint(configuration: Any, context: str) -> RestEndpoint:
    try:
        with plugins_heard(context):
            settings = configuration.auth_settings()  # renews a token that has run out
    except FlinkopsError:
        raise
    except Exception as problem:  # noqa: BLE001 - a log-in plug-in may fail in any way
        raise Unreachable(f"the log-in of context {context!r} fails: {_first_line(problem)}") from None
    if not configuration.verify_ssl:
        warn_once(f"TLS certificates of context {context!r} are not checked (insecure-skip-tls-verify)")
    headers = {
        str(one["key"]): str(one["value"])
        for one in settings.values()
        if one.get("in") == "header" and one.get("value") is not None
    }
    return RestEndpoint(
        url=str(configuration.host).rstrip("/"),
        name=context,
        headers=headers,
        client_certificate_file=configuration.cert_file,
        client_key_file=configuration.key_file,
        ca_file=configuration.ssl_ca_cert,
        verify=bool(configuration.verify_ssl),
    )


def _kubeconfig_files(kubeconfig: str | None) -> list[str]:
    text = kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT_KUBECONFIG
    return [part for part in text.split(os.pathsep) if part]


def _unusable(kubeconfig: str | None, problem: Exception, context: str | None = None) -> FlinkopsError:
    where = os.pathsep.join(_kubeconfig_files(kubeconfig))
    if not kubeconfig_exists(kubeconfig):
        return UsageError(f"there is no kubeconfig at {where}", next_step="give --kubeconfig FILE, or --rest URL")
    about = f"context {context!r} of {where}" if context else where
    return UsageError(f"{about} cannot be used: {_first_line(problem)}")


def _first_line(problem: Exception) -> str:
    words = ""
    with suppress(Exception):
        words = " ".join(str(problem).split())
    return words[:200] or type(problem).__name__
