"""Where settings come from: flag > environment > project file > user file > default."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flinkops.config.alert_keys import read_alerts
from flinkops.config.links import read_links
from flinkops.config.policy import Policy
from flinkops.config.schema import TOP_KEYS, read_policy, read_sources, read_value, refuse_unknown
from flinkops.config.settings import SCALARS, Settings
from flinkops.errors import UsageError

FILE_NAME = "flinkops.toml"
CONFIG_VARIABLE = "FLINKOPS_CONFIG"


def user_file() -> Path:
    """The user's own file, where the system keeps settings."""
    import platformdirs

    return platformdirs.user_config_path("flinkops") / FILE_NAME


def project_file(start: Path | None = None) -> Path | None:
    """The nearest ``flinkops.toml`` here or in a folder above, None where there is none."""
    here = (start or Path.cwd()).absolute()
    return next((folder / FILE_NAME for folder in (here, *here.parents) if (folder / FILE_NAME).is_file()), None)


def load_settings(
    flags: Mapping[str, object], *, config_file: str | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings of this run; `flags` holds those given on the command line, by key, others absent or None.

    A `config_file` (or FLINKOPS_CONFIG) takes the project file's place. UsageError for what cannot be read.
    """
    env = os.environ if environ is None else environ
    named = config_file or env.get(CONFIG_VARIABLE)
    if named and not Path(named).is_file():
        raise UsageError(f"no settings file {named}", next_step="--config names an existing flinkops.toml")
    project = Path(named) if named else project_file()
    fields: dict[str, Any] = {}
    origins = {scalar.key: "default" for scalar in SCALARS}
    policy = Policy()
    for kind, path in (("user file", user_file()), ("project file" if not named else "named file", project)):
        if path is not None and path.is_file():
            policy = _read_file(path, f"{kind} {path}", fields, origins, policy)
    for scalar in SCALARS:
        if text := env.get(scalar.variable):
            fields[scalar.field] = read_value(scalar.parse, text, scalar.variable)
            origins[scalar.key] = f"environment {scalar.variable}"
        if (given := flags.get(scalar.key)) is not None:
            option = "--" + scalar.key.replace("_", "-")
            fields[scalar.field] = read_value(scalar.parse, given, option)
            origins[scalar.key] = f"flag {option}"
    return Settings(**fields, policy=policy, origins=origins)


def _read_file(path: Path, origin: str, fields: dict[str, Any], origins: dict[str, str], policy: Policy) -> Policy:
    """Lay one file over what is known; returns the policy with the file's own laid over it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    refuse_unknown(data, TOP_KEYS, str(path))
    for scalar in SCALARS:
        if scalar.key in data:
            fields[scalar.field] = read_value(scalar.parse, data[scalar.key], f'"{scalar.key}" in {path}')
            origins[scalar.key] = origin
    if "sources" in data:
        fields["sources"], fields["kubernetes"] = read_sources(data["sources"], str(path))
        origins["sources"] = origin
    if "alerts" in data:
        fields["alerts"] = read_alerts(data["alerts"], str(path))
        origins["alerts"] = origin
    if "links" in data:
        fields["links"] = {**fields.get("links", {}), **read_links(data["links"], str(path))}
        origins.update({f"links.{name}": origin for name in data["links"]})
    policy = read_policy(data, str(path), policy)
    if "jobs" in data:
        origins["jobs"] = origin
    origins.update({f"health.{key}": origin for key in data.get("health", {})})
    origins.update({f"classes.{name}.{key}": origin for name, keys in data.get("classes", {}).items() for key in keys})
    return policy
