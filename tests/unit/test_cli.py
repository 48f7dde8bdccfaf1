"""The command line end to end: every command, every option, and what it says when things fail."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from command_line import isocortex, one_line

import isocortex as ic
from isocortex.engine.precision import available
from isocortex.errors import InputError
from isocortex.examples import write_microcircuit
from isocortex.interrupt import Terminated
from isocortex.sonata.config import load_simulation

CELL = "485836906"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A circuit of 24 cells and 20 ms, not to be changed."""
    return write_microcircuit(tmp_path_factory.mktemp("circuit") / "demo", cells=24, tstop=20.0)


@pytest.fixture
def circuit(demo, tmp_path):
    """A copy to be changed."""
    return shutil.copytree(demo.parent, tmp_path / "demo") / demo.name


def change(config, **sections):
    """Merge into a configuration's sections (reports are replaced)."""
    content = json.loads(config.read_text())
    for name, values in sections.items():
        merge = isinstance(values, dict) and name != "reports"
        content[name] = {**content.get(name, {}), **values} if merge else values
    config.write_text(json.dumps(content))
    return config


def spikes(folder):
    with h5py.File(folder / "spikes.h5") as root:
        group = root["spikes/cortex"]
        return list(zip(group["timestamps"][:], group["node_ids"][:], strict=True))


def drive(config, rate=60.0):
    """Make the cells spike within 20 ms."""
    inputs = json.loads(config.read_text())["inputs"]["background"]
    return change(config, inputs={"background": {**inputs, "firing_rate": rate}})


# --- commands ---------------------------------------------------------------------------------


def test_run_writes_what_it_says(circuit):
    status, printed, error = isocortex("run", circuit, "--pictures")
    assert (status, error) == (0, "")
    assert "24 biophysical cells of 12 models" in printed
    assert "s per simulated second" in printed
    named = [line.split(": ", 1)[1] for line in printed.splitlines() if line.startswith("Picture")]
    assert len(named) == 4
    assert all(os.path.getsize(path) > 5000 for path in named)
    output = circuit.parent / "output"
    assert {p.name for p in output.glob("*.h5")} == {
        "spikes.h5", "membrane_potential.h5", "calcium_concentration.h5", "whole_cell.h5",
    }  # fmt: skip
    assert "biophysical cells" in printed and str(output) in printed


def test_info_counts_without_simulating(circuit):
    status, printed, _ = isocortex("info", circuit)
    assert status == 0
    assert "nodes cortex: 24" in printed
    assert "Memory in double" in printed
    each = r"voltages and channels [\d,]+, state of synapses [\d,]+, tables [\d,]+,"
    assert re.search(
        f"Bytes per cell: {each} stored synapses and spikes [\\d,]+", " ".join(printed.split())
    )
    assert not (circuit.parent / "output").exists()
    first = printed.splitlines()[:5]
    assert "24 biophysical cells" in first[0]
    assert any("Memory in double" in line for line in first)
    assert "… and 2 more models of" in printed and "Kv3_1" not in printed
    complete = isocortex("info", circuit, "--all")[1]
    assert "more models" not in complete and "Kv3_1" in complete


def test_info_tells_of_synapses_that_follow_from_a_recipe(tmp_path):
    cortex = tmp_path / "cortex"
    status, _, error = isocortex(
        "build", "cortex", "-o", cortex, "--scale", 0.0001, "--inhibition", 0, "--tstop", 5
    )
    assert (status, error) == (0, "")
    status, printed, _ = isocortex("info", cortex / "simulation_config.json")
    assert status == 0
    (line,) = [line for line in printed.splitlines() if line.startswith("synapses of the recipe")]
    assert float(line.split("about ")[1].split(", ")[0].replace(",", "")) > 1e5
    assert isocortex("run", cortex / "simulation_config.json")[0] == 0
    status, printed, error = isocortex("rates", cortex / "output", "--by", "Class")
    assert (status, error) == (0, "")
    assert "cell_class" in printed and "Pvalb" in printed
    one_line(isocortex("rates", cortex / "output", "--by", "colour"), "colour", "cell_class")


def test_info_measures_how_long_a_run_takes(circuit):
    status, printed, error = isocortex("info", circuit, "--measure")
    assert (status, error) == (0, "")
    lines = [line for line in printed.splitlines() if line.startswith("Time in ")]
    told = [line.split(":")[0] for line in lines]
    assert told == [f"Time in {precision}" for precision in available()]
    assert all(float(line.split()[3]) > 0 for line in lines)
    assert not (circuit.parent / "output").exists()


def test_plots_of_a_finished_run(circuit, tmp_path):
    isocortex("run", circuit)
    for kind in ("raster", "rates", "traces", "morphology"):
        picture = tmp_path / f"{kind}.png"
        status, printed, error = isocortex(
            "plot", kind, circuit.parent / "output", "--output", picture
        )
        assert (status, error) == (0, "")
        assert str(picture) in printed
        assert picture.stat().st_size > 5000


def test_demo_runs_twice_into_one_folder(tmp_path):
    for _ in range(2):
        status, printed, error = isocortex("demo", tmp_path / "d", "--cells", 15, "--tstop", 10)
        assert (status, error) == (0, "")
    assert "Run it again: isocortex run" in printed


def test_data_names_source_licence_and_citation():
    status, printed, _ = isocortex("data")
    assert status == 0
    assert printed.count("licence: ") == printed.count("citation: ") == 9
    assert "voxels.npz" in printed and "doi:10.1371/journal.pcbi.1010739" in printed


def test_embedded_cells(tmp_path):
    status, printed, _ = isocortex("cells", "list")
    assert status == 0
    assert CELL in printed
    picture = tmp_path / "step.png"
    status, printed, _ = isocortex(
        "cells", "run", CELL, "--amp", 0.3, "--delay", 20, "--duration", 100, "--tstop", 130,
        "--output", picture,
    )  # fmt: skip
    assert status == 0
    assert int(printed.split()[0]) > 0
    assert picture.exists()
    picture = tmp_path / "fi.png"
    status, printed, _ = isocortex(
        "cells", "fi", CELL, "--points", 3, "--dt", 0.1, "--output", picture
    )
    rates = [float(line.split()[2]) for line in printed.splitlines()[:3]]
    assert rates[0] == 0.0 < rates[-1]
    assert picture.exists()


@pytest.mark.parametrize(
    "command", [["run"], ["compile"], ["plot", "raster"], ["cells", "run"], ["demo"], []]
)
def test_help(command):
    status, printed, _ = isocortex(*command, "--help")
    assert status == 0
    assert "Usage" in printed


# --- options ----------------------------------------------------------------------------------


def test_options_of_run_act(circuit, tmp_path):
    drive(circuit)

    def run(name, *options):
        status, _, error = isocortex("run", circuit, "--output-dir", tmp_path / name, *options)
        assert (status, error) == (0, "")
        return spikes(tmp_path / name)

    plain = run("plain")
    assert len(plain) > 10
    assert run("two", "--threads", 2) == run("one", "--threads", 1) == plain
    assert run("reference", "--engine", "reference") == plain
    assert run("short", "--tstop", 12) == [s for s in plain if s[0] <= 12.0]
    single = run("single", "--precision", "single")
    assert [s[1] for s in single] == [s[1] for s in plain]
    fine = run("fine", "--dt", 0.025)
    assert any(abs(t / 0.1 - round(t / 0.1)) > 0.1 for t, _ in fine)
    second = run("second", "--integrator", "crank-nicolson")
    assert second != plain
    assert abs(len(second) - len(plain)) < 0.5 * len(plain)


def test_earlier_results_are_replaced_only_on_request(circuit):
    assert isocortex("run", circuit, "--tstop", 5)[0] == 0
    before = (circuit.parent / "output" / "spikes.h5").read_bytes()
    status, _, error = isocortex("run", circuit, "--tstop", 5, "--no-overwrite")
    assert status == 1
    assert "already holds results" in error
    change(circuit, output={"overwrite_output_dir": False})
    assert isocortex("run", circuit, "--tstop", 5)[0] == 1
    assert (circuit.parent / "output" / "spikes.h5").read_bytes() == before
    assert isocortex("run", circuit, "--tstop", 5, "--overwrite")[0] == 0


# --- circuits with nothing of something ---------------------------------------------------------

POISSON = {"rain": {"input_type": "spikes", "module": "poisson", "firing_rate": 200.0,
                    "node_set": {"population": "cells"}}}  # fmt: skip
TYPES = {
    "biophysical": "node_type_id model_type model_template\n0 biophysical isocortex:485836906\n",
    "virtual": "node_type_id model_type\n0 virtual\n",
    "point": "node_type_id model_type model_template dynamics_params\n"
    "0 point_process nrn:IntFire1 fire.json\n",
}


def bare(folder, number, kind, **sections):
    """A circuit of one population without edges."""
    with h5py.File(folder / "nodes.h5", "w") as root:
        nodes = root.create_group("nodes/cells")
        nodes["node_type_id"] = nodes["node_group_id"] = np.zeros(number, int)
        nodes["node_id"] = nodes["node_group_index"] = np.arange(number)
        nodes.create_group("0")
    (folder / "types.csv").write_text(TYPES[kind])
    (folder / "fire.json").write_text(json.dumps({"tau": 10.0, "refrac": 5.0}))
    files = {"nodes_file": "$HERE/nodes.h5", "node_types_file": "$HERE/types.csv"}
    config = folder / "config.json"
    config.write_text(json.dumps({
        "manifest": {"$HERE": "${configdir}"}, "run": {"tstop": 5.0, "dt": 0.1},
        "components": {"point_neuron_models_dir": "$HERE"},
        "networks": {"nodes": [files], "edges": []},
        "output": {"output_dir": "$HERE/output"}, **sections,
    }))  # fmt: skip
    return config


@pytest.mark.parametrize(
    ("number", "kind", "sections"),
    [(3, "point", {}), (3, "virtual", {"inputs": POISSON}), (3, "virtual", {}),
     (0, "biophysical", {}), (2, "biophysical", {})],
)  # fmt: skip
def test_every_command_on_a_circuit_with_nothing_of_something(tmp_path, number, kind, sections):
    config, output = bare(tmp_path, number, kind, **sections), tmp_path / "output"
    for command in (
        ["info", config], ["run", config, "--pictures"], ["rates", output],
        ["rates", output, "--by", "model_type"], ["report", output], ["plot", "raster", output],
        ["plot", "rates", output],
    ):  # fmt: skip
        status, _, error = isocortex(*command)
        assert (status, error) == (0, ""), command
    outcome = isocortex("view", output, "--export", tmp_path / "page.html")
    if kind == "virtual" or not number:
        one_line(outcome, "has no neurons to look at")
    else:
        assert outcome[0] == 0


# --- where and how it is called -----------------------------------------------------------------


def python(code, **options):
    """A Python process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    ("doing", "without"),
    [
        ("import isocortex", {"numba", "pandas", "numpy", "matplotlib", "xarray", "pydantic"}),
        ("import isocortex, types; assert isocortex.Recipe().scale", {"numba", "matplotlib"}),
        ("from isocortex.cli import main; sys.argv = ['isocortex', '--version']; main()",
         {"numba", "pandas", "numpy", "typer", "rich", "importlib.metadata"}),
        ("import isocortex.cli.commands",
         {"numba", "pandas", "numpy", "h5py", "pydantic", "matplotlib", "xarray", "rich.table"}),
        ("import isocortex.simulate",
         {"pandas", "scipy.stats", "matplotlib", "xarray", "typer", "http.server"}),
        ("import isocortex.experiment", {"numba", "pandas", "numpy", "scipy", "matplotlib"}),
        ("import isocortex.bmtk.utils.reports.spike_trains", {"xarray", "matplotlib"}),
    ],
)  # fmt: skip
def test_what_is_not_needed_is_not_imported(doing, without):
    done = python(f"import sys; {doing}; print(*sorted({without!r} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    ("doing", "without"),
    [
        ("sys.argv = ['isocortex', 'run', config, '--tstop', '1']; main()",
         {"rich.console", "rich.progress", "rich.table", "scipy.linalg"}),
        ("sys.argv = ['isocortex', 'info', config]; main()", {"rich.progress", "scipy.linalg"}),
        ("isocortex.open_session(config).advance(1.0)", {"typer", "rich"}),
    ],
)  # fmt: skip
def test_what_a_run_does_not_need_is_not_imported(circuit, doing, without):
    """Tables, pictures and recipes take longer to import than a small network to build.

    Numba imports scipy itself, where it is installed, to see which one it is; its parts take long.
    """
    without = {
        "pandas",
        "matplotlib",
        "scipy.stats",
        "scipy.special",
        "xarray",
        "isocortex.cortex",
        *without,
    }
    code = f"import sys, isocortex\nfrom isocortex.cli import main\nconfig = {str(circuit)!r}\n"
    code += f"try:\n    {doing}\nexcept SystemExit as stop:\n    assert not stop.code\n"
    done = python(code + f"print(*sorted({without!r} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


def test_scipy_has_its_blas_after_a_command(circuit):
    """It is hidden from Numba alone."""
    code = f"""import sys
from isocortex.cli import main
sys.argv = ["isocortex", "run", {str(circuit)!r}, "--tstop", "1", "--overwrite"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
assert "numba.np.arraymath" in sys.modules
import scipy.linalg.cython_blas
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    import isocortex as package

    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        package.rnu  # noqa: B018


def test_paths_relative_to_any_folder(circuit, tmp_path):
    """Every command takes them; results lie where the configuration says, relative to itself."""
    name, elsewhere = circuit.parent.name, tmp_path / "elsewhere"
    elsewhere.mkdir()
    config, output = f"../{name}/{circuit.name}", f"../{name}/output"
    commands = [
        ["info", config], ["run", config, "--tstop", "5"], ["rates", output], ["report", output],
        ["rates", config, "--output", "rates.csv"], ["plot", "raster", output, "-o", "raster.png"],
        ["view", output, "--export", "page.html"],
        ["run", config, "--tstop", "5", "--output-dir", "o"],
    ]  # fmt: skip
    code = "import json, sys\nfrom isocortex.cli import main\n"
    code += f"for c in {commands!r}:\n    sys.argv = ['isocortex', *c]\n    try:\n        main()\n"
    code += "    except SystemExit as stop:\n        assert not stop.code, c\n"
    done = python(code, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in elsewhere.iterdir()}
    assert made == {"rates.csv", "raster.png", "page.html", "o"}
    assert (circuit.parent / "output" / "report.html").exists()
    assert not (circuit.parent / name).exists()


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["rnu", "x"], "run"), (["plot", "rastre"], "raster"), (["build", "cortx"], "cortex"),
     (["run", "--tstpo", "5", "x"], "--tstop")],
)  # fmt: skip
def test_a_word_close_to_one_that_is_known(words, meant):
    status, _, error = isocortex(*words)
    assert status == 2
    assert meant in error


@pytest.mark.parametrize("command", [["info"], ["rates"], ["report"]])
def test_ctrl_c_ends_any_command_with_one_line(circuit, monkeypatch, command):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("isocortex.load_simulation", stop)  # first: it is looked up in the other
    monkeypatch.setattr("isocortex.sonata.config.load_simulation", stop)
    monkeypatch.setattr("isocortex.report.results.Result.__init__", stop)
    assert isocortex(*command, circuit) == (130, "", "Stopped.\n")


def test_brackets_in_a_path_are_printed(tmp_path):
    """Not taken for markup."""
    one_line(isocortex("run", tmp_path / "a[bold]b.json"), "a[bold]b.json")
    status, printed, _ = isocortex("run", tmp_path / "a[bold]b.json")
    assert "a[bold]b.json" in printed


# --- failures ---------------------------------------------------------------------------------


def test_debug_shows_where_an_error_comes_from(tmp_path):
    one_line(isocortex("run", tmp_path / "none.json"), "none.json", "does not exist")
    status, _, error = isocortex("run", tmp_path / "none.json", "--debug")
    assert status == 1
    assert "Traceback" in error


def test_a_configuration_that_is_not_json(circuit):
    circuit.write_text("{'run': 1}")
    one_line(isocortex("run", circuit), circuit.name, "line 1")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"run": {"tstopp": 5.0}}, ["run.tstopp", "tstop"]),
        ({"run": {"dt": -0.1}}, ["run.dt", "greater than 0"]),
        ({"run": {"dt": "fast"}}, ["run.dt", "Give a number"]),
        ({"run": {"tstop": "300"}}, ["run.tstop", "Without the quotes: 300"]),
        ({"network": "$BASE_DIR/nothing.json"}, ["nothing.json", "does not exist"]),
        ({"reports": {"r": {"module": "weight_recorder"}}}, ["reports.r", "weight_recorder"]),
        ({"inputs": {"x": {"input_type": "magnetic", "module": "coil"}}},
         ["inputs.x", "magnetic"]),
        ({"inputs": {"x": {"input_type": "spikes", "module": "poisson", "node_set": "nobody",
                           "firing_rate": 1.0}}}, ["nobody"]),
        ({"output": {"output_dir": "/dev/null/results"}}, ["/dev/null"]),
    ],
)  # fmt: skip
def test_a_wrong_section_is_named(circuit, sections, words):
    one_line(isocortex("run", change(circuit, **sections)), *words)


def test_a_missing_nodes_file_is_named(circuit):
    (circuit.parent / "network" / "cortex_nodes.h5").unlink()
    one_line(
        isocortex("run", circuit), "cortex_nodes.h5", "there is no file", "nodes[0].nodes_file"
    )


def test_hdf5_in_place_of_text_and_a_file_in_place_of_its_folder(circuit):
    nodes = circuit.parent / "network" / "cortex_nodes.h5"
    one_line(isocortex("run", nodes), "cortex_nodes.h5", "is an HDF5 file", "configuration")
    one_line(isocortex("rates", nodes), "cortex_nodes.h5", "Give its folder", str(nodes.parent))


def test_spikes_that_a_circuit_is_given_are_no_results(circuit):
    with h5py.File(circuit.parent / "spikes.h5", "w") as given:
        given["spikes/background/timestamps"] = np.array([1.0])
        given["spikes/background/node_ids"] = np.array([0])
    one_line(isocortex("plot", "raster", circuit.parent), "does not exist", "Run the simulation")


def test_a_killed_run_is_told_as_one(circuit):
    output = ic.run(drive(circuit)).directory
    facts = json.loads((output / "provenance.json").read_text())
    del facts["summary"]  # which only a run that ends leaves
    (output / "provenance.json").write_text(json.dumps(facts))
    for command in (("rates",), ("plot", "raster")):
        _, _, error = isocortex(*command, output)
        assert "killed, or goes on" in error


def test_another_cells_file_is_no_suggestion(circuit):
    folder = circuit.parent / "fits"
    folder.mkdir()
    (folder / "472363762_fit.json").write_text("{}")
    loaded = load_simulation(circuit).circuit
    here = replace(loaded, components={"biophysical_neuron_models_dir": folder})
    for name, close in (("472363763_fit.json", False), ("472363762_fot.json", True)):
        with pytest.raises(InputError) as refused:
            here.find("biophysical_neuron_models_dir", name)
        assert ("Did you mean" in str(refused.value)) is close


def test_the_cost_of_a_cortex_needs_no_folder():
    status, printed, _ = isocortex("build", "cortex", "--scale", "0.0005", "--dry-run")
    assert status == 0
    assert "Times are estimates" in printed
    one_line(isocortex("build", "cortex", "--scale", "0.0005"), "--output", "-o FOLDER")


def test_the_cost_of_a_cortex_follows_how_its_cells_are_divided():
    times = []
    for dL in (20, 40):
        ask = ("build", "cortex", "--scale", "0.0005", "--dry-run", "--cores", 1, "--dL", dL)
        status, printed, _ = isocortex(*ask)
        assert status == 0
        (line,) = [line for line in printed.splitlines() if "A run in double" in line]
        times.append(float(line.split("stored ")[1].split()[0]))
    assert times[1] < 0.75 * times[0]
    refused = isocortex("build", "cortex", "--dry-run", "--dL", 30)
    one_line(refused, "dL", "30.0 is not 20 or 40 um")


def test_an_unknown_model_is_named(circuit):
    types = circuit.parent / "network" / "cortex_node_types.csv"
    types.write_text(types.read_text().replace("isocortex:", "hoc:", 1))
    one_line(isocortex("run", circuit), "hoc:", "model_template")


def test_a_dangling_node_id_is_named(circuit):
    with h5py.File(circuit.parent / "network" / "cortex_cortex_edges.h5", "r+") as root:
        root["edges/cortex_to_cortex/target_node_id"][3] = 9999
    one_line(isocortex("run", circuit), "cortex_cortex_edges.h5", "9999")


def test_a_dataset_of_the_wrong_type_is_named(circuit):
    with h5py.File(circuit.parent / "network" / "cortex_cortex_edges.h5", "r+") as root:
        edges = root["edges/cortex_to_cortex"]
        n = len(edges["source_node_id"])
        attributes = dict(edges["source_node_id"].attrs)
        del edges["source_node_id"]
        edges["source_node_id"] = np.full(n, b"one")
        edges["source_node_id"].attrs.update(attributes)
    one_line(isocortex("run", circuit), "cortex_cortex_edges.h5", "source_node_id")


def test_a_negative_delay_is_named(circuit):
    types = circuit.parent / "network" / "cortex_cortex_edge_types.csv"
    head, first, rest = types.read_text().split("\n", 2)
    row = dict(zip(head.split(), first.split(), strict=False))
    types.write_text("\n".join([head, first.replace(f" {row['delay']} ", " -1.0 "), rest]))
    one_line(isocortex("run", circuit), "cortex_cortex_edges.h5", "has delay -1")


def test_a_voltage_that_is_no_number_stops_the_run(circuit):
    """A step of infinite current; the spikes and reports up to then stay readable."""
    clamp = {"input_type": "current_clamp", "module": "IClamp", "node_set": {"node_id": [3]},
             "amp": 1e12, "delay": 15.0, "duration": 1.0}  # fmt: skip
    one_line(
        isocortex("run", change(circuit, inputs={"clamp": clamp})), "cortex 3", "not finite", "t = "
    )
    with h5py.File(circuit.parent / "output" / "membrane_potential.h5") as root:
        assert root["report/cortex/data"].shape[1] > 0


SLOW = {"run": {"tstop": 1e6}}


def _start(config, **options):
    """The command in a process of its own; waits until it simulates."""
    command = [sys.executable, "-c", "from isocortex.cli import main; main()", "run", str(config)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    for line in process.stdout:
        if line.startswith("Ready"):
            break
    return process


def _until_it_has_rows(process, report, rows):
    """Until so much of a report of four bytes a number is on disk, however long that takes."""
    while process.poll() is None:
        with contextlib.suppress(OSError, KeyError), h5py.File(report, locking=False) as root:
            if len(root["report/cortex/data"]) >= rows:
                return
        time.sleep(0.02)


def test_an_interrupted_run_keeps_what_it_computed(circuit):
    process = _start(change(drive(circuit), **SLOW))
    _until_it_has_rows(process, circuit.parent / "output" / "membrane_potential.h5", 21)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 130, error
    assert re.fullmatch(
        r"Stopped at [\d.]+ ms. What was computed until then has been written.", error.strip()
    )
    with h5py.File(circuit.parent / "output" / "membrane_potential.h5") as root:
        rows = len(root["report/cortex/data"])
        assert rows > 20
        assert np.isfinite(root["report/cortex/data"][:]).all()
    kept = spikes(circuit.parent / "output")
    assert 0 < max(kept)[0] <= rows + 1.0  # ms: the report has a row per ms
    assert kept == sorted(kept)


def test_a_full_disk_keeps_what_was_written(circuit):
    """Files may not grow beyond 6 MB, as on a disk that fills up."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000))

    everywhere = {"module": "membrane_report", "cells": "all", "variable_name": "v",
                  "sections": "all"}  # fmt: skip
    population = {"population": "cortex"}
    config = change(
        drive(circuit), run={"tstop": 2000.0},
        reports={"everywhere": {**everywhere, "cells": population}},
    )  # fmt: skip
    process = _start(config, preexec_fn=limit)
    _, error = process.communicate(timeout=600)
    one_line((process.returncode, "", error), "everywhere.h5", "cannot write the report")
    with h5py.File(circuit.parent / "output" / "everywhere.h5") as root:
        data = root["report/cortex/data"]
        assert data.shape[1] == 4038
        assert data.shape[0] * data.shape[1] * 4 < 6_000_000
        assert np.isfinite(data[:]).all()
    assert spikes(circuit.parent / "output")


@pytest.mark.parametrize(
    ("stop", "said", "status"),
    [(KeyboardInterrupt, "Stopped. What", 130), (Terminated, "Ended by SIGTERM. What", 143)],
)
def test_an_experiment_says_how_it_was_ended(tmp_path, monkeypatch, stop, said, status):
    def run(study, *args, **options):
        raise stop

    monkeypatch.setattr("isocortex.experiment.Study.run", run)
    found, _, error = isocortex("experiment", "run", "gaba_block", "-o", tmp_path)
    assert (found, error.startswith(said)) == (status, True), error
