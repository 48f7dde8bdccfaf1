"""Potentials outside cells: what they drive inside, their courses, and how they are read."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from fields_case import write_map, write_mesh
from library_circuit import CELL, ORIGIN, clamp, field, poisson, report, write_library_circuit
from neurons import cable, random_tree

import isocortex as ic
from isocortex.cells.extracellular import driven_by, rotation
from isocortex.circuit.fields import ChangingMap, Map, Samples, Sinusoid, StationaryMaps, Step
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Settings
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import IsocortexError
from isocortex.network.build import build_network
from isocortex.network.fields import Fields
from isocortex.network.network import bare_network
from isocortex.report.outside import OUTSIDE
from isocortex.sonata.config import load_simulation
from isocortex.sonata.write import write_types

ENGINES = [CpuEngine, ReferenceEngine]
AT_REST = Settings(dt=0.1, v_init=-70.0)


@dataclass(frozen=True)
class Given:
    """Courses that are functions of the number of a step."""

    functions: tuple

    @property
    def n_terms(self):
        return len(self.functions)

    def courses(self, step, dt):
        return np.stack([np.asarray(f(step), float) * np.ones(len(step)) for f in self.functions])


def with_field(models, potentials, *functions):
    """A network of cells with potentials of (nodes, terms) outside."""
    currents = [driven_by(m, p) for m, p in zip(models, potentials, strict=True)]
    fields = Fields((Given(functions),), np.arange(len(models)), tuple(currents))
    return replace(bare_network(models, np.arange(len(models))), fields=fields)


# --- physics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine_class", ENGINES)
def test_a_uniform_field_polarises_the_ends_of_a_cable(engine_class):
    """Its steady state is E l sinh(x/l) / cosh(L/2l), from cable theory with sealed ends."""
    n, length, diameter, ra, g = 401, 1000.0, 2.0, 150.0, 2e-4
    model = cable(n, length, diameter, ra=ra, g_pas=g)
    x = (np.arange(n) + 0.5) / n * length - length / 2.0
    gradient = 0.01  # mV/um: V_ext falls along the cable
    network = with_field([model], [-gradient * x[:, None]], lambda step: 1.0)
    engine = engine_class(network, AT_REST)
    engine.advance(2000 if engine_class is CpuEngine else 600)
    l_um = 1e4 * np.sqrt(1e-4 * diameter / (4.0 * ra * g))
    expected = gradient * l_um * np.sinh(x / l_um) / np.cosh(length / 2.0 / l_um)
    np.testing.assert_allclose(engine.voltage(0) + 70.0, expected, atol=3e-5 * expected.max())


@pytest.mark.parametrize("engine_class", ENGINES)
def test_a_potential_without_a_gradient_changes_nothing(engine_class):
    models = [random_tree(seed) for seed in range(3)]
    flat = [np.full((m.n_nodes, 1), 50.0) for m in models]
    moved = engine_class(with_field(models, flat, lambda step: np.cos(step)), AT_REST)
    plain = engine_class(bare_network(models, np.arange(3)), AT_REST)
    moved.advance(100)
    plain.advance(100)
    for cell in range(3):
        np.testing.assert_allclose(moved.voltage(cell), plain.voltage(cell), rtol=0, atol=1e-9)


def test_what_is_driven_adds_up_to_nothing_and_leaves_branch_points_alone():
    model, rng = random_tree(4), np.random.default_rng(1)
    potential = rng.normal(size=(model.n_nodes, 2))
    current = driven_by(model, potential)
    np.testing.assert_allclose(current.sum(axis=0), 0.0, atol=1e-14)
    branch = model.area == 0.0
    assert branch.any()
    np.testing.assert_allclose(current[branch], 0.0, atol=1e-15)
    potential[branch] += 100.0
    np.testing.assert_array_equal(driven_by(model, potential), current)


def test_a_branch_point_may_have_any_potential():
    """It has no membrane: what it would drive flows to where it comes from at once."""
    model = random_tree(4)
    potential = np.random.default_rng(1).normal(size=(model.n_nodes, 1))
    at_branch = np.where(model.area[:, None] == 0.0, 30.0, potential)
    filled = replace(model, area=np.where(model.area == 0.0, 1e-300, model.area))
    found = []
    for current in (driven_by(model, potential), driven_by(filled, at_branch)):
        fields = Fields((Given((np.sin,)),), np.zeros(1, int), (current,))
        engine = CpuEngine(replace(bare_network([model], [0]), fields=fields), AT_REST)
        engine.advance(50)
        found.append(engine.voltage(0)[model.area > 0.0])
    np.testing.assert_allclose(*found, rtol=0, atol=1e-9)


# --- engines ----------------------------------------------------------------------------------


def several():
    """Cells of several models, two of one, with a term that is not always there."""
    models = [random_tree(seed) for seed in range(4)]
    rng = np.random.default_rng(3)
    potentials = [4.0 * rng.normal(size=(m.n_nodes, 2)) for m in models]
    network = with_field(
        models, potentials, lambda step: np.sin(0.1 * step), lambda step: step % 7 == 3
    )
    more = np.r_[network.cell_model, 1, 1, 2]  # the last has no field
    network = replace(bare_network(models, more), fields=network.fields)
    fields = network.fields
    extra = tuple(0.5 * fields.current[1] for _ in range(2))
    return replace(
        network,
        fields=replace(fields, cell=np.r_[fields.cell, 4, 5], current=fields.current + extra),
    )


def advanced(engine_class, network, settings, pieces=(150,)):
    engine = engine_class(network, settings)
    for n in pieces:
        engine.advance(n)
    return [engine.voltage(cell) for cell in range(network.n_cells)]


@pytest.mark.parametrize("second_order", [False, True])
def test_the_compiled_engine_does_as_the_reference(second_order):
    settings = replace(AT_REST, second_order=second_order)
    expected = advanced(ReferenceEngine, several(), settings)
    plain = advanced(ReferenceEngine, bare_network(several().models, [2]), settings)
    np.testing.assert_array_equal(expected[6], plain[0])
    assert np.abs(expected[2] - plain[0]).max() > 0.5
    found = advanced(CpuEngine, several(), settings)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_threads_and_pieces_change_nothing(precision):
    settings = replace(AT_REST, precision=precision)
    expected = advanced(CpuEngine, several(), settings, (160,))
    found = advanced(CpuEngine, several(), replace(settings, threads=2), (64, 32, 64))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_single_precision_follows_double():
    single = advanced(CpuEngine, several(), replace(AT_REST, precision="single"))
    double = advanced(CpuEngine, several(), AT_REST)
    for ours, theirs in zip(single, double, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-3)


# --- courses ----------------------------------------------------------------------------------


def test_a_step_holds_between_its_times_and_a_sine_counts_from_the_start():
    t = np.array([0.9, 1.0, 1.1, 2.9, 3.0])
    assert Step(2.0, 1.0, 2.0)(t).tolist() == [0.0, 0.0, 2.0, 2.0, 0.0]
    wave = Sinusoid(3.0, 40.0, np.pi, 0.5, 1.0, 2.0)
    expected = 3.0 * np.sin(2.0 * np.pi * 0.04 * t[2:4] + np.pi) + 0.5
    np.testing.assert_allclose(wave(t), [0.0, 0.0, *expected, 0.0], rtol=1e-12)


def test_samples_are_repeated_a_step_late():
    """The first step has no field, as in BMTK, and the second has that of 0 ms."""
    wave = Samples(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    maps = StationaryMaps((Map(np.zeros((1, 3)), np.ones((1, 1))),), (wave,), (3.0,), False)
    found = maps.courses(np.arange(8), 0.5)[0]
    assert found.tolist() == [0.0, 1.0, 1.5, 2.0, 1.0, 1.5, 2.0, 1.0]
    assert maps.at(np.zeros((2, 3))).tolist() == [[3.0], [3.0]]


@pytest.mark.parametrize("dt", [0.1, 0.025, 0.07])
def test_changing_potentials_are_those_of_bmtk(dt):
    rng, times = np.random.default_rng(0), np.array([1.0, 1.35, 3.0, 3.5, 8.0])
    place, potential = rng.normal(size=(6, 3)), rng.normal(size=(6, 5))
    changing = ChangingMap(Map(place, potential), times, 2.0)
    instants = np.arange(times[0], times[-1] + dt, dt)
    table = np.array([np.interp(instants, times, row) for row in potential])
    period = int((instants[-1] - instants[0]) / dt)
    steps = np.arange(400)
    expected = 2.0 * table[:, (steps - 1) % period]
    expected[:, 0] = 0.0
    courses = changing.courses(steps, dt)
    assert (np.count_nonzero(courses, axis=0) <= 2).all()
    np.testing.assert_allclose(changing.at(place + 1e-6) @ courses, expected, rtol=0, atol=1e-12)


def test_outside_of_a_map_there_is_no_potential():
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    first = Map(corners, corners @ [[1.0], [2.0], [3.0]])
    second = Map(2.0 * corners, np.full((8, 1), 7.0))
    wave = Samples(np.array([0.0]), np.array([1.0]))
    maps = StationaryMaps((first, second), (wave, wave), (1.0, 10.0), True)
    inside, outside = [0.5, 0.25, 0.5], [1.5, 0.5, 0.5]
    np.testing.assert_allclose(maps.at(np.array([inside, outside])), [[2.5, 70.0], [0.0, 0.0]])
    assert replace(maps, linear=False).at(np.array([outside]))[0, 1] == 70.0


# --- files ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(2)
    write_mesh(tmp_path / "mesh.csv", 12)
    write_map(tmp_path / "still.txt", rng, "V")
    write_map(tmp_path / "timed.txt", rng, "mV", times=[0.0, 0.005, 0.01])
    (tmp_path / "wave.csv").write_text("time amplitude\n0 0\n5 1\n")
    return tmp_path


def read(folder, **entry):
    """The field that one entry gives."""
    config = write_library_circuit(folder, place=ORIGIN, inputs={"it": entry})
    (found,) = load_simulation(config).inputs
    return found


XSTIM = {"input_type": "lfp", "module": "xstim", "node_set": "all",
         "positions_file": "table.csv", "waveform": "wave.csv"}  # fmt: skip
COMSOL = {"input_type": "lfp", "module": "comsol", "comsol_files": "still.txt",
          "waveforms": "wave.csv"}  # fmt: skip


def test_a_point_of_current_in_an_endless_medium(folder):
    """rho I / 4 pi r: 1 mA at 300 ohm cm is 3e6 / 4 pi mV at 1 um."""
    (folder / "table.csv").write_text("pos_x pos_y pos_z\n0 30 40\n")
    found = read(folder, **XSTIM).potentials.at(np.zeros((1, 3)))
    np.testing.assert_allclose(found, 3e6 / (4.0 * np.pi * 50.0), rtol=1e-12)


def test_an_electrode_is_turned_before_it_is_placed(folder):
    (folder / "table.csv").write_text(
        "ip electrode_mesh_file pos_x pos_y pos_z rotation_x rotation_y rotation_z\n"
        "0 mesh.csv 100 0 0 0.3 -1.0 2.0\n"
    )
    found = read(folder, **XSTIM, resistance=100.0).potentials
    mesh = np.loadtxt(folder / "mesh.csv", skiprows=1) - [0.0, 0.0, 5.0]
    expected = mesh @ rotation(0.3, -1.0, 2.0).T + [100.0, 0.0, 0.0]
    np.testing.assert_allclose(found.position, expected, atol=1e-5)
    np.testing.assert_allclose(found.strength.sum(), 1e6 / (4.0 * np.pi))


def test_maps_are_in_mv_whatever_their_file_has(folder):
    still = read(folder, **COMSOL, amplitudes=[2.0]).potentials
    numbers = np.loadtxt(folder / "still.txt", comments="%")
    np.testing.assert_allclose(still.maps[0].potential[:, 0], 1e3 * numbers[:, 3])
    assert still.linear
    assert still.scale == (2.0,)
    changing = read(folder, input_type="lfp", module="comsol", comsol_files=["timed.txt"])
    np.testing.assert_allclose(changing.potentials.times, [0.0, 5.0, 10.0])
    assert changing.potentials.map.potential.shape == (400, 3)


def test_words_of_bmtk_before_version_1_2(folder):
    """The nearest place is taken unless ip_method is L."""
    old = {"input_type": "lfp", "module": "comsol", "comsol_file": "still.txt",
           "waveform": "wave.csv", "amplitude": 3}  # fmt: skip
    assert not read(folder, **old).potentials.linear
    assert read(folder, **old, ip_method="L").potentials.linear


def test_all_biophysical_cells_are_in_a_field_unless_cells_says_which(folder, caplog):
    one = {"population": "cells", "node_id": [1]}
    everybody = read(folder, **COMSOL, node_set=one)
    assert "node_set is not read" in caplog.text
    network = build_network(load_simulation(folder / "simulation.json"))
    assert network.fields.cell.tolist() == [0, 1]
    assert len(everybody.cells) == 2
    caplog.clear()
    read(folder, **COMSOL, node_set="all", cells=one)
    assert not caplog.text
    network = build_network(load_simulation(folder / "simulation.json"))
    assert network.fields.cell.tolist() == [1]


def test_a_cell_has_the_potential_of_the_middles_of_its_compartments(folder):
    """It is turned and placed as for reports of potentials; every rank has that of its cells."""
    turned = {"x": [30.0], "y": [-20.0], "z": [5.0], "rotation_angle_yaxis": [0.7]}
    config = write_library_circuit(folder, cells=3, place=turned, inputs={"it": COMSOL})
    simulation = load_simulation(config)
    network, model = build_network(simulation), ic.cell(CELL)
    middle = 0.5 * (model.start + model.end) - model.middle
    place = middle @ rotation(0.0, 0.7, 0.0).T + [30.0, -20.0, 5.0]
    expected = driven_by(model, simulation.inputs[0].potentials.at(place))
    np.testing.assert_allclose(network.fields.current[2], expected, atol=1e-9)
    parts = [build_network(simulation, ranks=2, rank=rank) for rank in range(2)]
    assert sum(len(part.fields.cell) for part in parts) == 3
    for part in parts:
        np.testing.assert_array_equal(part.fields.current[0], network.fields.current[0])


def test_a_state_of_a_run_with_a_field_goes_on(folder):
    config = write_library_circuit(
        folder, edges=[(0, 0, 20), (1, 1, 20)], place=ORIGIN, run={"tstop": 40.0},
        inputs={"f": field(folder), "d": poisson(), "c": clamp(0.3)},
        reports={"v": report("v", "all")},
    )  # fmt: skip
    with ic.open_session(config, threads=1) as session:
        session.advance(20.0)
        state = session.state()
        session.advance(20.0)
        expected = session.voltage(0)
        session.restore(state)
        session.advance(20.0)
        np.testing.assert_array_equal(session.voltage(0), expected)


def test_a_run_does_not_go_on_where_its_cells_have_moved(folder):
    """As their field would be another; a run of cells in no field may."""
    config = write_library_circuit(
        folder, place=ORIGIN, run={"tstop": 10.0}, inputs={"f": field(folder)},
        reports={"v": report("v")},
    )  # fmt: skip
    ic.run(config, output_dir=folder / "out", threads=1, checkpoint_every=8, tstop=8.4)
    types = pd.read_csv(folder / "cells_types.csv", sep=" ")
    write_types(folder / "cells_types.csv", types.assign(x=500.0))
    with pytest.raises(IsocortexError, match="fields"):
        ic.continue_run(folder / "out", tstop=10.0, threads=1)


def test_a_map_in_which_no_cell_lies_is_told(folder, caplog):
    near = (folder / "still.txt").read_text().splitlines()
    lines = [line if line.startswith("%") else _moved(line) for line in near]
    (folder / "far.txt").write_text("\n".join(lines) + "\n")
    for name, n in (("still.txt", 0), ("far.txt", 1)):
        config = write_library_circuit(
            folder, place=ORIGIN, inputs={"it": {**COMSOL, "comsol_files": name}}
        )
        caplog.clear()
        build_network(load_simulation(config))
        assert caplog.text.count("inputs.it drives nothing into its cells") == n


def _moved(line):
    """A line of a map with its place a metre away."""
    x, *rest = line.split()
    return " ".join([str(float(x) + 1e6), *rest])


def test_memory_for_fields_is_asked_for_before_they_are_made(folder):
    seen = []
    for inputs in ({}, {"f": field(folder)}):
        config = write_library_circuit(folder, place=ORIGIN, inputs=inputs)
        network = build_network(load_simulation(config), fits=seen.append)
    assert [extent.driven for extent in seen] == [0, sum(c.size for c in network.fields.current)]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**XSTIM, "positions_file": "none.csv"}, "none.csv: file does not exist"),
        ({**XSTIM, "waveform": {"shape": "square"}}, "waveform.shape: unknown shape 'square'"),
        ({**XSTIM, "waveform": {"shape": "dc", "amp": 1}}, "waveform.del: must be a number"),
        ({**XSTIM, "waveform": {"shape": "dc", "freq": 1}}, "waveform.freq: unknown key"),
        ({**XSTIM, "waveform": "wave.json"}, "wave.json: inputs.it.waveform.del: must be a number"),
        ({**XSTIM, "waveform": 3}, "waveform: must describe a waveform"),
        ({**XSTIM, "waveform": "wave.txt"}, "'wave.txt' is no .csv or .json file"),
        ({**XSTIM, "resistance": 0}, "resistance: must be above 0"),
        ({**XSTIM, "speed": 1}, "it.speed: unknown key"),
        ({**XSTIM, "set_nrn_mechanisms": 1}, "set_nrn_mechanisms: must be true or false"),
        ({**COMSOL, "comsol_files": []}, "comsol_files: must name a file"),
        ({**COMSOL, "waveforms": None}, "still.txt: has one potential for all times.*waveforms"),
        ({**COMSOL, "comsol_files": "timed.txt"}, "timed.txt: its potentials change with time"),
        ({**COMSOL, "waveforms": ["wave.csv"] * 2}, "1 files, 2 waveforms and 1 amplitudes"),
        ({**COMSOL, "amplitudes": "big"}, "amplitudes: must be a number"),
        ({**COMSOL, "ip_method": "cubic"}, "ip_method: unknown method 'cubic'"),
        ({**COMSOL, "comsol_files": "wave.csv"}, "wave.csv: has no header"),
    ],
)
def test_mistakes_in_fields(folder, entry, said):
    (folder / "wave.json").write_text('{"shape": "dc", "amp": 1}')
    (folder / "table.csv").write_text("pos_x pos_y pos_z\n0 300 40\n")
    with pytest.raises(IsocortexError, match=said):
        read(folder, **entry)


def test_a_voltage_clamp_in_a_field_is_refused(folder):
    """It goes by the voltage inside, and not by that across the membrane."""
    one = {"population": "cells", "node_id": [1]}
    pull = {"input_type": "voltage_clamp", "module": "SEClamp", "node_set": one, "delay": 0.0,
            "duration": 5.0, "voltage": -60.0}  # fmt: skip
    for cells in (None, {**one, "node_id": [0]}):
        inputs = {"f": {**COMSOL, "cells": cells}, "pull": pull}
        config = write_library_circuit(folder, place=ORIGIN, inputs=inputs)
        if cells is None:
            with pytest.raises(IsocortexError, match="inputs.pull: inputs.f imposes.*not support"):
                load_simulation(config)
        else:
            assert len(load_simulation(config).inputs) == 2


def test_reports_of_what_is_outside_and_of_membrane_currents(folder):
    """What the electrode injects and the field drives leaves through the membrane."""
    config = write_library_circuit(
        folder, edges=[(0, 0, 20)], place=ORIGIN, run={"tstop": 8.0},
        inputs={"f": field(folder), "d": poisson(), "c": clamp(0.3)},
        reports={name: report(name, "all") for name in ("v", *OUTSIDE)},
    )  # fmt: skip
    config.write_text(config.read_text().replace(
        '"variable_name": "vext"', '"variable_name": "vext", "transform": "first_element"'
    ))  # fmt: skip
    result = ic.run(config, threads=1)
    v, ahead, now, current = (result.report(name) for name in ("v", *OUTSIDE))
    np.testing.assert_array_equal(ahead.values[:-1], now.values[1:])
    model = ic.cell(CELL)
    mine = v["node_id"].values == 0
    voltages = np.full((len(v["time"]), model.n_nodes), np.nan)
    voltages[:, model.compartments] = v.values[:, mine]
    area = 1e-2 * model.area[model.compartments]
    total = (current.values[:, mine] * area).sum(axis=1)
    time = 0.1 * np.arange(len(total))
    np.testing.assert_allclose(total, np.where(time > 0.96, 0.3, 0.0), atol=2e-4)
    # of a tip what flows out is what comes along its branch, driven by both
    tip = int(np.setdiff1d(np.flatnonzero(model.area > 0), model.parent)[-1])
    parent = int(model.parent[tip])
    assert model.area[parent] > 0
    outside = np.full_like(voltages, np.nan)
    outside[:, model.compartments] = now.values[:, mine]
    inside = voltages + outside
    expected = model.g_axial[tip] * (inside[:, parent] - inside[:, tip])
    at = np.flatnonzero(model.compartments == tip)
    found = (current.values[:, mine] * area)[:, at[0]]
    assert np.ptp(expected) > 1e-4
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_reports_of_what_is_outside_need_a_field(folder):
    config = write_library_circuit(folder, place=ORIGIN, reports={"o": report("vext")})
    with pytest.raises(IsocortexError, match="reports.o.variable_name: there is no potential"):
        ic.run(config, threads=1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("V (V)", "V (A)", "its potentials are in 'A'"),
        ("\N{MICRO SIGN}m", "mm", "Length unit: its places are in mm"),
        ("   V (V)", "   V (V)   V (V)", "has 4 columns, and its header names x, y, z and 2"),
        ("% x", "% y\n1 2 x\n% x", "not a table of numbers"),
    ],
)
def test_mistakes_in_maps(folder, old, new, said):
    file = folder / "still.txt"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(IsocortexError, match=f"still.txt.*{said}"):
        read(folder, **COMSOL)


def test_an_electrode_in_a_cell_is_refused(folder):
    (folder / "table.csv").write_text("pos_x pos_y pos_z\n0 3 4\n")
    read(folder, **XSTIM)
    simulation = load_simulation(folder / "simulation.json")
    with pytest.raises(IsocortexError, match="inputs.it.positions_file: an electrode is .* um"):
        build_network(simulation)
