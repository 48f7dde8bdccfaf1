"""Which population of a file is meant."""

from __future__ import annotations

from isocortex.errors import ConfigError


def only(name: str | None, there: list[str]) -> str:
    """The population that is asked for, or the only one."""
    if name is None and len(there) == 1:
        return there[0]
    if name not in there:
        raise ConfigError(
            "several populations" if name is None and there else f"there is no population {name}",
            field="population", fix=f"There are {', '.join(there) or 'none'}.",
        )  # fmt: skip
    assert name is not None
    return name
