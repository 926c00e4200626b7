"""Where settings come from: flag > environment > project file > user file > default."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flinkops.config.alert_keys import read_alerts
from flinkops.config.folders import read_folders
from flinkops.config.links import read_links
from flinkops.config.policy import Policy
from flinkops.config.schema import (
    TOP_KEYS,
    UPGRADE_KEYS,
    read_fields,
    read_policy,
    read_sources,
    read_value,
    refuse_unknown,
)
from flinkops.config.settings import SCALARS, Settings, SourceSettings
from flinkops.config.storage import POD_IMAGE, read_pod_image, read_storage
from flinkops.config.trust import refuse_foreign, refuse_untrusted
from flinkops.errors import UsageError
from flinkops.input_file import read_input
from flinkops.paths import is_file
from flinkops.user_folders import config_folder

FILE_NAME = "flinkops.toml"
CONFIG_VARIABLE = "FLINKOPS_CONFIG"
_MOST_BYTES = 1 << 20
_BY_NAME: Mapping[str, Callable[[object, str], Mapping[str, Any]]] = {
    "storage": read_storage,
    "folders": read_folders,
    "links": read_links,
}
"""Tables of named entries: those of a later file replace the ones of the same name alone."""
_DEEP_KEY = re.compile(r"(?:[\w\-\"' ]{1,64}+\.){100}")


def user_file() -> Path | None:
    """The user's own file, where the system keeps settings; None for a user without a home folder."""
    try:
        return config_folder() / FILE_NAME
    except UsageError:
        return None


def project_file(start: Path | None = None) -> Path | None:
    """The nearest ``flinkops.toml`` here or in a folder above, None where there is none."""
    try:
        here = (start or Path.cwd()).absolute()
    except OSError:  # the working folder was deleted
        return None
    return next((folder / FILE_NAME for folder in (here, *here.parents) if is_file(folder / FILE_NAME)), None)


def load_settings(
    flags: Mapping[str, object],
    *,
    config_file: str | None = None,
    environ: Mapping[str, str] | None = None,
    untrusted_too: bool = False,
) -> Settings:
    """The settings of this run; `flags` holds those given on the command line, by key, others absent or None.

    A `config_file` (or FLINKOPS_CONFIG) takes the project file's place. UsageError for what cannot be read, Refused
    for a project file that is not the user's, or says what only a trusted one may (unless `untrusted_too`: to show it).
    """
    env = os.environ if environ is None else environ
    named = config_file or env.get(CONFIG_VARIABLE)
    if named and not is_file(Path(named)):
        raise UsageError(f"no settings file {named}", next_step="--config names an existing flinkops.toml")
    layers = _Layers()
    own = user_file()
    if own is not None and is_file(own):
        layers.add(read_toml(own)[1], own, f"user file {own}")
    if named:
        layers.add(read_toml(Path(named))[1], Path(named), f"named file {named}")
    elif (project := project_file()) is not None and not (own and is_file(own) and project.samefile(own)):
        refuse_foreign(project)
        content, data = read_toml(project)
        layers.add(data, project, f"project file {project}")
        if not untrusted_too:
            refuse_untrusted(project, content, data)
    fields, origins = layers.fields, layers.origins
    for scalar in SCALARS:
        if text := env.get(scalar.variable):
            fields[scalar.field] = read_value(scalar.parse, text, scalar.variable)
            origins[scalar.key] = f"environment {scalar.variable}"
        if (given := flags.get(scalar.key)) is not None:
            option = "--" + scalar.key.replace("_", "-")
            fields[scalar.field] = read_value(scalar.parse, given, option)
            origins[scalar.key] = f"flag {option}"
    return Settings(**fields, policy=layers.policy, known_sources=layers.known_sources, origins=origins)


def read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The file's content, and what it says. Raises UsageError."""
    content = read_input(path, most_bytes=_MOST_BYTES)
    try:
        text = content.decode("utf-8")
        if _DEEP_KEY.search(text):  # the parser's time grows with the square of a key's parts
            raise RecursionError
        return content, tomllib.loads(text)
    except ValueError as error:  # no UTF-8, no TOML, a number without end
        raise UsageError(f"cannot read {path}: {error}") from None
    except RecursionError:
        raise UsageError(f"cannot read {path}: it is nested too deeply") from None


class _Layers:
    """Files, one laid over the other. What makes a run more careful stays, whatever a later file says."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.origins = {scalar.key: "default" for scalar in SCALARS}
        self.policy = Policy()
        self.known_sources: tuple[SourceSettings, ...] = ()

    def add(self, data: dict[str, Any], path: Path, origin: str) -> None:
        """Lay one file over those before it. Raises UsageError for what makes no sense."""
        production, read_only = self.fields.get("production", ()), self.fields.get("read_only", False)
        before = self.origins["read_only"]
        self.policy = _lay(data, path, origin, self.fields, self.origins, self.policy)
        if production:
            self.fields["production"] = tuple(dict.fromkeys((*production, *self.fields["production"])))
        if read_only and not self.fields["read_only"]:
            self.fields["read_only"], self.origins["read_only"] = True, before
        self.known_sources = (*self.known_sources, *self.fields.get("sources", ()))


def _lay(
    data: dict[str, Any],
    path: Path,
    origin: str,
    fields: dict[str, Any],
    origins: dict[str, str],
    policy: Policy,
) -> Policy:
    """Lay one file over what is known; returns the policy with the file's own laid over it."""
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
    for table, read in _BY_NAME.items():
        if table in data:
            named = read(data[table], str(path))
            fields[table] = {**fields.get(table, {}), **named}
            origins.update({f"{table}.{name}": origin for name in named})
    if POD_IMAGE in data.get("storage", {}):
        fields["pod_image"] = read_pod_image(data["storage"], str(path))
        origins["pod_image"] = origin
    if "upgrade" in data:
        fields.update(read_fields(data["upgrade"], UPGRADE_KEYS, f"[upgrade] of {path}"))
        origins.update({f"upgrade.{key}": origin for key in data["upgrade"]})
    policy = read_policy(data, str(path), policy)
    if "jobs" in data:
        origins["jobs"] = origin
    origins.update({f"health.{key}": origin for key in data.get("health", {})})
    origins.update({f"classes.{name}.{key}": origin for name, keys in data.get("classes", {}).items() for key in keys})
    return policy
