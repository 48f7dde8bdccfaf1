"""Reports of potentials and dipole moments: what is asked for, what is written, what is refused."""

import json

import h5py
import numpy as np
import pytest
from command_line import isocortex, one_line
from library_circuit import (
    CELL,
    ORIGIN,
    clamp,
    poisson,
    potentials,
    report,
    write_library_circuit,
)

import isocortex as ic
from isocortex import pictures
from isocortex.analysis.potentials import dipole_moment
from isocortex.cells.extracellular import membrane_currents, of_voltages, transfer_resistances
from isocortex.cells.head import Head
from isocortex.errors import ConfigError, InputError
from isocortex.network.build import build_network
from isocortex.session.recorders import recorders_of
from isocortex.sonata.contacts import write_contacts

CELLS = {"population": "cells"}
ZERO, ONE = {**CELLS, "node_id": [0]}, {**CELLS, "node_id": [1]}
CONTACTS = np.array([[0.0, 60.0, 15.0], [20.0, 10.0, 15.0], [40.0, -40.0, 15.0]])
END = 20.0
HEAD = {"centre": [0.0, -4500.0, 0.0], "radii": [5000.0, 5100.0, 5400.0, 5900.0]}
ELECTRODES = np.array([[0.0, 900.0, 0.0], [3000.0, -800.0, 500.0]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("c")


@pytest.fixture(scope="module")
def result(folder):
    """Two cells in one place, one of them under an electrode; all their voltages and fields."""
    write_contacts(folder / "eeg.csv", ELECTRODES, ["one", "two"])
    config = write_library_circuit(
        folder, edges=[(0, 0, 40), (1, 1, 40)], run={"tstop": END}, place=ORIGIN,
        inputs={"drive": poisson(), "clamp": clamp(0.4, (1,), duration=15.0)},
        reports={
            "all": report("v", "all", CELLS),
            "field": potentials(folder, CELLS, contributions_dir="by_cell"),
            "zero": potentials(folder, ZERO, file_name="zero"),
            "rare": potentials(folder, CELLS, dt=0.5, start_time=5.0, end_time=15.0),
            "far": potentials(folder, CELLS, minimum_distance=100.0),
            "bounds": potentials(folder, None, cell_bounds=[0, 0], enabled=True),
            "moment": {"module": "current_dipole", "cells": CELLS},
            "by_type": {"module": "current_dipole", "cells": CELLS, "by": "node_type_id",
                        "dt": 0.2},
            "of_zero": {"module": "current_dipole", "cells": ZERO},
            "eeg": potentials(folder, ZERO, electrode_positions="eeg.csv", head=HEAD),
            "shallow": potentials(folder, CELLS, electrode_positions="eeg.csv", head=HEAD,
                                  minimum_distance=800.0, dt=0.2),
        },
    )  # fmt: skip
    return ic.run(config, output_dir=folder / "output", progress=None)


def voltages(result, node):
    """float64[samples, n_nodes]; nodes without membrane carry no current away."""
    model = ic.cell(CELL)
    data = result.report("all")
    v = np.zeros((len(data), model.n_nodes))
    v[:, model.compartments] = data.values[:, data["node_id"].values == node]
    axial, bare = of_voltages(model, np.eye(model.n_nodes)), model.area == 0
    v[:, bare] = (
        -v[:, ~bare] @ axial[np.ix_(~bare, bare)] @ np.linalg.inv(axial[np.ix_(bare, bare)])
    )
    return model, v


def test_the_potential_is_that_of_the_recorded_voltages(result):
    """Voltages are stored in single precision."""
    model, v = voltages(result, 0)
    resistance = transfer_resistances(
        model.start - model.middle, model.end - model.middle, CONTACTS
    )
    expected = membrane_currents(model, v) @ resistance.T
    found = result.potential("zero")
    assert found.dims == ("time", "channel") and found.attrs["units"] == "mV"
    np.testing.assert_allclose(found["x"], CONTACTS[:, 0])
    np.testing.assert_allclose(found["time"], np.arange(1, 201) * 0.1)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_array_equal(found, result.potential("bounds"))


def test_what_an_electrode_injects_leaves_through_the_membrane(result):
    """Without it the currents of the cell do not add up; the moment counts from the soma."""
    model, v = voltages(result, 1)
    current = membrane_currents(model, v)
    times = (np.arange(200) + 0.5) * 0.1
    current[:, model.soma] += np.where((times >= 1.0) & (times < 16.0), 0.4, 0.0)
    resistance = transfer_resistances(
        model.start - model.middle, model.end - model.middle, CONTACTS
    )
    found = result.potential("field").values - result.potential("zero").values
    np.testing.assert_allclose(found, current @ resistance.T, atol=2e-6)
    with h5py.File(result.directory / "by_cell" / "1.h5") as file:
        np.testing.assert_allclose(file["ecp/data"], found, atol=1e-12)


def test_rows_are_those_of_all_that_are_asked_for(result):
    """Every fifth step from 5 ms on until 15 ms."""
    rare, every = result.potential("rare"), result.potential("field")
    np.testing.assert_allclose(rare["time"], 5.1 + 0.5 * np.arange(20))
    np.testing.assert_allclose(rare, every.values[50:150:5], atol=1e-12)
    assert np.abs(result.potential("far")).max() < np.abs(every).max()


def test_moments_are_those_of_the_recorded_voltages(result):
    model, v = voltages(result, 0)
    expected = dipole_moment(model, v, model.start, model.end)
    found = result.dipole("of_zero")
    assert found.dims == ("time", "group", "axis") and list(found["group"].values) == ["all"]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found.values[:, 0], expected, atol=2e-3)
    both, by_type = result.dipole("moment"), result.dipole("by_type")
    assert list(by_type["group"].values) == ["1"]
    np.testing.assert_allclose(both.values[::2], by_type.values, atol=1e-12)


def test_electrodes_of_a_head_see_the_moment_from_where_the_cell_is(result):
    """At 0, 0, 0: 4500 um from the centre; what is less deep than 800 um counts as at 4200."""
    head = Head(np.array(HEAD["centre"]), tuple(HEAD["radii"]))
    found, moment = result.potential("eeg"), result.dipole("of_zero").values[:, 0]
    expected = moment @ head.lead_field(np.zeros((1, 3)), ELECTRODES)[:, 0].T
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
    assert list(found["name"].values) == ["one", "two"]
    np.testing.assert_allclose(found.attrs["head"], [*HEAD["centre"], *HEAD["radii"]])
    deep = head.lead_field(np.array([[0.0, -300.0, 0.0]]), ELECTRODES)[:, 0]
    both = result.dipole("moment").values[::2, 0]
    np.testing.assert_allclose(
        result.potential("shallow"), both @ deep.T, atol=1e-9 * np.abs(both @ deep.T).max()
    )


def test_the_summary_tells_them(result):
    assert "potential field: 3 channels, 200 samples" in result.summary
    assert "dipole moments moment: 1 groups, 200 samples" in result.summary
    assert result.potentials[:3] == ["bounds", "eeg", "far"]
    assert result.dipoles == ["by_type", "moment", "of_zero"]
    with pytest.raises(InputError, match="field"):
        result.potential("none")


def test_a_random_conductance_is_of_the_membrane_and_a_voltage_clamp_is_refused(tmp_path):
    """As synapses are: nothing is injected, and the moment is that of the voltages alone."""
    held = {"node_set": "cells", "delay": 1.0, "duration": 9.0}
    noise = {**held, "input_type": "conductance", "module": "ornstein_uhlenbeck", "mean": 0.02,
             "sigma": 0.01, "tau": 2.0}  # fmt: skip
    config = write_library_circuit(
        tmp_path, run={"tstop": 10.0}, place=ORIGIN, inputs={"noise": noise},
        reports={"all": report("v", "all", CELLS), "of_zero": {"module": "current_dipole",
                                                               "cells": ZERO}},
    )  # fmt: skip
    found = ic.run(config, progress=None)
    model, v = voltages(found, 0)
    expected = dipole_moment(model, v, model.start, model.end)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(found.dipole("of_zero").values[:, 0], expected, atol=2e-3)
    clamped = {**held, "input_type": "voltage_clamp", "module": "SEClamp", "voltage": -60.0}
    config.write_text(json.dumps(json.loads(config.read_text()) | {"inputs": {"clamp": clamped}}))
    with pytest.raises(ConfigError, match="has a voltage clamp"):
        ic.run(config, output_dir=tmp_path / "clamped", progress=None)


def changed(folder, **more):
    path = folder / "changed.json"
    config = json.loads((folder / "simulation.json").read_text())
    config["reports"] = {"field": {**potentials(folder, CELLS), **more}}
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"minimum_distance": "close"}, "minimum_distance.*no distance"),
        ({"minimum_distance": -1}, "minimum_distance.*no distance"),
        ({"electrode_positions": "none.csv"}, "none.csv.*does not exist"),
        ({"electrode_position": "contacts.csv"}, "electrode_position"),
        ({"end_time": 3.0, "start_time": 5.0}, "ends at 3 ms"),
        ({"cells": "drive"}, "no biophysical cell"),
        ({"dt": 0.15}, "no multiple"),
        ({"head": {"centre": [0, 0, 0], "radii": [5.0, 4.0, 6.0, 7.0]}}, "head.radii.*ascending"),
        ({"head": {"radii": [5.0, 4.0, 6.0, 7.0]}}, "head.centre"),
        ({"head": HEAD, "minimum_distance": "auto"}, "minimum_distance.*Give um"),
        ({"head": HEAD}, "field.electrode_positions.*electrode 2 lies 4460.2 um"),
        ({"head": {**HEAD, "radii": [50.0, 60.0, 70.0, 80.0]}}, "head.radii.*outside the brain"),
        ({"module": "current_dipole"}, "variable_name: unknown key"),
    ],
)
def test_what_cannot_be_recorded_is_refused(folder, result, more, said):
    with pytest.raises((ConfigError, InputError), match=said):
        ic.run(changed(folder, **more), output_dir=folder / "none", progress=None)
    assert not list((folder / "none").glob("*.h5"))


@pytest.mark.parametrize(
    ("place", "field", "said"),
    [
        ({}, "cells.x", "node 0 of cells has no place: has no x, y, z"),
        ({"x": [1.0], "y": [2.0]}, "cells.z", "has no place: has no z"),
        ({"positions_x": [1.0]}, "cells.positions_y", "has no positions_y, positions_z"),
        ({**ORIGIN, "y": [np.nan]}, "cells.x", "has no place: x, y, z are none"),
        ({**ORIGIN, "normal_x": [0.0], "normal_y": [0.0], "normal_z": [0.0]}, "cells.normal_x",
         "has no direction: normal_x, normal_y, normal_z are none"),
        ({**ORIGIN, "normal_x": [1.0], "normal_y": [np.nan], "normal_z": [0.0]}, "cells.normal_x",
         "has no direction"),
    ],
)  # fmt: skip
def test_cells_without_a_place_or_direction_are_refused(tmp_path, place, field, said):
    """They had been at the origin without a word, or said to be in a branch."""
    config = write_library_circuit(tmp_path, place=place, reports={"field": potentials(tmp_path)})
    one_line(isocortex("run", config), config, f"reports.field.{field}", said)
    assert not list((tmp_path / "output").glob("*.h5"))


def test_moments_need_no_places_and_angles_no_directions(tmp_path):
    turned = {**ORIGIN, "rotation_angle_yaxis": [0.5], "normal_x": [0.0], "normal_y": [0.0],
              "normal_z": [0.0]}  # fmt: skip
    moment = {"module": "current_dipole", "cells": CELLS}
    for place, reports in (({}, {"moment": moment}), (turned, {"field": potentials(tmp_path)})):
        config = write_library_circuit(tmp_path, place=place, reports=reports, run={"tstop": 1.0})
        network = build_network(simulation := ic.load_simulation(config))
        assert recorders_of(simulation, network, 0.0)[next(iter(reports))]


def test_a_contact_in_a_branch_is_refused_unless_it_is_kept_away(folder, result):
    """Both somata lie at 0."""
    config = changed(folder)
    (folder / "contacts.csv").write_text("x,y,z\n9,9,9\n0,0,0\n")
    failed = isocortex("run", config, "--output-dir", folder / "none")
    one_line(failed, "contact 1", "minimum_distance", "auto")
    config = changed(folder, minimum_distance="auto")
    (folder / "contacts.csv").write_text("x,y,z\n9,9,9\n0,0,0\n")
    found = ic.run(config, tstop=2.0, output_dir=folder / "auto", progress=None).potential()
    assert np.isfinite(found).all()


def test_the_table_of_contacts_is_not_written_over(folder, result):
    config = changed(folder, file_name="contacts.csv.h5")
    (folder / "contacts.csv").rename(folder / "contacts.csv.h5")
    text = config.read_text().replace('"contacts.csv"', '"contacts.csv.h5"')
    config.write_text(text)
    with pytest.raises(ConfigError):
        ic.run(config, output_dir=folder, progress=None)
    assert (folder / "contacts.csv.h5").read_text().startswith(("channel", "x_pos"))


# --- pictures ---------------------------------------------------------------------------------


def write_line(folder, name, contacts):
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in contacts)
    (folder / name).write_text("x_pos y_pos z_pos\n" + rows)


def test_a_probe_is_drawn_by_depth(folder, result, tmp_path):
    config = changed(folder, electrode_positions="line.csv")
    write_line(folder, "line.csv", [(30.0, 300.0 - 100.0 * k, 10.0) for k in range(6)])
    ic.run(config, output_dir=tmp_path, progress=None)
    status, printed, error = isocortex("plot", "lfp", tmp_path)
    assert (status, error) == (0, "")
    assert (tmp_path / "pictures" / "lfp.png").stat().st_size > 10_000
    figure = pictures.lfp(ic.Result(tmp_path))
    field, sources, spectrum = figure.axes[:3]
    assert len(field.lines) == 6
    assert field.get_ylim()[0] > field.get_ylim()[1]  # the pia is above
    assert sources.get_xlabel() == "time (ms)" and spectrum.get_xlabel() == "frequency (Hz)"
    assert field.get_xlim()[0] == pytest.approx(END / 3, abs=1.0)  # without the beginning


def test_electrodes_are_drawn_with_their_names(folder, result, tmp_path):
    status, printed, error = isocortex("plot", "eeg", result.directory, "-o", tmp_path / "e.png")
    assert (status, error) == (0, "")
    traces, spectrum = pictures.eeg(result).axes
    assert [each.get_text() for each in traces.get_yticklabels()] == ["one", "two"]
    assert len(spectrum.lines) == 2 and spectrum.get_xlabel() == "frequency (Hz)"
    ic.run(changed(folder), tstop=2.0, output_dir=tmp_path / "none", progress=None)
    one_line(isocortex("plot", "eeg", tmp_path / "none"), "head")


def test_what_is_no_probe_is_not_drawn(folder, result, tmp_path):
    config = changed(folder, electrode_positions="line.csv")
    write_line(folder, "line.csv", [(0.0, 100.0, 9.0), (200.0, 0.0, 9.0), (90.0, 300.0, 9.0)])
    ic.run(config, tstop=2.0, output_dir=tmp_path, progress=None)
    one_line(isocortex("plot", "lfp", tmp_path), "line", "straight probe")
    with h5py.File(tmp_path / "field.h5", "r+") as file:  # as BMTK writes it
        del file["ecp/channel_id"].attrs["position"]
    one_line(isocortex("plot", "lfp", tmp_path), "straight probe")
