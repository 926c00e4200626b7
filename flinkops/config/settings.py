"""The settings of one run and where each came from."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from flinkops.config.alerts import AlertSettings
from flinkops.config.folders import FolderTable
from flinkops.config.policy import Policy
from flinkops.config.storage import StorageTable
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.quantities import parse_duration

RestVia = Literal["proxy", "direct", "ingress"]
RehearseRule = Literal["offered", "always"]
REHEARSE_RULES = ("offered", "always")
REST_VIAS = ("proxy", "direct", "ingress")
OUTPUT_FORMATS = ("table", "wide", "json", "yaml", "jsonl", "csv", "name")


_KUBERNETES_KEYS = ("context", "kubeconfig", "namespace", "all_namespaces", "selector", "rest_via")


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint of the ``sources`` list; secrets are references (``env:NAME``, ``file:PATH``), never values."""

    name: str
    rest: str
    headers: dict[str, str] = {}
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    verify: bool = True


class KubernetesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster of the ``sources`` list, or what the command line says of one; None: the kubeconfig's own."""

    context: str | None = None
    """A name, or a pattern with * and ? that stands for several."""
    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()
    all_namespaces: bool = False
    selector: str | None = None
    rest_via: RestVia = "proxy"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a command goes by: flag > FLINKOPS_* > project file > user file > default."""

    rest: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    kubeconfigs: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    all_namespaces: bool = False
    selector: str | None = None
    rest_via: RestVia = "proxy"
    output: str | None = None
    timeout_seconds: float | None = None
    """None: the command's own default."""
    interval_seconds: float = 10.0
    read_only: bool = False
    production: tuple[str, ...] = ()
    """Patterns of sources at which nothing is changed unless --no-read-only says so: `config.guard` matches them."""
    sources: tuple[SourceSettings, ...] = ()
    kubernetes: tuple[KubernetesSettings, ...] = ()
    """Those of the ``sources`` list that are Kubernetes clusters."""
    known_sources: tuple[SourceSettings, ...] = ()
    """Every endpoint that any file lists, also where another file's list takes its place: `production` names them."""
    policy: Policy = Policy()
    alerts: AlertSettings = AlertSettings()
    storage: StorageTable = {}
    """How object storage is reached, by bucket or container."""
    folders: FolderTable = {}
    """Folders of savepoints and checkpoints -> the sources by which alone each is used."""
    pod_image: str | None = None
    """Of ``[storage]``: the image of the pods that read storage from within a cluster."""
    rehearse: RehearseRule = "offered"
    """Of ``[upgrade]``: whether every upgrade is rehearsed, or only those that ask for it."""
    links: Mapping[str, str] = {}
    """Name -> address of a page about a job, with places as in ``{job}``."""
    origins: Mapping[str, str] = {}
    """Key as in the file -> where its value came from."""

    @property
    def names_kubernetes(self) -> bool:
        """Whether a Kubernetes cluster is asked for: on the command line, in the environment, or in ``sources``."""
        named = any(self.origins.get(key, "default") != "default" for key in _KUBERNETES_KEYS)
        return named or bool(self.kubernetes and not self.rest)


class Scalar(msgspec.Struct, frozen=True):
    """One simple setting: its key in files, its field here, how its value is read."""

    key: str
    field: str
    parse: Callable[[object], Any]

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "FLINKOPS_" + self.key.upper()


def parse_text(value: object) -> str:
    """A string; ValueError on anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def parse_bool(value: object) -> bool:
    """A boolean of a file or of an environment variable; ValueError on anything else."""
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError(f"{value!r} is neither true nor false")


def parse_wait(value: object) -> float:
    """Seconds of a duration that is not zero; ValueError on anything else."""
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"{value!r} is no time at all")
    return seconds


def parse_output(value: object) -> str:
    """One of the output formats; ValueError on anything else."""
    if value not in OUTPUT_FORMATS:
        raise ValueError(f"{value!r} is none of {', '.join(OUTPUT_FORMATS)}")
    return str(value)


def parse_rest_via(value: object) -> str:
    """A way to the REST APIs of jobs in Kubernetes; ValueError on anything else."""
    if value not in REST_VIAS:
        raise ValueError(f"{value!r} is none of {', '.join(REST_VIAS)}")
    return str(value)


def parse_rehearse(value: object) -> str:
    """When an upgrade is rehearsed; ValueError on anything else."""
    if value not in REHEARSE_RULES:
        raise ValueError(f"{value!r} is none of {', '.join(REHEARSE_RULES)}")
    return str(value)


def parse_names(value: object) -> tuple[str, ...]:
    """A text with several names between commas, or a list of texts, each of them one name; ValueError otherwise."""
    names = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"{value!r} is not a list of names")
    found = tuple(dict.fromkeys(parse_text(one) for one in names))
    if not found or "" in found:
        raise ValueError("an empty name")
    return found


def parse_urls(value: object) -> tuple[str, ...]:
    """REST addresses: a list, or a text with several between commas or spaces; ValueError on anything else."""
    urls = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(urls, (list, tuple)):
        raise ValueError(f"{value!r} is not a list of addresses")
    return tuple(parse_url(url) for url in urls)


def parse_url(value: object) -> str:
    """The address of a Flink REST API as it was written; ValueError on anything else."""
    text = parse_text(value)
    parse_endpoint(text)
    return text


SCALARS: tuple[Scalar, ...] = (
    Scalar("rest", "rest", parse_urls),
    Scalar("context", "contexts", parse_names),
    Scalar("kubeconfig", "kubeconfigs", parse_names),
    Scalar("namespace", "namespaces", parse_names),
    Scalar("all_namespaces", "all_namespaces", parse_bool),
    Scalar("selector", "selector", parse_text),
    Scalar("rest_via", "rest_via", parse_rest_via),
    Scalar("output", "output", parse_output),
    Scalar("timeout", "timeout_seconds", parse_wait),
    Scalar("interval", "interval_seconds", parse_wait),
    Scalar("read_only", "read_only", parse_bool),
    Scalar("production", "production", parse_names),
)
