"""The ``[links]`` of `flinkops.toml`: addresses of pages about a job, with places for what names it."""

from string import Formatter

from flinkops.config.settings import parse_text
from flinkops.errors import UsageError

PLACES = ("job", "namespace", "cluster", "job_id", "code")
"""``code`` is that of the job's worst reason."""


def read_links(table: object, where: str) -> dict[str, str]:
    """Name -> template. UsageError for one that cannot be filled in."""
    if not isinstance(table, dict):
        raise UsageError(f"[links] of {where} is not a table")
    links = {}
    for name, value in table.items():
        try:
            template = parse_text(value)
            if not template.startswith(("https://", "http://")) or not template.isprintable() or " " in template:
                raise ValueError("not an address that begins with https:// or http://")
            used = [place for _, place, _, _ in Formatter().parse(template) if place is not None]
        except ValueError as error:
            raise UsageError(f'"{name}" in [links] of {where}: {error}') from None
        unknown = next((place for place in used if place not in PLACES), None)
        if unknown is not None:
            known = ", ".join(f"{{{place}}}" for place in PLACES)
            raise UsageError(f'"{name}" in [links] of {where} has a place {{{unknown}}}', next_step=f"known: {known}")
        links[str(name)] = template
    return links
