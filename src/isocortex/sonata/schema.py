"""Checking sections of a configuration: every key known, every value of its type."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isocortex.errors import ConfigError

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of a configuration. Unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


Model = TypeVar("Model", bound=Section)

#: Keys of BMTK or SONATA that change the results and have no counterpart here.
NOT_YET = {
    "backward", "spikes_file_nwb", "transform", "populations", "file_name_nwb",
    "stimulus_override", "is_gap_junction", "save_state", "start_from_state",
}  # fmt: skip
#: Comments are allowed in every section.
COMMENTS = ("_comment", "comment")


def validated(model: type[Model], values: dict[str, Any], file: Path | None, field: str) -> Model:
    """``values`` as ``model``; the first thing wrong is a ConfigError of ``file: field.key``."""
    # what BMTK can do and is told not to do changes nothing
    asked = {k: v for k, v in values.items() if not (k in NOT_YET and v is False)}
    try:
        return model(**{k: v for k, v in asked.items() if k not in COMMENTS})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise unknown_key(key, model.model_fields, file, field) from error
        message = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] != "missing":
            message += f", found {first['input']!r}"[:120]
        raise ConfigError(
            message, file=file, field=f"{field}.{key}",
            fix=_remedy(first["type"], first["input"]),
        ) from error  # fmt: skip


def _remedy(kind: str, found: Any) -> str:
    """What to do about a value that pydantic refuses."""
    if kind == "missing":
        return "Add it."
    if isinstance(found, str) and kind in ("float_type", "int_type", "bool_type"):
        try:
            plain = json.loads(found)
        except ValueError:
            return "Give a number." if kind != "bool_type" else "Give true or false."
        return f"Without the quotes: {json.dumps(plain)}."
    return "Mend the value."


def unknown_key(key: str, known: Iterable[str], file: Path | None, field: str) -> ConfigError:
    """The error for a key that nothing here would obey."""
    where = f"{field}.{key}" if field else key
    if key in NOT_YET:
        return ConfigError("not supported yet", file=file, field=where, fix="Remove it.")
    known = sorted(known)
    close = difflib.get_close_matches(key, known, 1)
    fix = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
    return ConfigError("unknown key", file=file, field=where, fix=fix)
