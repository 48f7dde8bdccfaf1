"""The census counts what is drawn, and what is drawn is what the tables say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import isocortex
from isocortex.cli.commands import app
from isocortex.cortex.build import build_cortex
from isocortex.cortex.census import _sample, _standard_error, take_census
from isocortex.cortex.cost import cost_of
from isocortex.cortex.counts import CLASSES, class_of
from isocortex.cortex.drive import TOLERANCE, load_drive, target_of
from isocortex.cortex.expected import local_synapses, long_synapses
from isocortex.cortex.export import export_tables
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.cortex.thinning import Thinning
from isocortex.cortex.wiring import load_wiring
from isocortex.errors import ConfigError, InputError
from isocortex.pictures import simulation_of

#: Standard deviations beyond which a number is wrong; seeds are fixed.
SIGMAS = 4.0


@pytest.fixture(scope="module")
def cortex():
    return CortexModel.make(Recipe(scale=0.0005))


@pytest.fixture(scope="module")
def whole(cortex):
    return take_census(cortex, sources_per_area=1_000_000)


def test_a_census_of_all_neurons_counts_every_synapse(cortex, whole):
    source, target, delay = (
        np.concatenate(x)
        for x in zip(*((s.source, s.target, s.delay) for s in cortex.synapses(range(len(cortex)))),
                     strict=True)
    )  # fmt: skip
    assert whole.total == len(source) and whole.error == 0.0
    assert whole.n_sampled == len(cortex)
    side = (cortex.neurons.column >= cortex.layout.columns.n_side).astype(int)
    patch = side * 43 + cortex.neurons.area
    matrix = np.zeros((86, 86))
    np.add.at(matrix, (patch[source], patch[target]), 1)
    np.testing.assert_array_equal(whole.sampled, matrix)
    for row in whole.degrees.to_dict("records"):
        mine = np.array([class_of(g) == (row["layer"], row["class"]) for g in range(54)])
        mine = mine[cortex.group]
        assert row["neurons"] == mine.sum()
        assert row["makes"] * mine.sum() == pytest.approx(mine[source].sum())
        assert row["receives"] * mine.sum() == pytest.approx(mine[target].sum())
    local = patch[source] == patch[target]
    shares = whole.delays.set_index("delay")
    assert shares.to_numpy().sum() == pytest.approx(1.0)
    for name, chosen in (("local", local), ("long_range", ~local)):
        ms, counts = np.unique(delay[chosen], return_counts=True)
        found = shares[name][shares[name] > 0]
        np.testing.assert_allclose(found.index, 0.1 * ms, atol=1e-6)
        np.testing.assert_allclose(found.to_numpy() * whole.total, counts)


def test_expected_numbers_add_up(cortex, whole):
    wanted = cortex.recipe.expected_synapses
    assert whole.expected.sum() == pytest.approx(wanted)
    out = (whole.degrees["makes_expected"] * whole.degrees["neurons"]).sum()
    into = (whole.degrees["receives_expected"] * whole.degrees["neurons"]).sum()
    # classes too rare to exist at this scale are expected to have a few all the same
    assert out == pytest.approx(wanted, rel=2e-3)
    assert into == pytest.approx(wanted, rel=2e-3)


def test_neurons_of_the_census_are_those_of_the_model(cortex, whole):
    assert whole.neurons["neurons"].sum() == len(cortex)
    areas = cortex.atlas.areas.index
    for row in whole.neurons.sample(20, random_state=1).to_dict("records"):
        there = cortex.neurons.area == areas.get_loc(row["area"])
        there &= np.array([class_of(g) == (row["layer"], row["class"]) for g in range(54)])[
            cortex.group
        ]
        assert there.sum() == row["neurons"]


def test_a_sample_of_sources_gives_the_whole_within_its_error():
    cortex = CortexModel.make(Recipe(scale=0.002, seed=3))
    whole = take_census(cortex, sources_per_area=1_000_000)
    some = take_census(cortex, sources_per_area=30)
    assert some.n_sampled < 0.2 * whole.n_sampled
    assert 0.0 < some.error < 0.02 * whole.total
    assert abs(some.total - whole.total) < SIGMAS * some.error
    assert some.degrees["neurons"].sum() == whole.degrees["neurons"].sum()


def test_synapses_between_areas_are_poisson_about_their_expectation():
    """Chi-square of all pairs of areas, given how many neurons of each class the areas have.

    Connections have several synapses: their number varies more than a Poisson number, by the mean
    square over the mean of what a connection has.
    """
    cortex = CortexModel.make(Recipe(scale=0.004, seed=5))
    census = take_census(cortex, sources_per_area=1_000_000)
    projections = cortex.axons.projections
    kind = projections.kind[cortex.group]
    sources = np.zeros((len(projections.connections), 43))
    left = cortex.neurons.column < cortex.layout.columns.n_side
    np.add.at(sources, (kind[left & (kind >= 0)], cortex.neurons.area[left & (kind >= 0)]), 1)
    likely = np.diff(Thinning.of((3, 7), cortex.recipe.kept).number)
    each = np.arange(1, len(likely) + 1)
    mean, square = (each * likely).sum(), (each**2 * likely).sum()
    expected = mean * np.einsum("ka,kab->ab", sources, projections.connections)
    found = census.sampled[:43]
    far = expected > 100.0
    assert far.sum() > 1500
    z = (found[far] - expected[far]) / np.sqrt(square / mean * expected[far])
    n = len(z)
    assert abs((z**2).sum() - n) < SIGMAS * np.sqrt(2 * n)
    assert abs(z.mean()) < SIGMAS / np.sqrt(n)
    assert census.correlation > 0.99


def test_the_share_of_local_synapses_can_be_chosen():
    cortex = CortexModel.make(Recipe(scale=0.002, local=0.6))
    assert 2 * local_synapses(cortex).sum() == pytest.approx(0.6 * 26e9)
    assert 2 * long_synapses(cortex).sum() == pytest.approx(0.4 * 26e9)
    census = take_census(cortex)
    assert census.delays["local"].sum() == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(("scale", "stored_mb", "drawn_mb"), [(0.001, 634, 475), (0.01, 2838, 740)])
def test_costs_are_those_measured(scale, stored_mb, drawn_mb):
    """On two threads; the times before the background was shared
    (benchmarks/results/2026-11-25-cortex.md), memory with kernels that were compiled before.
    """
    cortex = CortexModel.make(Recipe(scale=scale))
    census = take_census(cortex, sources_per_area=20)
    cost = cost_of(cortex, census, "single")
    assert 1000 * cost.stored_gb == pytest.approx(stored_mb, rel=0.15)
    assert 1000 * cost.drawn_gb == pytest.approx(drawn_mb, rel=0.15)
    if scale == 0.01:
        for precision, measured in (("double", 1019), ("mixed", 633)):
            gb = cost_of(cortex, census, precision).drawn_gb
            assert 1000 * gb == pytest.approx(measured, rel=0.15)
    for precision, measured in (("double", 16.95), ("single", 8.9)):
        seconds = cost_of(cortex, census, precision).stored_seconds / 2
        assert seconds == pytest.approx(measured * scale / 0.001, rel=0.15)


def test_every_class_has_a_target_and_the_measured_ones_are_the_published():
    """Medians of spontaneous rates, Hz (Allen Institute, Neuropixels, table 1.4)."""
    published = {
        ("2/3", "IT"): 0.81, ("4", "IT"): 1.85, ("5", "IT"): 2.95, ("5", "ET"): 2.95,
        ("6a", "CT"): 2.18, ("2/3", "Pvalb"): 5.41, ("4", "Pvalb"): 6.49, ("5", "Pvalb"): 8.17,
        ("6a", "Pvalb"): 11.70, ("2/3", "Sst"): 3.82, ("4", "Sst"): 3.82, ("5", "Sst"): 3.92,
        ("6a", "Sst"): 10.28, ("1", "Inh"): 2.21,
    }  # fmt: skip
    for kind, rate in published.items():
        assert target_of(*kind) == rate
    vip = {5: 14.74, 3: 3.14}, {5: 11.57, 3: 6.73}  # units: median, layers 2/3, 4, 5 and 6
    pooled = sum(n * hz for part in vip for n, hz in part.items()) / 16
    assert target_of("5", "Vip") == pytest.approx(pooled, abs=0.01)
    for layer, name in load_wiring().groups:
        assert target_of(layer, name) > 0
    assert TOLERANCE == (0.5, 2.0) and len(CLASSES) == 9


# --- tables of one's own, and the command ---------------------------------------------------------


def test_the_command_writes_the_census_and_uses_a_connectome_of_ones_own(tmp_path, cortex):
    given = tmp_path / "connectome.npz"
    connectome = cortex.atlas.connectome
    density = connectome.density.copy()
    density[:, 1] = 0.0  # nothing crosses
    np.savez(given, areas=cortex.atlas.areas.index.to_numpy(str), classes=connectome.classes,
             density=density, normalized_density=connectome.normalized_density,
             distance_um=connectome.distance_um)  # fmt: skip
    folder = tmp_path / "cortex"
    command = ["build", "cortex", "--scale", "0.0002", "-o", str(folder), "--connectome",
               str(given), "--cores", "64", "--memory", "0.3"]  # fmt: skip
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert "on 64 cores" in said.output and "(does not fit)" in said.output
    matrix = pd.read_csv(folder / "census" / "synapses_sampled.csv", index_col=0).to_numpy()
    assert matrix[:43, :43].sum() > 10_000 and matrix[:43, 43:].sum() == 0
    assert pd.read_csv(folder / "census" / "neurons.csv")["neurons"].sum() == 1800
    assert (folder / "census" / "census.png").stat().st_size > 10_000
    recipe = json.loads((folder / "circuit_config.json").read_text())["cortex"]
    assert recipe["connectome"] == str(given)
    simulation = isocortex.load_simulation(folder / "simulation_config.json")
    from isocortex.network.build import build_network

    network = build_network(simulation, True)
    background = next(p for p in simulation.circuit.projections if p.source == "background")
    assert network.n_synapses == matrix.sum() + background.expected


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("skale", 0.1, "Did you mean 'scale'"), ("scale", "small", "cortex.scale: 'small' is not in")],
)
def test_wrong_recipes_name_the_circuit(tmp_path, key, value, message):
    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.0001)), tstop=1.0)
    file = tmp_path / "circuit_config.json"
    circuit = json.loads(file.read_text())
    circuit["cortex"][key] = value
    file.write_text(json.dumps(circuit))
    with pytest.raises(ConfigError, match=message) as error:
        isocortex.run(config)
    assert str(error.value).startswith(str(file))


def test_connections_of_unlike_numbers_of_synapses_add_up_to_the_same_synapses():
    """Inhibitory rules make one synapse each here, those onto layer 5 cells nine."""
    wiring = load_wiring()
    rules = {}
    for key, rule in wiring.rules.items():
        number = (1, 1) if rule.source[0] == "i" else (9, 9) if rule.target == "e5" else (2, 4)
        rules[key] = replace(rule, synapses=number)
    cortex = CortexModel.make(Recipe(scale=0.002), wiring=replace(wiring, rules=rules))
    census = take_census(cortex, sources_per_area=1_000_000)
    long = census.delays["long_range"].sum() * census.total
    expected = 2 * long_synapses(cortex).sum() * 0.002 * 0.1
    assert long == pytest.approx(expected, rel=0.01)
    common = census.degrees[census.degrees["neurons"] > 400]
    np.testing.assert_allclose(common["receives"], common["receives_expected"], rtol=0.08)


def test_the_standard_error_is_no_less_than_the_spread_of_samples_and_at_most_twice(cortex):
    made = np.zeros(len(cortex))
    for piece in cortex.synapses(range(len(cortex))):
        made += np.bincount(piece.source, minlength=len(cortex))
    totals, errors = [], []
    for seed in range(60):
        sources, stands_for = _sample(cortex, 10, seed)
        totals.append((stands_for * made[sources]).sum())
        errors.append(_standard_error(stands_for, cortex.patch[sources], made[sources]))
    spread = np.std(totals, ddof=1)
    assert abs(np.mean(totals) - made.sum()) < SIGMAS * spread / np.sqrt(60)
    assert spread < np.mean(errors) < 2.3 * spread


@pytest.mark.parametrize(
    ("field", "value"),
    [("synapses", np.inf), ("map_width", np.inf), ("long_delay", -5.0), ("long_delay", "a"),
     ("seed", "x"), ("local", 1.5), ("seed", True), ("scale", True), ("scale", None),
     ("density", "ero"), ("wiring", 3)],
)  # fmt: skip
def test_values_that_no_recipe_can_have(field, value):
    with pytest.raises(ConfigError, match=field):
        Recipe(**{field: value})


def test_all_synapses_may_be_local():
    cortex = CortexModel.make(Recipe(scale=0.001, local=1.0))
    census = take_census(cortex, sources_per_area=20)
    assert census.delays["long_range"].sum() == 0.0
    assert census.total == pytest.approx(2.6e6, rel=0.1)


def test_exported_tables_make_the_same_model(tmp_path, cortex, whole):
    given = {option.replace("-", "_"): str(path) for path, option in export_tables(tmp_path)}
    drive = given.pop("drive")
    same = CortexModel.make(Recipe(scale=0.0005, **given))
    found = take_census(same, sources_per_area=1_000_000).sampled
    # volumes in the table are rounded: one connection in a million is another
    assert np.abs(found - whole.sampled).sum() < 1e-5 * whole.sampled.sum()
    assert load_drive(drive) == replace(load_drive(), file=Path(drive))


def test_a_dry_run_writes_nothing(tmp_path):
    folder = tmp_path / "none"
    said = CliRunner().invoke(
        app, ["build", "cortex", "--scale", "0.0001", "--dry-run", "-o", str(folder)]
    )
    assert said.exit_code == 0 and "synapses stored" in said.output
    assert "Below scale 0.0005" in said.output
    assert not folder.exists()


def test_results_of_another_circuit_in_the_same_place_are_refused(tmp_path):
    config = build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.0001)), tstop=2.0)
    result = isocortex.run(config)
    build_cortex(tmp_path, CortexModel.make(Recipe(scale=0.00012)), tstop=2.0)
    with pytest.raises(InputError, match="another was built in its place"):
        simulation_of(result)
