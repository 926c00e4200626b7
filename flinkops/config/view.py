"""Settings as a person may see them: every value with its origin, no secret among them."""

from typing import Any

import msgspec

from flinkops.config.policy import JobClass
from flinkops.config.schema import CLASS_KEYS, HEALTH_KEYS, KUBERNETES_KEYS, UPGRADE_KEYS
from flinkops.config.settings import SCALARS, KubernetesSettings, Settings, SourceSettings
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.measures import MEASURES


def settings_document(settings: Settings) -> dict[str, Any]:
    """``{"settings": [{"key", "value", "origin"}]}``, keys dotted as in flinkops.toml."""
    entries: list[dict[str, Any]] = []

    def add(key: str, value: object, origin_key: str) -> None:
        entries.append({"key": key, "value": value, "origin": settings.origins.get(origin_key, "default")})

    for scalar in SCALARS:
        value = _shown(scalar.field, getattr(settings, scalar.field))
        if scalar.key == "rest":
            value = ", ".join(map(shown_url, settings.rest)) or None
        add(scalar.key, value, scalar.key)
    listed = [(source.name, _source(source)) for source in settings.sources]
    listed += [(f"kubernetes-{number}", _cluster(one)) for number, one in enumerate(settings.kubernetes, 1)]
    for name, fields in listed:
        for key, value in fields.items():
            add(f"sources.{name}.{key}", value, "sources")
    for name, job_class in settings.policy.classes.items():
        for key, value in _class(job_class).items():
            add(f"classes.{name}.{key}", value, f"classes.{name}.{key}")
    for number, rule in enumerate(settings.policy.rules, 1):
        for key, value in (("class", rule.job_class), ("name", rule.name), ("namespace", rule.namespace)):
            add(f"jobs.{number}.{key}", value or None, "jobs")
        if rule.labels:
            add(f"jobs.{number}.labels", ", ".join(f"{key}={value}" for key, value in rule.labels.items()), "jobs")
    rest = {f"health.{key}": _shown(field, getattr(settings.policy, field)) for key, (field, _) in HEALTH_KEYS.items()}
    rest |= {f"upgrade.{key}": getattr(settings, field) for key, (field, _) in UPGRADE_KEYS.items()}
    rest |= {f"links.{name}": template for name, template in settings.links.items()}
    rest |= {f"folders.{folder}": ", ".join(names) for folder, names in settings.folders.items()}
    for key, value in rest.items():
        add(key, value, key)
    return {"settings": entries + _storage(settings)}


def shown_url(url: str) -> str:
    """The address without user name and password."""
    return parse_endpoint(url).url


def _source(source: SourceSettings) -> dict[str, object]:
    """References to secrets are shown, they are none themselves."""
    values: dict[str, object] = {
        "rest": shown_url(source.rest),
        "username": source.username,
        "password": source.password,
        "ca_file": source.ca_file,
        "client_cert": source.client_cert,
        "client_key": source.client_key,
        "verify": source.verify,
        **{f"headers.{name}": value for name, value in source.headers.items()},
    }
    return {key: value for key, value in values.items() if value is not None}


def _storage(settings: Settings) -> list[dict[str, Any]]:
    return [
        {"key": f"storage.{name}.{key}", "value": value, "origin": settings.origins.get(f"storage.{name}", "default")}
        for name, storage in settings.storage.items()
        for key, value in msgspec.structs.asdict(storage).items()
        if value is not None
    ]


def _cluster(cluster: KubernetesSettings) -> dict[str, object]:
    values = {key: _shown(field, getattr(cluster, field)) for key, (field, _) in KUBERNETES_KEYS.items()}
    return {key: value for key, value in values.items() if value is not None}


def _class(job_class: JobClass) -> dict[str, object]:
    values = {key: _shown(field, getattr(job_class, field)) for key, (field, _) in CLASS_KEYS.items()}
    if job_class.checkpoint_age_seconds is None and job_class.checkpoint_age_asked:
        values["checkpoint_age"] = "derived from the job's interval"
    if job_class.watermark_delay_seconds is None:
        values["watermark_delay"] = "the job's own flinkops.watermark-delay"
    values |= {each.limit.key: _shown(each.name, job_class.limit_of(each)) for each in MEASURES if each.limit}
    return {key: "off" if value is None else value for key, value in values.items()}


def _shown(field: str, value: object) -> object:
    """With its unit, as it may stand in the file."""
    if isinstance(value, tuple):
        return ", ".join(value) or None
    return f"{value:g}s" if field.endswith("_seconds") and isinstance(value, (int, float)) else value
