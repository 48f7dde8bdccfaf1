"""A simulation configuration as scripts hold it."""

from __future__ import annotations

import copy
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.errors import ConfigError
from isocortex.sonata.config import CELSIUS, V_INIT, load_output_dir
from isocortex.sonata.manifest import load_config

StrPath = str | os.PathLike[str]


class Config(dict[str, Any]):
    """The sections of a configuration, with its variables replaced; a dictionary.

    What is changed in it is what runs, and so is what variables of a script stand for: then it is
    written beside the file that it is from.
    """

    def __init__(
        self, path: Path, sections: Mapping[str, Any], folders: set[Path], said: Mapping[str, Any]
    ) -> None:
        super().__init__(sections)
        self.path, self._folders, self._said = path, folders, copy.deepcopy(dict(said))

    @classmethod
    def from_json(cls, config_file: StrPath, validator: Any = None, **variables: Any) -> Config:
        """Read a file, and those that it names. It is checked when a simulator is made of it.

        Parameters
        ----------
        variables : what ``$NAME`` or ``${NAME}`` stands for in it, before what the manifest says.
        """
        path = Path(config_file).absolute()
        variables.pop("validate", None)
        config = load_config(path, given=variables)
        sections = {name: value for name, (value, _) in config.items()}
        said = {} if variables else sections
        return cls(path, sections, {file.parent for _, file in config.values()}, said)

    @classmethod
    def from_dict(
        cls, config_dict: Mapping[str, Any], validator: Any = None, **variables: Any
    ) -> Config:
        """A configuration made in a script: written to ``config.from_dict.json`` in the working
        folder, which its paths are relative to, so that the run can be repeated.
        """
        path = Path.cwd() / "config.from_dict.json"
        _write(path, config_dict)
        return cls.from_json(path, **variables)

    @classmethod
    def load(
        cls, config_file: StrPath | Mapping[str, Any], validator: Any = None, **variables: Any
    ) -> Config:
        read = cls.from_dict if isinstance(config_file, Mapping) else cls.from_json
        return read(config_file, validator, **variables)  # type: ignore[arg-type]

    def file(self) -> Path:
        """A file that says what this says.

        Raises
        ------
        ConfigError : sections of files in several folders were changed.
        """
        if dict(self) == self._said:
            return self.path
        if len(self._folders) > 1:
            raise ConfigError(
                "was changed, or has variables of a script, and is from files of several folders",
                file=self.path, fix="Change the files, or put them into one folder.",
            )  # fmt: skip
        changed = next(iter(self._folders)) / f"{self.path.stem}.changed.json"
        _write(changed, self)
        return changed

    def validate(self) -> bool:
        """It is checked, and what is wrong is said, when a simulator is made of it."""
        return True

    def build_env(self, force: bool = False) -> None:
        """Make the output folder."""
        Path(self.output_dir).mkdir(parents=True, exist_ok=True)

    create_output_dir = build_env

    def load_nrn_modules(self) -> None:
        """Channels and synapses are the package's own: nothing is to be loaded."""

    @property
    def run(self) -> dict[str, Any]:
        return self.get("run") or {}

    @property
    def tstart(self) -> float:
        return float(self.run.get("tstart", 0.0))

    @property
    def tstop(self) -> float:
        """ms."""
        return float(self.run.get("tstop", self.run.get("duration", 0.0)))

    @property
    def dt(self) -> float:
        """ms."""
        return float(self.run.get("dt", 0.1))

    @property
    def block_step(self) -> int:
        """Steps between two calls of a module's ``block``."""
        return int(self.run.get("nsteps_block") or 5000)

    @property
    def conditions(self) -> dict[str, Any]:
        return self.get("conditions") or {}

    @property
    def celsius(self) -> float:
        return float(self.conditions.get("celsius", CELSIUS))

    @property
    def v_init(self) -> float:
        """mV."""
        return float(self.conditions.get("v_init", V_INIT))

    @property
    def output(self) -> dict[str, Any]:
        return self.get("output") or {}

    @property
    def output_dir(self) -> str:
        return str(load_output_dir(self.file()))

    @property
    def spikes_file(self) -> str:
        return str(Path(self.output_dir) / Path(self.output.get("spikes_file", "spikes.h5")).name)

    @property
    def inputs(self) -> dict[str, Any]:
        return self.get("inputs") or {}

    @property
    def reports(self) -> dict[str, Any]:
        return self.get("reports") or {}

    @property
    def components(self) -> dict[str, Any]:
        return self.get("components") or {}

    @property
    def nodes(self) -> list[dict[str, Any]]:
        return list(self.get("networks", {}).get("nodes") or [])

    @property
    def edges(self) -> list[dict[str, Any]]:
        return list(self.get("networks", {}).get("edges") or [])


def _write(path: Path, sections: Mapping[str, Any]) -> None:
    """Write a file at once: every rank of a run writes it, and others read it meanwhile."""
    own = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    own.write_text(json.dumps(dict(sections), indent=2, default=_plain))
    own.replace(path)


def _plain(value: Any) -> Any:
    """What JSON has for the numbers of NumPy, and the paths, that a script has put in."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else os.fspath(value)
