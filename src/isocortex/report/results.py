"""Result: open a finished output folder and look at it."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from isocortex.circuit.columns import distinct
from isocortex.errors import InputError
from isocortex.report.output import CHECKPOINT, PROVENANCE_FILE
from isocortex.report.summary import Summary, summary_from

if TYPE_CHECKING:
    import pandas as pd
    import xarray


class Result:
    """The output of one simulation.

    Parameters
    ----------
    path : an output folder, or the simulation configuration (JSON) that names it.
    awaited : the run may not have begun: a folder that holds nothing yet is no error.

    Attributes
    ----------
    directory : the output folder.
    provenance : what ``provenance.json`` holds; empty for results of other simulators.
    reports : names of the compartment reports.
    run_summary : what the run that made it did; None where the provenance does not tell.
    """

    def __init__(self, path: str | os.PathLike[str], *, awaited: bool = False) -> None:
        self.directory = _output_dir(Path(path), awaited=awaited)
        file = self.directory / PROVENANCE_FILE
        self.provenance: dict[str, Any] = _provenance(file)
        self.run_summary: Summary | None = summary_from(self.provenance.get("summary"))
        self._spike_files: list[Path] = []
        self._report_files: dict[str, Path] = {}
        self._sampled: dict[str, dict[str, Path]] = {"ecp": {}, "dipole": {}}
        # the run's own files, if it says which: others may be an earlier run's
        names = self.provenance.get("run", {}).get("files")
        files = [self.directory / name for name in names or []]
        there = files or self.directory.glob("*.h5")
        for file in sorted(path for path in there if path.is_file()):
            with _open(file) as hdf5:
                if "spikes" in hdf5:
                    self._spike_files.append(file)
                if "report" in hdf5:
                    self._report_files[file.stem] = file
                for room in self._sampled.keys() & set(hdf5):
                    self._sampled[room][file.stem] = file
        if not self.files and not awaited:
            raise InputError(
                "holds no SONATA spikes or reports",
                file=self.directory,
                fix=(
                    f"Give {self.directory / 'output'}."
                    if (self.directory / "output").is_dir()
                    else "Give the output_dir of a finished simulation."
                ),
            )

    @property
    def reports(self) -> list[str]:
        return list(self._report_files)

    @property
    def potentials(self) -> list[str]:
        """Names of the reports of potentials outside cells."""
        return list(self._sampled["ecp"])

    @property
    def dipoles(self) -> list[str]:
        """Names of the reports of current dipole moments."""
        return list(self._sampled["dipole"])

    @property
    def files(self) -> list[Path]:
        """Every file of spikes or a report."""
        sampled = [file for room in self._sampled.values() for file in room.values()]
        return [*self._spike_files, *self._report_files.values(), *sampled]

    @property
    def spike_files(self) -> list[Path]:
        return list(self._spike_files)

    @property
    def spike_populations(self) -> list[str]:
        """Populations that the spike files know."""
        names: dict[str, None] = {}
        for file in self._spike_files:
            with _open(file) as hdf5:
                names |= dict.fromkeys(hdf5["spikes"])
        return list(names)

    @cached_property
    def spikes(self) -> pd.DataFrame:
        """All spikes: timestamps (ms), node_ids, population."""
        import pandas as pd  # where it is used: it takes long to load

        frames = []
        for file in self._spike_files:
            with _open(file) as hdf5:
                for name, group in hdf5["spikes"].items():
                    times, ids = group["timestamps"], group["node_ids"]
                    n = min(len(times), len(ids))  # they differ while they are being written
                    table = {"timestamps": times[:n], "node_ids": ids[:n], "population": name}
                    frames.append(pd.DataFrame(table))
        columns = {"timestamps": float, "node_ids": np.int64, "population": "str"}
        if not frames:
            return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
        return pd.concat(frames, ignore_index=True).astype({"node_ids": np.int64})

    def report(self, name: str, population: str | None = None) -> xarray.DataArray:
        """A report as an array over ``time`` (ms) and ``element``, read when its values are used.

        The elements carry the coordinates ``node_id``, ``element_id`` (section) and
        ``element_pos`` (0..1 in the section); variable and units are attributes.
        """
        if name not in self._report_files:
            raise InputError(
                f"has no report {name!r}",
                file=self.directory,
                fix=f"There are: {', '.join(self.reports) or 'none'}.",
            )
        from isocortex.report.lazy import open_report

        return open_report(self._report_files[name], population)

    def potential(self, name: str | None = None) -> xarray.DataArray:
        """The potential outside cells, mV, over ``time`` (ms) and ``channel``.

        The channels carry their places ``x``, ``y`` and ``z`` (um) where the file tells them.
        Without a ``name`` it is the first report of this kind.
        """
        from isocortex.report.lazy import open_potential

        return open_potential(self._sampled_file("ecp", name, "extracellular"))

    def dipole(self, name: str | None = None) -> xarray.DataArray:
        """Current dipole moments, nA um, over ``time`` (ms), ``group`` and ``axis`` (x, y, z)."""
        from isocortex.report.lazy import open_dipole

        return open_dipole(self._sampled_file("dipole", name, "current_dipole"))

    def _sampled_file(self, room: str, name: str | None, module: str) -> Path:
        files = self._sampled[room]
        name = name or next(iter(files), "")
        if name not in files:
            raise InputError(
                f"has no report {name!r} of module {module}", file=self.directory,
                fix=f"There are: {', '.join(files) or 'none'}.",
            )  # fmt: skip
        return files[name]

    def report_populations(self, name: str) -> list[str]:
        """Populations of which a report holds neurons."""
        with _open(self._report_files[name]) as hdf5:
            return list(hdf5["report"])

    def voltage(self, node_id: int, population: str | None = None) -> xarray.DataArray:
        """Membrane voltage of one cell over time (mV), at the soma or the first element there is.

        Takes the first report of the variable ``v`` that holds the cell.
        """
        name, holder = _report_of_v(self, node_id, population)
        data = self.report(name, holder)
        elements = np.flatnonzero(data["node_id"].values == node_id)
        soma = elements[data["element_id"].values[elements] == 0]
        return data[:, int(soma[0] if len(soma) else elements[0])]

    @property
    def begin(self) -> float:
        """When the simulated time begins, ms: 0 but for a branch."""
        return float(self.provenance.get("run", {}).get("from", {}).get("time", 0.0))

    @property
    def duration(self) -> float:
        """When the simulated time ends, ms (earlier than asked for if the run was stopped).

        From the provenance, else the reports, else the last spike; of a run that was killed or goes
        on, until when its spikes are there.
        """
        run = self.provenance.get("run", {})
        if "tstop" in run and not self.unfinished:
            return float(run.get("reached", run["tstop"]))
        if self.unfinished and self._spikes_reach:
            return max(self._spikes_reach)
        stops = []
        for file in self._report_files.values():
            with _open(file) as hdf5:
                stops += [float(g["mapping/time"][1]) for g in hdf5["report"].values()]
        last_spike = self.spikes["timestamps"].max() if len(self.spikes) else 0.0
        if self.unfinished:
            return max([float(last_spike), *stops])
        return max(stops) if stops else float(last_spike)

    @cached_property
    def _spikes_reach(self) -> list[float]:
        """Until when (ms) the spike files that tell it hold all spikes."""
        reach = []
        for file in self._spike_files:
            with _open(file) as hdf5:
                if "reached" in hdf5["spikes"].attrs:
                    reach.append(float(hdf5["spikes"].attrs["reached"]))
        return reach

    @property
    def unfinished(self) -> bool:
        """Whether it is of a run of ours that goes on, or was killed."""
        return bool(self.provenance.get("run")) and self.run_summary is None

    @property
    def can_go_on(self) -> bool:
        """Whether there is a checkpoint, from which it can be continued."""
        return (self.directory / CHECKPOINT).exists()

    @property
    def nodes_told(self) -> dict[str, np.ndarray]:
        """Node ids of each population that could spike, as the provenance tells them, ascending."""
        told = self.provenance.get("run", {}).get("populations", {})
        return {
            name: np.concatenate([np.zeros(0, np.int64), *(np.arange(*ends) for ends in ranges)])
            for name, ranges in told.items()
        }

    @cached_property
    def nodes(self) -> dict[str, np.ndarray]:
        """Node ids of each population, silent cells included as far as the output knows them."""
        told = self.nodes_told
        found: dict[str, list[np.ndarray]] = {name: [] for name in told}
        for file in self._report_files.values():
            with _open(file) as hdf5:
                for name, group in hdf5["report"].items():
                    found.setdefault(name, []).append(group["mapping/node_ids"][:])
        for name, ids in self.spikes.groupby("population")["node_ids"]:
            found.setdefault(str(name), []).append(ids.to_numpy())
        return {name: _distinct(told.get(name), parts) for name, parts in found.items()}

    def rates(self) -> pd.DataFrame:
        """Firing rate of every cell: population, node_id, spikes, rate_hz."""
        import pandas as pd

        spikes = dict(iter(self.spikes.groupby("population")["node_ids"]))
        parts = []
        for name, nodes in self.nodes.items():
            ids = spikes[name].to_numpy() if name in spikes else np.zeros(0, np.int64)
            counts = np.bincount(np.searchsorted(nodes, ids), minlength=len(nodes))
            parts.append(pd.DataFrame({"population": name, "node_id": nodes, "spikes": counts}))
        columns = ["population", "node_id", "spikes"]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
        seconds = (self.duration - self.begin) / 1000.0
        return table.assign(rate_hz=table["spikes"] / seconds if seconds > 0 else np.nan)

    @property
    def summary(self) -> str:
        """A few lines: populations with their rates, reports, and who computed it."""
        return "\n".join(_told(self))

    def __repr__(self) -> str:
        reports = ", ".join(self.reports) or "none"
        return f"Result({str(self.directory)!r}: {len(self.spikes)} spikes, reports: {reports})"


def _distinct(told: np.ndarray | None, parts: list[np.ndarray]) -> np.ndarray:
    """All ids there are, ascending: those told, which are many and ascend, and those in parts."""
    ids = distinct(np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64))
    if told is None or len(told) == 0:
        return ids
    at = np.minimum(np.searchsorted(told, ids), len(told) - 1)
    new = ids[told[at] != ids]
    return np.sort(np.concatenate([told, new])) if len(new) else told


def _report_of_v(result: Result, node_id: int, population: str | None) -> tuple[str, str]:
    """The first report of ``v``, and its population, that hold a cell."""
    for name, file in result._report_files.items():
        with _open(file) as hdf5:
            for key, group in hdf5["report"].items():
                if (
                    population in (None, key)
                    and group["data"].attrs.get("variable") == "v"
                    and node_id in group["mapping/node_ids"][:]
                ):
                    return name, key
    raise InputError(
        f"no report of v holds node {node_id}" + (f" of {population}" if population else ""),
        file=result.directory,
        fix="Add a membrane_report of v for this cell to the configuration.",
    )


def _told(result: Result) -> list[str]:
    """Lines of a summary."""
    lines = [f"{result.directory}: {result.duration:g} ms, {len(result.spikes)} spikes"]
    for name, group in result.rates().groupby("population"):
        lines.append(
            f"  {name}: {len(group)} cells, {group['spikes'].sum()} spikes, "
            f"mean {group['rate_hz'].mean():.2f} Hz, {(group['spikes'] == 0).sum()} silent"
        )
    for name, file in result._report_files.items():
        with _open(file) as hdf5:
            for population, group in hdf5["report"].items():
                data = group["data"]
                variable = data.attrs.get("variable", "?")
                lines.append(
                    f"  report {name}: {variable} of {data.shape[1]} elements of "
                    f"{population}, {data.shape[0]} samples"
                )
    for name in result.dipoles:
        n_samples, n_groups, _ = result.dipole(name).shape
        lines.append(f"  dipole moments {name}: {n_groups} groups, {n_samples} samples")
    for name in result.potentials:
        n_samples, n_channels = result.potential(name).shape
        lines.append(f"  potential {name}: {n_channels} channels, {n_samples} samples")
    if result.unfinished:
        lines.append("  the run was killed, or goes on: this is what it has written")
    if result.provenance:
        lines.append(f"  computed by {result.provenance['simulator']}")
    return lines


def _open(file: Path) -> h5py.File:
    try:
        return h5py.File(file, "r", locking=False)  # it may belong to a run that goes on
    except OSError as error:
        mends = (file.parent / CHECKPOINT).exists()  # of a run that was killed as it wrote
        fix = f"If its run was killed: isocortex continue {file.parent}" if mends else None
        raise InputError(f"cannot be read as HDF5 ({error})", file=file, fix=fix) from error


def _output_dir(path: Path, *, awaited: bool = False) -> Path:
    """The folder itself, or the one that a SONATA simulation configuration writes to."""
    if path.is_dir():
        config = path / "simulation_config.json"
        if (path / PROVENANCE_FILE).exists() or not config.is_file():
            return path
        path = config  # a circuit's folder: its spikes.h5 may be what the run is given
    if not path.exists():
        raise InputError(
            "does not exist", file=path, fix="Give a run's output folder or its configuration."
        )
    if path.suffix in (".h5", ".nwb"):
        raise InputError(
            "is one file of results", file=path, fix=f"Give its folder, {path.parent}."
        )
    from isocortex.sonata.config import load_output_dir

    folder = load_output_dir(path)
    if not folder.is_dir() and not awaited:
        raise InputError("does not exist", file=folder, fix="Run the simulation first.")
    return folder


def _provenance(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"not valid JSON ({error})", file=file, fix="Delete it.") from error
    return facts if isinstance(facts, dict) else {}
