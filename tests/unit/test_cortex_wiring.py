"""The wiring says what the published tables say, and refuses tables that cannot be."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.library import library_cells, load_cell
from isocortex.cortex.sites import target_sites
from isocortex.cortex.wiring import load_wiring
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.errors import InputError, ModelError
from isocortex.network.network import Connections, Network, PointNeurons, Slots, SpikeTrains

TABLES = Path(str(files("isocortex") / "cortex" / "data"))
EXCITATORY = {"2/3": ["IT"], "4": ["IT"], "5": ["IT", "ET", "NP"], "6a": ["IT", "CT"], "6b": ["6b"]}


@pytest.fixture(scope="module")
def wiring():
    return load_wiring()


@pytest.fixture
def folder(tmp_path):
    for file in TABLES.glob("wiring_*.csv"):
        shutil.copy(file, tmp_path)
    return tmp_path


def change(folder, name, column, value, row=0):
    """Write ``value`` into one field of a table, whatever it does to it."""
    file = folder / f"wiring_{name}.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    table.loc[row, column] = value
    table.to_csv(file, index=False)


# --- classes and models -----------------------------------------------------------------------


def test_every_layer_has_its_classes(wiring):
    inhibitory = ["Pvalb", "Sst", "Vip", "Inh"]
    expected = {
        (layer, name)
        for layer in ("1", "2/3", "4", "5", "6a", "6b")
        for name in EXCITATORY.get(layer, []) + inhibitory
    }
    assert set(wiring.classes) == expected
    assert wiring.group(("6b", "Sst")) == wiring.group(("6a", "Sst")) == "i6S"
    assert wiring.group(("4", "Vip")) == wiring.group(("4", "Inh")) == "i4H"


def test_models_are_embedded_of_the_right_sign_and_share_the_class(wiring):
    library = library_cells()
    for layer, name in wiring.classes:
        ids, shares = wiring.models(layer, name)
        assert shares.sum() == pytest.approx(1.0) and (shares > 0).all()
        sign = "e" if name in EXCITATORY.get(layer, []) else "i"
        assert (library.loc[list(ids), "ei"] == sign).all()
        own = {"6b": "6a"}.get(layer, layer)
        neighbour = {own, "2/3"} if (layer, name) == ("1", "Pvalb") else {own}
        if layer == "6a" and name in ("Vip", "Inh"):  # V1 takes those of layer 5
            neighbour = {"5"}
        assert set(library.loc[list(ids), "layer"]) <= neighbour | (
            {"5"} if layer == "6b" else set()
        )


def test_common_classes_have_several_models_of_two_channel_families(wiring):
    assert all(len(wiring.models(*c)[0]) >= 4 for c in (("2/3", "IT"), ("4", "IT"), ("5", "IT")))
    assert all(len(wiring.models(*c)[0]) >= 4 for c in (("5", "ET"), ("5", "NP"), ("6a", "CT")))
    used = {model for c in wiring.classes for model in wiring.models(*c)[0]}
    assert len(used) >= 44
    families = {"perisomatic, NaTs", "perisomatic, NaV"}
    assert set(library_cells().loc[list(used), "channels"]) == families


def test_shares_follow_v1_counts_and_fill_gaps_with_their_mean(wiring):
    ids, shares = wiring.models("1", "Vip")  # 971 and 28 cells in v1_node_models.json
    assert dict(zip(ids, shares, strict=True))["475585413"] == pytest.approx(971 / 999)
    ids, shares = wiring.models("2/3", "IT")  # only 487661754 has a count
    np.testing.assert_allclose(shares, 0.2)


# --- rules and weights, by hand -----------------------------------------------------------------


def test_peak_probability_has_the_published_mean_within_75_um(wiring):
    rule = wiring.rule(("4", "IT"), ("4", "IT"))  # A_literature 0.243, sigma 114 um
    assert rule.probability == pytest.approx(0.29937, abs=1e-5)
    radius = 75.0 * np.sqrt(np.random.default_rng(1).random(400_000))  # uniform on the disc
    assert rule.probability_at(radius).mean() == pytest.approx(0.243, abs=1e-4)
    assert rule.probability_at(114.0) == pytest.approx(0.29937 / np.e, abs=1e-5)


def test_probability_never_exceeds_one(wiring):
    rule = wiring.rule(("5", "Sst"), ("5", "Pvalb"))  # 0.857 within 75 um would need 1.035
    assert rule.probability == 1.0
    assert all(0.0 < rule.probability <= 1.0 for rule in wiring.rules.values())


def test_rules_are_those_of_the_published_edges(wiring):
    """Edges 585, 588, 618 (onto e23Cux2) and 162 (onto e5Rbp4) of v1_v1_edge_models.csv."""
    rule = wiring.rule(("2/3", "IT"), ("2/3", "IT"))
    assert (rule.sigma, rule.delay, rule.synapses) == (114.0, 1.6, (3, 7))
    assert (rule.sections, rule.distance_range) == (("basal", "apical"), (0.0, 200.0))
    k = rule.kinetics
    assert (k.tau_rise, k.tau_decay, k.reversal) == (1.0, 12.0, 0.0)  # AMPA and NMDA; V1: 1, 3
    rule = wiring.rule(("2/3", "Pvalb"), ("2/3", "IT"))
    assert (rule.sections, rule.distance_range) == (("somatic", "basal", "apical"), (0.0, 50.0))
    assert (rule.kinetics.tau_rise, rule.kinetics.tau_decay) == (2.7, 15.0)
    rule = wiring.rule(("1", "Inh"), ("2/3", "IT"))
    assert (rule.sections, rule.delay) == (("apical",), 3.8)
    assert rule.distance_range == (50.0, np.inf)
    assert wiring.rule(("6a", "Pvalb"), ("5", "ET")).delay == 0.9
    assert wiring.rule(("2/3", "IT"), ("6a", "CT")) is None


def test_weights_and_factors_are_the_published_ones(wiring):
    """weight_max 0.000182520075015 uS (edge 585) and 3.88160349825e-05 uS (edge 588)."""
    pyramid, basket = ("2/3", "IT"), ("2/3", "Pvalb")
    # exp(-(d / 30)^2) weighted by 1 - d / 180 over 0 to 180 degrees: 24.087 / 135
    to_direction = 0.178424
    factor = wiring.rule(pyramid, pyramid).weight_factor
    assert factor == pytest.approx(to_direction * 0.2344, rel=1e-3)
    published = wiring.weights["e2", "e2", "487661754"]
    assert published == pytest.approx(0.000182520075015, rel=1e-5)
    published = wiring.weights["i2P", "e2", "487661754"]
    assert published == pytest.approx(3.88160349825e-05, rel=1e-4)
    # exp(-(d / 90)^2), d uniform from 0 to 180 degrees: sqrt(pi) / 4 erf(2)
    assert wiring.rule(basket, pyramid).weight_factor == pytest.approx(0.44104, rel=1e-4)
    assert wiring.weight(pyramid, ("6a", "CT"), "471819401") == 0.0
    layer6 = wiring.weights["i6H", "e5", "471129934"]
    assert layer6 == pytest.approx(6.59978e-05, rel=1e-3)  # edge 178, not its copy 306


def test_strengths_replace_the_published_weights(wiring):
    """All excitatory sources give a cell of layer 4 the factor on what layer 4 gives it."""
    strength = wiring.strengths["e", "e4"]
    own = wiring.weights["e4", "e4", "485836906"] * wiring.rules["e4", "e4"].weight_factor
    for source in (("2/3", "IT"), ("4", "IT"), ("5", "ET")):
        weight = wiring.weight(source, ("4", "IT"), "485836906")
        assert weight == pytest.approx(strength.factor * own, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "wanted"),
    [(("4", "IT"), ("4", "IT"), 0.40), (("5", "ET"), ("6a", "CT"), 0.21),
     (("5", "IT"), ("5", "Pvalb"), 0.8), (("2/3", "IT"), ("2/3", "Sst"), 0.2)],
)  # fmt: skip
def test_connections_make_the_potentials_that_are_wanted(wiring, source, target, wanted):
    """At rest, of five synapses, over all models of the target: measured by simulation."""
    ids, shares = wiring.models(*target)
    rule, total = wiring.rule(source, target), 0.0
    for model, share in zip(ids, shares, strict=True):
        weight = wiring.weight(source, target, model)
        total += share * _amplitude(model, rule, weight)
    assert total == pytest.approx(wanted, rel=0.3)  # a group has several classes and few places


def _amplitude(model, rule, weight, repeats=6):
    cell = load_cell(model)
    nodes = target_sites(cell, rule.sections, rule.distance_range).draw(
        np.random.default_rng(4).random((repeats, 5))
    )
    cells, node = np.repeat(np.arange(repeats), 5), nodes.ravel()
    spots, target = np.unique(np.stack([cells, node]), axis=1, return_inverse=True)
    first = np.zeros(repeats + 2, np.int64)
    first[-1] = len(node)
    network = Network(
        models=[cell], cell_model=np.zeros(repeats, np.int64), kinetics=[rule.kinetics],
        slots=Slots(spots[0].astype(np.int32), spots[1].astype(np.int32),
                    np.zeros(spots.shape[1], np.int32)),
        connections=Connections(
            first, target.ravel().astype(np.int32), np.full(len(node), weight),
            np.zeros(len(node), np.uint8), np.array([1.0]),
        ),
        points=PointNeurons(np.zeros(0), np.zeros(0)), n_virtual=1,
        trains=SpikeTrains(np.array([repeats]), np.array([200.0])), populations=["cells"],
        source_population=np.zeros(repeats + 1, np.int64), source_node_id=np.arange(repeats + 1),
    )  # fmt: skip
    engine = CpuEngine(network, Settings(dt=0.1, v_init=float(cell.e_pas[cell.soma])))
    engine.record(ProbeTable.of([(i, cell.soma, Variable("v")) for i in range(repeats)]))
    v = engine.advance(2600)[2][2000:]
    return (v.max(axis=0) - v[0]).mean()


def test_weight_factor_is_the_mean_of_the_published_weight_function():
    """By brute force, with the published formulas and the connections' own probabilities."""
    table = pd.read_csv(TABLES / "wiring_connections.csv").set_index(["source", "target"])
    row = table.loc["e2", "e2"]
    rng = np.random.default_rng(2)
    difference = rng.uniform(0, 180, 1_000_000)
    orientation = np.minimum(difference, 180 - difference)
    linked = rng.random(len(difference)) < (1 - 0.5 * orientation / 90)  # B_ratio 0.5
    mean = np.exp(-((difference[linked] / 30) ** 2)).mean()
    assert row["direction_factor"] == pytest.approx(mean, rel=0.01)
    x, z = rng.normal(0, 114 / np.sqrt(2), (2, 1_000_000))  # um, density exp(-(r / 114)^2)
    angle = rng.uniform(0, 2 * np.pi, len(x))
    along = 0.07 * x * np.cos(angle) + 0.04 * z * np.sin(angle)
    fold = np.degrees(np.arccos(np.abs(np.cos(angle))))
    phase = np.exp(-(along**2) / 2) * (5.5 / 4 - 11 / 1680 * fold)
    assert row["position_factor"] == pytest.approx(phase.mean(), rel=0.01)
    assert (table.loc[(slice(None), "i2P"), "position_factor"].dropna() == 1.0).all()


def test_tables_agree_with_the_published_files(wiring, shared):
    published = shared / "v1_model" / "billeh2020"
    if not published.is_dir():
        published = shared / "data" / "v1_model" / "billeh2020"
    if not published.is_dir():
        pytest.skip("the files of the V1 model are not there")
    table = pd.read_csv(TABLES / "wiring_connections.csv").set_index(["source", "target"])
    for pair, entry in json.loads((published / "v1_conn_props.json").read_text()).items():
        row = table.loc[tuple(pair.split("-"))]
        assert row["probability"] == entry["A_literature"] and row["sigma_um"] == entry["sigma"]
    edges = pd.read_csv(published / "v1_v1_edge_models.csv", sep=" ").set_index("edge_type_id")
    weights = pd.read_csv(TABLES / "wiring_weights.csv", dtype={"model": str})
    weights = weights.set_index(["group", "model"])
    for edge, group, source in ((142, "e5", "e5"), (182, "e5", "i2P"), (172, "e5", "e4")):
        expected = 1e3 * edges.loc[edge, "weight_max"]
        assert weights.loc[(group, "471129934"), source] == pytest.approx(expected, rel=1e-5)


# --- sites --------------------------------------------------------------------------------------


def test_every_rule_has_sites_on_every_model_and_none_elsewhere(wiring):
    codes = {"somatic": 1, "basal": 3, "apical": 4}
    seen = set()
    for target in wiring.classes:
        for model in wiring.models(*target)[0]:
            cell = load_cell(model)
            places = [r for r in wiring.rules.values() if r.target == wiring.group(target)]
            for place in places:
                key = (model, place.sections, place.distance_range)
                if key in seen:
                    continue
                seen.add(key)
                nodes = target_sites(cell, place.sections, place.distance_range).nodes
                assert set(cell.section_type[nodes]) <= {codes[s] for s in place.sections}
                assert SECTION_TYPES["axon"] not in cell.section_type[nodes]
                low, high = place.distance_range
                assert (cell.distance_end[nodes] > low).all()
                assert (cell.distance_start[nodes] < high).all()
                assert (cell.area[nodes] > 0).all()


def test_draws_are_proportional_to_length_within_the_range():
    cell = load_cell("487661754")
    sites = target_sites(cell, ("basal", "apical"), (50.0, 120.0))
    inside = np.minimum(cell.distance_end, 120.0) - np.maximum(cell.distance_start, 50.0)
    length = inside[sites.nodes]
    np.testing.assert_allclose(sites.probability, length / length.sum(), atol=1e-12)
    u = (np.arange(500_000) + 0.5) / 500_000
    count = np.bincount(sites.draw(u), minlength=cell.n_nodes)[sites.nodes]
    np.testing.assert_allclose(count / len(u), sites.probability, atol=2e-5)


def test_a_single_compartment_is_always_drawn():
    cell = load_cell("475585413")
    sites = target_sites(cell, ("somatic",), (0.0, 1e3))
    assert set(sites.draw([0.0, 0.3, 1.0 - 1e-16])) == {cell.soma}


def test_a_cell_without_such_membrane_is_an_error():
    with pytest.raises(ModelError, match="475585413 has no apical section from 0 to 50 um"):
        target_sites(load_cell("475585413"), ("apical",), (0.0, 50.0))


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell_class", "message"),
    [(("5", "PT"), "Layer 5 has IT, ET, NP"), (("7", "IT"), "Layers: 1, 2/3, 4, 5, 6a, 6b")],
)
def test_unknown_classes_name_the_known(wiring, cell_class, message):
    with pytest.raises(ModelError, match=message):
        wiring.rule(cell_class, ("5", "IT"))
    with pytest.raises(ModelError, match=message):
        wiring.models(*cell_class)


def test_unknown_model_of_a_class(wiring):
    with pytest.raises(ModelError, match=r"\('4', 'IT'\) has no cell model '471129934'"):
        wiring.weight(("4", "IT"), ("4", "IT"), "471129934")


def test_a_copy_of_the_tables_is_the_same_wiring(folder, wiring):
    assert load_wiring(folder).rules == wiring.rules


@pytest.mark.parametrize(
    ("name", "column", "value", "message"),
    [
        ("connections", "probability", "-0.1", "line 2, probability: is -0.1"),
        ("connections", "probability", "1.2", "from 0 to 1"),
        ("connections", "sigma_um", "0", "line 2, sigma_um: is 0.0. It must be positive"),
        ("connections", "sigma_um", "wide", "'wide' is not a number"),
        ("connections", "synapses_low", "9", "at most synapses_high"),
        ("connections", "delay_ms", "0", "must be positive"),
        ("connections", "sections", "basal tuft", "some of .*apical"),
        ("connections", "distance_low_um", "300", "below distance_high_um"),
        ("connections", "kinetics", "NMDA", "one of AMPA_ExcToExc"),
        ("connections", "direction_factor", "", "direction_factor: is nan"),
        ("connections", "source", "e9", "there is no row from e2 to e2"),
        ("weights", "e2", "-1", "line 2, e2: is -1.0. It must be 0 or more"),
        ("weights", "e2", "", "there is no weight from e2 onto model 382982932 of e2"),
        ("strengths", "like", "e6", "line 2, like: is 'e6'. It must be a group that connects"),
        ("strengths", "factor", "-1", "line 2, factor: is -1.0. It must be 0 or more"),
        ("strengths", "kinetics", "NMDA", "nothing, or one of AMPA_ExcToExc"),
        ("models", "model", "123", "'123' is not an embedded cell"),
        ("models", "v1_count", "-3", "0 or more, or nothing"),
        ("models", "class", "ET", "no such class in this layer"),
        ("kinetics", "tau1_ms", "5", "below tau2_ms"),
    ],
)
def test_impossible_tables_name_file_line_and_fix(folder, name, column, value, message):
    change(folder, name, column, value)
    with pytest.raises(InputError, match=message) as error:
        load_wiring(folder)
    assert error.value.file == folder / f"wiring_{name}.csv" and error.value.fix


def test_missing_table_missing_column_and_repeated_row(folder):
    file = folder / "wiring_kinetics.csv"
    table = pd.read_csv(file)
    pd.concat([table, table.iloc[:1]]).to_csv(file, index=False)
    with pytest.raises(InputError, match="line 7, name: the row repeats another"):
        load_wiring(folder)
    table.drop(columns="tau2_ms").to_csv(file, index=False)
    with pytest.raises(InputError, match="tau2_ms: there is no such column"):
        load_wiring(folder)
    file.unlink()
    with pytest.raises(InputError, match="there is no such table"):
        load_wiring(folder)
