"""A folder of Neulite's as a SONATA circuit."""

from __future__ import annotations

import json
import logging
import os
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.axon import AXON
from isocortex.cells.fit_file import fit_file
from isocortex.errors import ConfigError, InputError, disk_errors
from isocortex.neulite.morphology import PERISOMATIC, places_of, read_processed, swc_text
from isocortex.neulite.tables import (
    CHANNELS,
    Ions,
    Model,
    read_connections,
    read_ions,
    read_population,
)
from isocortex.sonata.write import write_edges, write_nodes, write_types

logger = logging.getLogger(__name__)

#: What Neulite's files do not tell: reversal potentials of sodium and potassium (mV) and the
#: temperature (degC) are those of all perisomatic models of the Allen Cell Types Database.
ENA, EK, CELSIUS = 53.0, -107.0, 34.0
V_INIT = -80.0  # mV
#: How far from the end of a section, as a share of it, what is at its end is put.
INSIDE = 1e-3
#: Of a folder with a single network the files may be named so; the network then has this name.
SINGLE = "neulite"
CONFIGURATIONS = ("circuit_config.json", "simulation_config.json")
FOLDERS = ("network", "components/morphologies", "components/models", "components/synapses")


def read_neulite(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    tstop: float = 1000.0,
    dt: float = 0.1,
    overwrite: bool = False,
) -> Path:
    """Write the networks of a folder of Neulite's as a SONATA circuit.

    Parameters
    ----------
    folder : with ``<network>_population.csv`` and ``<source>_<target>_connection.csv``, and the SWC
        and ion files that these name.
    output : folder of the circuit, another one.
    tstop, dt : of its simulation, ms.
    overwrite : a circuit that is there already, with its configurations.

    Returns
    -------
    The simulation configuration. It has no inputs and no reports.

    Raises
    ------
    InputError : with the file and line that is not as Neulite's documentation has it.
    ConfigError : a circuit is there already; nothing is written then.
    """
    folder, output = Path(folder), Path(output)
    _require_free(folder, output, overwrite)
    networks = {name: read_population(path) for name, path in _populations(folder).items()}
    tables = {ends: (path, read_connections(path)) for ends, path in _connections(folder, networks)}
    with disk_errors(output, "write the circuit"):
        for name in FOLDERS:
            (output / name).mkdir(parents=True, exist_ok=True)
    places = {path: _write_morphology(path, n, output) for path, n in _files(networks).items()}
    _write_fits(networks, places, output)
    for name, models in networks.items():
        _write_nodes(name, models, tables, output)
    for (source, target), (path, table) in tables.items():
        _write_edges((source, target), table, path, networks, places, output)
    return _write_configurations(networks, list(tables), output, tstop, dt)


def _require_free(folder: Path, output: Path, overwrite: bool) -> None:
    if output.resolve() == folder.resolve():
        raise ConfigError("is the folder that is read", file=output, fix="Choose another folder.")
    there = [name for name in CONFIGURATIONS if (output / name).exists()]
    if there and not overwrite:
        raise ConfigError(
            f"already holds a circuit ({', '.join(there)})", file=output,
            fix="Choose another folder, or --overwrite it.",
        )  # fmt: skip


def _populations(folder: Path) -> dict[str, Path]:
    """The population file of each network."""
    found = {p.name.removesuffix("_population.csv"): p for p in folder.glob("*_population.csv")}
    if (folder / "population.csv").is_file():
        found[SINGLE] = folder / "population.csv"
    if not found:
        raise InputError(
            "has no population.csv or <network>_population.csv", file=folder,
            fix="Give the folder that bionetlite wrote.",
        )  # fmt: skip
    return dict(sorted(found.items()))


def _connections(
    folder: Path, networks: dict[str, list[Model]]
) -> list[tuple[tuple[str, str], Path]]:
    """The connection files, by source and target."""
    names = {f"{a}_{b}_connection.csv": (a, b) for a in networks for b in networks}
    if SINGLE in networks:
        names["connection.csv"] = (SINGLE, SINGLE)
    found = []
    for path in sorted(folder.glob("*connection.csv")):
        if path.name not in names:
            raise InputError(
                f"is of networks without population file: there are {', '.join(networks)}",
                file=path, fix="Name it <source>_<target>_connection.csv.",
            )  # fmt: skip
        found.append((names[path.name], path))
    return found


def _files(networks: dict[str, list[Model]]) -> dict[Path, int]:
    """The SWC files, each with the number of its rows."""
    found: dict[Path, int] = {}
    stems: dict[str, Path] = {}
    for models in networks.values():
        for model in models:
            if found.setdefault(model.swc, model.n_rows) != model.n_rows:
                raise InputError(
                    f"has {found[model.swc]} rows for a model and {model.n_rows} for {model.name}",
                    file=model.swc, field="n_comp", fix="Mend the population file.",
                )  # fmt: skip
            # of the same name, these would be one file of the circuit
            for path, file in ((model.swc, _morphology(model.swc)), (model.ions, _fitted(model))):
                if stems.setdefault(file, path) != path:
                    raise InputError(
                        f"has the name of {stems[file]}", file=path,
                        fix="Give files of other contents other names.",
                    )  # fmt: skip
    return found


def _morphology(path: Path) -> str:
    """The circuit's file of a reconstruction."""
    return f"{path.stem}.swc"


def _fitted(model: Model) -> str:
    """The circuit's file of a model's parameters."""
    return f"{model.ions.stem}.json"


#: Of each row of a file its section and place, and the kinds of section that there are.
Rows = tuple[IntArray, FloatArray, set[int]]


def _write_morphology(path: Path, n_rows: int, output: Path) -> Rows:
    """A reconstruction as SONATA has it, without the stub that BMTK and we put there again."""
    swc, row = read_processed(path, n_rows)
    places, sections = places_of(swc)
    (output / "components/morphologies" / _morphology(path)).write_text(
        swc_text(swc, 1), encoding="utf-8"
    )
    stub = row < 0
    # not at the very ends of sections, where NEURON has nodes without membrane
    section, x = places.section[row], np.clip(places.x[row], INSIDE, 1.0 - INSIDE)
    section[stub], x[stub] = len(sections) - 3 - row[stub], 0.5
    return section, x, {*swc.type.tolist(), AXON}


def _write_fits(networks: dict[str, list[Model]], places: dict[Path, Rows], output: Path) -> None:
    """A fit of each ion file, for the kinds of section of all the cells that share it."""
    kinds: dict[str, set[int]] = {}
    files: dict[str, Path] = {}
    for model in chain.from_iterable(networks.values()):
        kinds.setdefault(_fitted(model), set()).update(places[model.swc][2])
        files[_fitted(model)] = model.ions
    for name, path in files.items():
        text = json.dumps(_fit(path, kinds[name]), indent=2) + "\n"
        (output / "components/models" / name).write_text(text, encoding="utf-8")


def _write_nodes(
    name: str,
    models: list[Model],
    tables: dict[tuple[str, str], tuple[Path, pd.DataFrame]],
    output: Path,
) -> None:
    """Nodes, a type for each line of the population file, and its parameters."""
    numbers = [_number(model.name) for model in models]
    told = len(set(numbers)) == len(numbers) and None not in numbers
    ids = np.array(numbers if told else np.arange(len(models)) + 100, np.int64)
    of_type = np.repeat(np.arange(len(models)), [model.n_cells for model in models])
    rows = []
    for model, type_id in zip(models, ids, strict=True):
        rows.append(
            {"node_type_id": type_id, "model_type": "biophysical",
             "model_template": "ctdb:Biophys1.hoc", "model_processing": PERISOMATIC,
             "morphology": _morphology(model.swc), "dynamics_params": _fitted(model),
             "pop_name": model.name.removesuffix(f"_{type_id}")}
        )  # fmt: skip
    types = pd.DataFrame(rows)
    signs = _signs(name, of_type, tables)
    if signs:
        types["ei"] = [signs.get(k) for k in range(len(models))]
    write_types(output / "network" / f"{name}_node_types.csv", types)
    write_nodes(output / "network" / f"{name}_nodes.h5", name, ids[of_type])


def _number(name: str) -> int | None:
    """The id of the node type that ends the name of a model."""
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else None


def _signs(
    name: str, of_type: IntArray, tables: dict[tuple[str, str], tuple[Path, pd.DataFrame]]
) -> dict[int, str]:
    """Which models send only what is marked e, or only what is marked i."""
    signs: dict[int, set[str]] = {}
    for (source, _), (path, table) in tables.items():
        if source != name:
            continue
        _inside(table["pre"], len(of_type), path, "pre nid")
        pairs = pd.DataFrame({"of": of_type[table["pre"]], "ei": table["ei"]}).drop_duplicates()
        for of, sign in pairs.itertuples(index=False):
            signs.setdefault(of, set()).add(sign)
    return {of: found.pop() for of, found in signs.items() if len(found) == 1}


def _inside(ids: pd.Series, n: int, path: Path, field: str) -> None:
    bad = np.flatnonzero((ids < 0) | (ids >= n))
    if len(bad):
        raise InputError(
            f"connection {bad[0] + 1} has {field} {ids.iloc[bad[0]]}, and there are {n} from 0",
            file=path, field=field, fix="Take all files from one folder of Neulite.",
        )  # fmt: skip


def _fit(path: Path, kinds: set[int]) -> dict:
    """The fit that an ion file was made from, as far as the file tells."""
    ions: Ions = read_ions(path)
    missing = kinds - set(ions)
    if missing:
        raise InputError(
            f"has no line for sections of SWC type {min(missing)}", file=path,
            fix="Write the file again.",
        )  # fmt: skip
    kept = {str(kind): ions[kind] for kind in sorted(kinds)}
    mechanisms = {}
    for name in (*CHANNELS, "CaDynamics"):
        key = "decay" if name == "CaDynamics" else name
        having = {kind: values for kind, values in kept.items() if values[key] != 0.0}
        parameters = {"gbar": {kind: values[key] for kind, values in having.items()}}
        if name == "CaDynamics":
            parameters = {
                parameter: {kind: values[parameter] for kind, values in having.items()}
                for parameter in ("gamma", "decay")
            }
        if having:
            mechanisms[name] = (map(int, having), parameters)
    active = {kind for kind, values in kept.items() if any(values[name] for name in CHANNELS)}
    values = {
        name: {kind: each[column] for kind, each in kept.items()}
        for name, column in (("cm", "Cm"), ("g_pas", "leak"), ("e_pas", "e_pas"))
    }
    values |= {"ena": dict.fromkeys(active, ENA), "ek": dict.fromkeys(active, EK)}
    ra = {kind: each["Ra"] for kind, each in kept.items()}
    return fit_file(values, mechanisms, ra, celsius=CELSIUS, v_init=values["e_pas"]["1"])


def _write_edges(
    ends: tuple[str, str],
    table: pd.DataFrame,
    path: Path,
    networks: dict[str, list[Model]],
    places: dict[Path, Rows],
    output: Path,
) -> None:
    """Edges, one for each synapse, with its place; a type for each kinetics and delay."""
    counts = tuple(sum(model.n_cells for model in networks[name]) for name in ends)
    for column, n, told in (("pre", counts[0], "pre nid"), ("post", counts[1], "post nid")):
        _inside(table[column], n, path, told)
    models = networks[ends[1]]
    of_type = np.repeat(np.arange(len(models)), [model.n_cells for model in models])[table["post"]]
    section, x = np.zeros(len(table), np.int64), np.zeros(len(table))
    for k, model in enumerate(models):
        at = np.flatnonzero(of_type == k)
        rows = table["row"].iloc[at]
        _inside(rows, model.n_rows, path, "post cid")
        section[at], x[at] = (values[rows.to_numpy()] for values in places[model.swc][:2])
    taus = np.sort(table[["tau_rise", "tau_decay"]].to_numpy(), axis=1)
    if (table["tau_rise"] > table["tau_decay"]).any():
        logger.warning(
            "%s: tau_rise is longer than tau_decay: the shorter is taken as that of the rise, which"
            " is the same difference of two exponentials", path,
        )  # fmt: skip
    kinds = np.column_stack([taus, table[["erev", "delay"]].to_numpy()])
    distinct, kind = np.unique(kinds, axis=0, return_inverse=True)
    name, types = "_".join(ends), []
    for k, (rise, decay, erev, delay) in enumerate(distinct.tolist()):
        file = f"{name}_{k}.json"
        (output / "components/synapses" / file).write_text(
            json.dumps({"tau1": rise, "tau2": decay, "erev": erev}) + "\n", encoding="utf-8"
        )
        types.append({"edge_type_id": k, "model_template": "exp2syn", "dynamics_params": file,
                      "delay": delay})  # fmt: skip
    columns = ["edge_type_id", "model_template", "dynamics_params", "delay"]
    write_types(output / "network" / f"{name}_edge_types.csv", pd.DataFrame(types, columns=columns))
    edges = pd.DataFrame(
        {"source_node_id": table["pre"], "target_node_id": table["post"],
         "edge_type_id": kind.reshape(-1), "syn_weight": table["weight"],
         "afferent_section_id": section, "afferent_section_pos": x}
    ).sort_values("target_node_id", kind="stable")  # fmt: skip
    write_edges(output / "network" / f"{name}_edges.h5", *ends, (counts[0], counts[1]), edges)


def _write_configurations(
    networks: dict[str, list[Model]],
    connected: list[tuple[str, str]],
    output: Path,
    tstop: float,
    dt: float,
) -> Path:
    nodes = [
        {"nodes_file": f"network/{name}_nodes.h5",
         "node_types_file": f"network/{name}_node_types.csv"} for name in networks
    ]  # fmt: skip
    edges = [
        {"edges_file": f"network/{a}_{b}_edges.h5",
         "edge_types_file": f"network/{a}_{b}_edge_types.csv"} for a, b in connected
    ]  # fmt: skip
    circuit = {
        "components": {
            "morphologies_dir": "components/morphologies",
            "biophysical_neuron_models_dir": "components/models",
            "synaptic_models_dir": "components/synapses",
        },
        "networks": {"nodes": nodes, "edges": edges},
    }
    simulation = {
        "run": {"tstop": tstop, "dt": dt},
        "conditions": {"celsius": CELSIUS, "v_init": V_INIT},
        "network": CONFIGURATIONS[0],
        "output": {"output_dir": "output"},
    }
    for name, value in zip(CONFIGURATIONS, (circuit, simulation), strict=True):
        with disk_errors(output / name, "write the configuration"):
            (output / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return output / CONFIGURATIONS[1]
