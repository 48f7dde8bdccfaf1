"""A cortex is the same circuit in memory and in files, and no other than the one that was built."""

import json
import shutil
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import isocortex
from isocortex.cells.library import load_cell
from isocortex.cortex.build import build_cortex
from isocortex.cortex.circuit import simulation_of
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError
from isocortex.network.build import build_network
from isocortex.report import origin
from isocortex.sonata.config import load_simulation
from isocortex.sonata.write import write_nodes


def wiring_folder(folder: Path) -> Path:
    """A copy of the embedded local wiring, to be edited."""
    folder.mkdir()
    for source in (files("isocortex") / "cortex" / "data").iterdir():
        if source.name.startswith("wiring_"):
            shutil.copy(str(source), folder)
    return folder


@pytest.fixture
def built(tmp_path):
    """A circuit with wiring tables of its own: the folder of these, and the configuration."""
    tables = wiring_folder(tmp_path / "tables")
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3, wiring=str(tables)))
    return tables, build_cortex(tmp_path / "cortex", cortex, tstop=10.0)


def edit(file: Path, change) -> None:
    table = pd.read_csv(file, dtype=str)
    change(table)
    table.to_csv(file, index=False)


@pytest.mark.parametrize("dL", [20.0, 40.0])
def test_in_memory_and_in_files_it_makes_the_same_network(tmp_path, dL):
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3, dL=dL))
    read = build_network(load_simulation(build_cortex(tmp_path, cortex, tstop=10.0)))
    made = build_network(simulation_of(cortex, tstop=10.0))
    for part in ("connections", "slots", "poisson"):
        one, other = getattr(read, part), getattr(made, part)
        for item in fields(one):
            np.testing.assert_array_equal(getattr(one, item.name), getattr(other, item.name))
    np.testing.assert_array_equal(read.cell_model, made.cell_model)
    assert read.models == made.models == [load_cell(m.name, dL) for m in made.models]
    assert read.kinetics == made.kinetics


def test_an_unchanged_circuit_is_accepted(built):
    assert build_network(load_simulation(built[1])).n_cells > 0


def test_other_shares_of_cell_models_are_refused_by_name(built):
    tables, config = built

    def reverse(table):
        """Give every class its models in the other order."""
        table["model"] = table.groupby(["layer", "class"])["model"].transform(
            lambda x: x[::-1].values
        )

    edit(tables / "wiring_models.csv", reverse)
    with pytest.raises(InputError, match="cell models.*would come out differently.*tables"):
        build_network(load_simulation(config))


def test_other_weights_are_refused_by_name(built):
    tables, config = built

    def double(table):
        table["e4"] = pd.to_numeric(table["e4"]) * 2

    edit(tables / "wiring_weights.csv", double)
    with pytest.raises(InputError, match="its kinetics and weights would come out differently"):
        build_network(load_simulation(config))


def change_recipe(config, **values):
    file = config.parent / "circuit_config.json"
    content = json.loads(file.read_text())
    content["cortex"] |= values
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("key", ["excitation", "inhibition"])
def test_what_changes_weights_alone_may_be_edited(built, key):
    """It was refused, and the package blamed, while the documentation says that one may."""
    _, config = built
    before = build_network(load_simulation(config))
    change_recipe(config, **{key: 0.25})
    after = build_network(load_simulation(config))
    np.testing.assert_array_equal(before.connections.target, after.connections.target)
    np.testing.assert_array_equal(before.connections.delay, after.connections.delay)
    changed = before.connections.weight != after.connections.weight
    assert 0 < changed.sum() < len(changed)


def test_tables_are_checked_where_weights_were_edited_too(built):
    tables, config = built
    change_recipe(config, inhibition=0.25)

    def double(table):
        table["e4"] = pd.to_numeric(table["e4"]) * 2

    edit(tables / "wiring_weights.csv", double)
    with pytest.raises(InputError, match="its kinetics and weights .*tables was changed"):
        build_network(load_simulation(config))


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", 4), ("scale", 0.5), ("long_delay", 2.0), ("density", "rodarie"), ("dL", 40.0)],
)
def test_what_changes_neurons_or_connections_is_refused_by_its_name(built, key, value):
    change_recipe(built[1], **{key: value})
    with pytest.raises(ConfigError, match=rf"cortex\.{key}: the circuit was built with .*{value}"):
        load_simulation(built[1])


@pytest.mark.parametrize("dL", [40.0, 30.0])
def test_cells_divided_otherwise_than_their_connections_were_placed_are_refused(built, dL):
    """Synapses would sit on compartments of other numbers, or on none."""
    _, config = built
    content = json.loads(config.read_text())
    assert content["run"]["dL"] == 20.0
    content["run"]["dL"] = dL
    config.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"divided for dL 20 um, not .*Set it to 20") as error:
        build_network(load_simulation(config))
    assert (error.value.file, error.value.field) == (config, "run.dL")


def test_stored_edges_end_where_they_did_however_cells_are_divided(tmp_path):
    """Edge files give sections and positions: any dL will do, as for other circuits."""
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3))
    config = build_cortex(tmp_path, cortex, tstop=10.0, materialize=True)
    content = json.loads(config.read_text())
    content["run"]["dL"] = 40.0
    config.write_text(json.dumps(content))
    network = build_network(load_simulation(config))
    assert network.models == [load_cell(m.name, 40.0) for m in network.models]


def test_tables_that_moved_are_the_same_tables(built):
    tables, config = built
    moved = tables.rename(tables.with_name("moved"))
    change_recipe(config, wiring=str(moved))
    assert build_network(load_simulation(config)).n_cells > 0


@pytest.mark.parametrize(
    "made", [["x"], "x", {"neurons": 3}, {"recipe": "x"}, {"recipe": {"seed": "x"}}]
)
def test_what_the_circuit_was_made_of_has_its_type(built, made):
    change_recipe(built[1], made=made)
    with pytest.raises(ConfigError, match=r"cortex\.made"):
        load_simulation(built[1])


def test_another_version_of_the_package_is_named(built):
    _, config = built
    file = config.parent / "circuit_config.json"
    content = json.loads(file.read_text())
    content["cortex"]["made"] |= {"version": "0.0.1", "neurons": "0" * 16}
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="its neurons .*isocortex 0.0.1 made it, this is"):
        build_network(load_simulation(config))


def test_an_edited_file_of_kinetics_that_no_run_reads_is_refused(built):
    _, config = built
    file = sorted((config.parent / "synaptic_models").iterdir())[0]
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"tau2": 30.0}))
    with pytest.raises(
        InputError, match=r"tau2: has tau2 30.0, but .* come from its tables"
    ) as error:
        build_network(load_simulation(config))
    assert error.value.file == file
    file.write_text(json.dumps(content | {"level_of_detail": "stp2syn"}))
    with pytest.raises(
        InputError, match=r"has .* 'stp2syn', but .* tables, which have .* 'exp2syn'"
    ):
        build_network(load_simulation(config))
    file.write_text(json.dumps(content | {"tau2": None}))
    with pytest.raises(InputError, match=r"has tau2 None, but .* tables, which have tau2 \d"):
        build_network(load_simulation(config))
    file.write_text(json.dumps(content | {"p0": 0.5}))
    with pytest.raises(InputError, match=r"has p0 0.5, but .* tables, which have no p0"):
        build_network(load_simulation(config))
    file.write_text(json.dumps(content))
    build_network(load_simulation(config))


def test_neurons_of_another_cell_model_than_their_synapses_are_refused(built):
    """Circuits of before, which have no digests, are compared neuron by neuron all the same."""
    _, config = built
    file = config.parent / "circuit_config.json"
    content = json.loads(file.read_text())
    del content["cortex"]["made"]
    file.write_text(json.dumps(content))
    build_network(load_simulation(config))
    types = config.parent / "network" / "cortex_node_types.csv"
    table = pd.read_csv(types, sep=" ")
    table["model_template"] = table["model_template"].to_numpy()[::-1]
    table.to_csv(types, sep=" ", index=False)
    with pytest.raises(InputError, match="another cell model than their connections"):
        build_network(load_simulation(config))


def test_the_background_may_be_another_table_and_its_table_may_move(tmp_path):
    table = tmp_path / "drive.csv"
    shutil.copy(str(files("isocortex") / "cortex" / "data" / "drive.csv"), table)
    cortex = CortexModel.make(Recipe(scale=0.0001, seed=3, drive=str(table)))
    config = build_cortex(tmp_path / "cortex", cortex, tstop=10.0)
    before = build_network(load_simulation(config)).connections
    moved = table.rename(tmp_path / "moved.csv")
    change_recipe(config, drive=str(moved))
    after = build_network(load_simulation(config)).connections
    np.testing.assert_array_equal(before.weight, after.weight)
    edit(moved, lambda rows: rows.update({"nS": (pd.to_numeric(rows["nS"]) / 2).astype(str)}))
    halved = build_network(load_simulation(config)).connections
    changed = halved.weight != before.weight
    np.testing.assert_allclose(halved.weight[changed], before.weight[changed] / 2, rtol=1e-6)
    background = np.arange(len(before.weight)) >= before.first[len(cortex)]
    np.testing.assert_array_equal(changed, background)


def test_a_table_of_the_background_that_was_changed_in_its_place_is_refused(tmp_path):
    table = tmp_path / "drive.csv"
    shutil.copy(str(files("isocortex") / "cortex" / "data" / "drive.csv"), table)
    recipe = Recipe(scale=0.0001, seed=3, drive=str(table))
    config = build_cortex(tmp_path / "cortex", CortexModel.make(recipe), tstop=10.0)
    edit(table, lambda rows: rows.update({"nS": ["0.1"] * len(rows)}))
    with pytest.raises(InputError, match="its background would come out differently .*drive.csv"):
        build_network(load_simulation(config))


def test_a_background_of_other_axons_is_refused(built):
    _, config = built
    nodes = config.parent / "network" / "background_nodes.h5"
    places = {name: np.full(17, b"here") for name in ("hemisphere", "area")}
    write_nodes(nodes, "background", np.zeros(17, np.int64), places)
    with pytest.raises(InputError, match=r"draws from 34,486 axons, the circuit has 17") as error:
        build_network(load_simulation(config))
    assert error.value.file == nodes and error.value.fix


def test_a_result_has_inputs_for_as_long_as_it_was_run(tmp_path):
    """Of a run longer than its configuration says the background was not seen to the end."""
    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.00005, seed=3)), tstop=5.0)
    result = isocortex.run(config, tstop=9.0)
    simulation = origin.simulation_of(result)
    assert simulation.tstop == 9.0
    assert max(np.max(given.stop) for given in simulation.inputs) == 9.0
