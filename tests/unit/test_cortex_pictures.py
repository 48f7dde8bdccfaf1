"""Pictures and tables of a small cortex show what its files say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from typer.testing import CliRunner

import isocortex
from isocortex import pictures
from isocortex.analysis import brain
from isocortex.analysis.morphology import upright
from isocortex.analysis.palette import on_light
from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.library import load_cell
from isocortex.cli.commands import app
from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.errors import InputError
from isocortex.viewer import scene


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    config = build_cortex(folder, CortexModel.make(Recipe(scale=0.0002)), tstop=200.0)
    return isocortex.run(config, precision="single", threads=1)


@pytest.fixture(scope="module")
def simulation(result):
    return pictures.simulation_of(result)


def test_every_picture_is_drawn(result, simulation):
    names = [path.stem for path in pictures.save_all(result, simulation)]
    assert names == ["raster", "rates", "traces", "morphology", "areas", "views", "cortex"]


@pytest.mark.parametrize("name", ["areas", "views", "cortex"])
def test_pictures_of_a_cortex_have_commands(result, name, tmp_path):
    picture = tmp_path / f"{name}.png"
    said = CliRunner().invoke(app, ["plot", name, str(result.directory), "-o", str(picture)])
    assert said.exit_code == 0, said.output
    assert picture.stat().st_size > 20_000


def test_raster_by_area_puts_each_spike_into_the_band_of_its_area(result, simulation):
    figure = pictures.raster_by_area(result, simulation)
    top = figure.axes[0]
    shown = top.collections[0].get_offsets()
    spikes, table = result.spikes, simulation.circuit.nodes["cortex"].table
    assert len(shown) == len(spikes) > 300
    np.testing.assert_allclose(shown[:, 0], spikes["timestamps"])
    area = table["area"].astype(str).to_numpy()
    bands = [label.get_text() for label in top.get_yticklabels()]
    ends = np.cumsum([(area == name).sum() for name in bands])
    fired = area[spikes["node_ids"]]
    assert (np.array(bands)[np.searchsorted(ends, shown[:, 1], side="right")] == fired).all()


def test_areas_are_told_apart_and_branches_stay_within_the_cortex(result, simulation):
    top = pictures.raster_by_area(result, simulation).axes[0]
    names = [label.get_text() for label in top.get_yticklabels()]
    shades = {n: label.get_color() for n, label in zip(names, top.get_yticklabels(), strict=True)}
    assert len({tuple(np.round(shade, 3)) for shade in shades.values()}) > 40
    module = brain_modules(names)
    assert len(module) == len(set(module))  # each once: areas of a module lie side by side
    for depth in (60.0, 900.0):
        lines = brain._within(load_cell(487664663), depth, 950.0)
        assert lines[..., 1].max() <= depth + 1e-6 and lines[..., 1].min() >= depth - 950.0 - 1e-6


def brain_modules(names):
    """Modules of areas in turn, neighbours of one module counted once."""
    modules = load_atlas().areas["module"][names].tolist()
    return [m for k, m in enumerate(modules) if k == 0 or modules[k - 1] != m]


def test_areas_have_the_colours_that_the_viewer_gives_them():
    for names in (["VISp", "VISl", "MOp"], ["MOs", "VISam", "VISp", "VISal", "VISl"]):
        values, _ = scene._values("area", names)
        shades = {each["name"]: to_rgb(on_light(each["colour"])) for each in values}
        drawn = brain._area_colours(pd.Series(names), load_atlas())
        np.testing.assert_allclose(drawn, [shades[name] for name in names])


def test_views_show_every_soma_within_the_outline(result, simulation):
    figure = pictures.cortex_views(result, simulation)
    table = simulation.circuit.nodes["cortex"].table
    for axes, (across, down) in zip(figure.axes, (("z", "x"), ("x", "y"), ("z", "y")), strict=True):
        shown = max((c.get_offsets() for c in axes.collections), key=len)
        for k, name in enumerate((across, down)):
            np.testing.assert_allclose(np.sort(shown[:, k]), np.sort(table[name] / 1000), rtol=1e-5)


def test_views_of_very_many_neurons_are_images_of_their_somata(result, simulation, monkeypatch):
    monkeypatch.setattr(brain, "MANY", 10)
    axes = pictures.cortex_views(result, simulation).axes[0]
    (picture,) = axes.images
    left, right, bottom, top = picture.get_extent()
    seen = picture.get_array()
    position = simulation.circuit.nodes["cortex"].table[["z", "x"]].to_numpy() / 1000.0
    column = (position[:, 0] - left) / (right - left) * seen.shape[1]
    row = (position[:, 1] - top) / (bottom - top) * seen.shape[0]
    # a position on the edge of two pixels may be in either
    near = [(row + a, column + b) for a in (-0.01, 0.01) for b in (-0.01, 0.01)]
    alpha = [
        seen[r.astype(int).clip(0, seen.shape[0] - 1), c.astype(int).clip(0, seen.shape[1] - 1), 3]
        for r, c in near
    ]
    assert np.max(alpha, axis=0).all()
    assert 0.5 * len(position) < (seen[..., 3] > 0).sum() <= len(position)


def test_the_zoom_draws_a_recorded_neuron_at_its_place(result, simulation):
    figure = pictures.cortex(result, simulation)
    title = figure.get_suptitle()
    node = int(title.split("neuron ")[1].split(" ")[0])
    table = simulation.circuit.nodes["cortex"].table
    assert "VISp" in title and node in simulation.circuit.node_sets["whole"]["node_id"]
    column = figure.axes[2]
    at = np.array([[0.0, -table["depth"].iloc[node]]])
    somata = column.collections[-1].get_offsets()
    assert np.abs(somata - at).sum(axis=1).min() < 1e-3


def test_a_circuit_without_areas_has_no_picture_of_the_cortex(result, simulation):
    from dataclasses import replace

    nodes = simulation.circuit.nodes
    bare = replace(
        nodes["cortex"],
        columns={name: c for name, c in nodes["cortex"].columns.items() if name != "area"},
    )
    other = replace(simulation, circuit=replace(simulation.circuit, nodes=nodes | {"cortex": bare}))
    with pytest.raises(InputError, match="have no area"):
        pictures.cortex_views(result, other)


@pytest.mark.parametrize("name", ["471767045", "485912047"])
def test_apical_dendrites_stand_upright_and_lengths_are_kept(name):
    cell = load_cell(name)
    start, end = upright(cell)
    apical = cell.section_type == SECTION_TYPES["apic"]
    middle = end[apical].mean(axis=0) - start[cell.soma]
    assert middle[0] == pytest.approx(0.0, abs=1e-6) and middle[1] > 50.0
    np.testing.assert_allclose(
        np.linalg.norm(end - start, axis=1), np.linalg.norm(cell.end - cell.start, axis=1)
    )
    assert np.linalg.det([end[5] - start[5], end[50] - start[50], end[90] - start[90]]) == (
        pytest.approx(np.linalg.det([(cell.end - cell.start)[k] for k in (5, 50, 90)]), rel=1e-6)
    )  # not mirrored


def test_rates_are_told_by_area_and_layer(result, simulation, tmp_path):
    file = tmp_path / "rates.csv"
    said = CliRunner().invoke(app, ["rates", str(result.directory), "-o", str(file)])
    assert said.exit_code == 0, said.output
    written = pd.read_csv(file, index_col=0)
    table = simulation.circuit.nodes["cortex"].table
    mine = ((table["area"] == "MOs") & (table["layer"] == "L5")).to_numpy()
    fired = mine[result.spikes["node_ids"]].sum()
    assert fired > 5
    assert written.loc["MOs", "L5"] == pytest.approx(fired / mine.sum() / 0.2, rel=1e-3)
    assert written.loc["all", "all"] == pytest.approx(len(result.spikes) / 1800 / 0.2, rel=1e-3)
    one = CliRunner().invoke(
        app, ["rates", str(result.directory), "--by", "layer", "-o", str(file)]
    )
    assert one.exit_code == 0, one.output
    written = pd.read_csv(file, index_col=0)
    mine = (table["layer"] == "L5").to_numpy()
    spikes = np.bincount(result.spikes["node_ids"], minlength=1800)[mine]
    assert written.loc["L5", "n"] == mine.sum()
    assert written.loc["L5", "mean_hz"] == pytest.approx(spikes.mean() / 0.2, rel=1e-3)
    assert written.loc["L5", "silent_percent"] == pytest.approx(
        100 * (spikes == 0).mean(), rel=1e-3
    )
    arguments = ["rates", str(result.directory), "--by", "layer", "--start", "50", "-o", str(file)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    late = result.spikes["node_ids"][result.spikes["timestamps"] >= 50.0]
    spikes = np.bincount(late, minlength=1800)[mine]
    found = pd.read_csv(file, index_col=0).loc["L5", "mean_hz"]
    assert found == pytest.approx(spikes.mean() / 0.15, rel=1e-3)
    wrong = CliRunner().invoke(app, ["rates", str(result.directory), "--by", "colour"])
    assert isinstance(wrong.exception, InputError) and "no attribute 'colour'" in str(
        wrong.exception
    )
