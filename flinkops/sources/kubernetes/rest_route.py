"""The way to a Flink cluster's REST API: through the API server, straight to its service, or by its ingress."""

import re
from typing import Literal

import msgspec

from flinkops.model.endpoint import RestEndpoint, parse_endpoint
from flinkops.model.json_reading import Json, section, text
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.kubernetes.resources import flink_setting, rest_port

RestVia = Literal["proxy", "direct", "ingress"]

_CAPTURE = re.compile(r"\(/\|\$\)\(\.\*\)$")  # what the operator's path templates end with, for the ingress controller


def rest_endpoint(access: KubeAccess, key: tuple[str, str], deployment: Json | None, via: RestVia) -> RestEndpoint:
    """Where the REST API of the Flink cluster `key` (namespace, name) is.

    ``proxy``: the API server's service proxy, with its credentials. ``direct``: the service's own name, for who runs
    in the cluster. ``ingress``: the host and path of the deployment's ``spec.ingress``; the proxy where it has none.
    The two latter are never given the API server's credentials.
    """
    namespace, name = key
    port = rest_port(deployment or {})
    secure = (flink_setting(deployment or {}, "security.ssl.rest.enabled") or "").lower() == "true"
    if via == "direct":
        scheme = "https" if secure else "http"
        return RestEndpoint(url=f"{scheme}://{name}-rest.{namespace}.svc:{port}", name=f"{namespace}/{name}-rest")
    if via == "ingress" and (url := ingress_url(deployment or {}, namespace, name)) is not None:
        return msgspec.structs.replace(url, name=f"{namespace}/{name}-rest")
    return access.service_endpoint(namespace, f"https:{name}-rest" if secure else f"{name}-rest", port)


def ingress_url(deployment: Json, namespace: str, name: str) -> RestEndpoint | None:
    """The address that ``spec.ingress.template`` makes; None without one, or when it makes none that is usable.

    >>> spec = {"ingress": {"template": "flink.example.com/{{namespace}}/{{name}}(/|$)(.*)"}}
    >>> ingress_url({"spec": spec}, "shop", "orders").url
    'http://flink.example.com/shop/orders'
    """
    ingress = section(section(deployment, "spec"), "ingress")
    template = text(ingress, "template")
    if template is None:
        return None
    address = template.replace("{{name}}", name).replace("{{namespace}}", namespace)
    address = _CAPTURE.sub("", address.partition("://")[2] or address).rstrip("/")
    try:
        return parse_endpoint(f"{'https' if ingress.get('tls') else 'http'}://{address}")
    except ValueError:
        return None
