"""What a circuit was built from, as its configuration keeps it beside the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isocortex.cortex.recipe import OF_WEIGHTS, TABLES, Recipe
from isocortex.errors import ConfigError, located


@dataclass(frozen=True)
class Made:
    """What a circuit was built from.

    Attributes
    ----------
    version : of the package.
    digests : of the model, see :func:`isocortex.cortex.digest.digests`.
    recipe : whose model that was.
    """

    version: str
    digests: dict[str, str]
    recipe: Recipe

    @classmethod
    def read(cls, values: Any, recipe: Recipe, file: Path) -> Made | None:
        """From ``cortex.made``, beside the recipe as it is now; None if there is nothing.

        Raises
        ------
        ConfigError : it is no such thing, or the recipe was edited in what makes neurons or
            connections.
        """
        if values is None:
            return None
        if not isinstance(values, dict):
            raise _not_ours("cortex.made", file)
        told = {name: value for name, value in values.items() if name != "recipe"}
        before = values.get("recipe")
        for name, value in told.items():
            if not isinstance(value, str):
                raise _not_ours(f"cortex.made.{name}", file)
        if before is None:  # earlier versions did not keep it
            return cls(told.pop("version", ""), told, recipe)
        if not isinstance(before, dict):
            raise _not_ours("cortex.made.recipe", file)
        with located(file, "cortex.made.recipe"):
            made = cls(told.pop("version", ""), told, Recipe.read(before, None))
        made.check_edits(recipe, file)
        return made

    def check_edits(self, recipe: Recipe, file: Path) -> None:
        """Refuse a recipe that was edited in what makes neurons or connections.

        Tables are left to the digests: what is in them counts, not where they are.

        Raises
        ------
        ConfigError : with the key that was edited.
        """
        for key in recipe.changed(self.recipe):
            if key not in (*OF_WEIGHTS, *TABLES):
                raise ConfigError(
                    f"the circuit was built with {getattr(self.recipe, key)!r}, not "
                    f"{getattr(recipe, key)!r}: other neurons or connections follow from it",
                    file=file, field=f"cortex.{key}",
                    fix="Set it back, or build the circuit again with `isocortex build cortex`.",
                )  # fmt: skip


def _not_ours(field: str, file: Path) -> ConfigError:
    return ConfigError(
        "is not what `isocortex build cortex` writes", file=file, field=field,
        fix="Restore it, or build the circuit again.",
    )  # fmt: skip
