"""The GPU engine, without a GPU: in numba-cuda's simulator, and compiled for one elsewhere."""

import ctypes
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import isocortex, one_line
from on_gpu import (
    CASES,
    STATIC,
    WINDOW,
    left_by,
    network_of,
    settings_of,
    straight_network,
    table,
)  # fmt: skip

from device import compiled_elsewhere
from isocortex.cells.channels import load_mechanisms
from isocortex.engine.assembly import Kernel, assemblies
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.cuda import CudaEngine
from isocortex.engine.spreading import ASKED
from isocortex.engine.straight.choice import ASKED as STRAIGHT
from isocortex.engine.straight.choice import FEWER, REGISTERS
from isocortex.errors import ConfigError
from isocortex.examples.microcircuit import write_microcircuit
from isocortex.mechanisms import DENSITY
from isocortex.session import beforehand
from isocortex.session.engines import make_engine
from isocortex.session.setup import Options
from isocortex.targets import gpu
from registers import assembled, machine_code

pytest.importorskip("numba_cuda", reason="needs the extra [cuda]")


@pytest.fixture(
    scope="module", params=[(where, case) for where in ("simulator", "device") for case in CASES],
    ids=" ".join,
)  # fmt: skip
def left(request, tmp_path_factory):
    """A case, and what the GPU engine leaves; the simulator is chosen when Numba is imported."""
    where, case = request.param
    if where == "device" and not is_there():
        pytest.skip("needs a GPU")
    path = str(tmp_path_factory.mktemp("cuda") / "left.npz")
    program = f"import sys; sys.path[:0] = {sys.path!r}; import on_gpu; "
    program += f"on_gpu.simulate({path!r}, ({case!r},))"
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": str(int(where == "simulator"))}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return case, np.load(path)


def is_there() -> bool:
    """Whether there is a GPU that Numba can use."""
    from numba import cuda

    return cuda.is_available()


def test_everything_is_as_on_the_cpu_within_rounding(left):
    case, left = left
    expected = left_by(CpuEngine(network_of(case), settings_of(case, "cpu")), case)
    found = {key: left[f"{case} {key}"] for key in expected}
    assert len(set(expected["source"])) > 5
    np.testing.assert_array_equal(found["source"], expected["source"])
    np.testing.assert_allclose(found["time"], expected["time"], rtol=0, atol=1e-5)
    assert found["events"] == expected["events"]
    assert np.ptp(expected["voltage"]) > 20.0  # mV: channels and synapses have been at work
    # they round differently: the CPU fuses products and sums, as the simulator does not, and writes
    # synapses in other steps. From double precision they are up to 2e-4 and 4e-4 mV away.
    mV = {"crank-nicolson": 1e-3, "double": 1e-9}.get(case, 5e-4)
    np.testing.assert_allclose(found["voltage"], expected["voltage"], rtol=0, atol=mV)
    np.testing.assert_allclose(found["soma"], expected["soma"], rtol=0, atol=mV)
    np.testing.assert_allclose(found["samples"], expected["samples"], rtol=1e-5, atol=1e-3)
    assert left[f"{case} straight"] == ("straight" in case)
    assert left[f"{case} spread"] == (case == "events")
    assert case in STATIC or (expected["samples"] != 0).any(axis=0).sum() > 20


def test_a_state_goes_on_to_the_last_bit(left):
    case, left = left
    np.testing.assert_array_equal(left[f"{case} soma again"], left[f"{case} soma"])
    again = left[f"{case} samples again"]
    np.testing.assert_array_equal(left[f"{case} samples"][-len(again) :], again)


def test_halves_are_those_of_the_cpu_to_the_last_bit(left):
    """They follow from events alone, and are rounded at the same moments in the same way."""
    case, left = left
    if "mixed" in case:
        engine = CpuEngine(network_of(case), settings_of(case, "cpu"))
        expected = left_by(engine, case)["terms"]
        assert (expected != 0).sum() > 100
        np.testing.assert_array_equal(left[f"{case} terms"], expected)


def test_events_made_on_the_device_are_those_of_the_threads_to_the_last_bit(left):
    case, left = left
    if case == "events":
        np.testing.assert_array_equal(left["events soma"], left["events soma by threads"])


def test_numba_cuda_finds_what_newer_versions_of_numpy_have_removed():
    program = "import numpy; vars(numpy).pop('row_stack', None); import isocortex.targets.cuda"
    program += "; import numba.cuda.np.arrayobj"
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_ENABLE_CUDASIM": "0"}
    subprocess.run([sys.executable, "-c", program], env=path, check=True)


@pytest.fixture(scope="module")
def ptx():
    """Assembly of the kernels that record nothing, then of those that do."""
    case = CASES[0]
    found = compiled_elsewhere(network_of(case), settings_of(case, "cuda"), table())
    return [path.read_text() for path in found]


def test_a_kernel_of_each_family_is_compiled_for_a_gpu_that_is_not_here(ptx):
    assert len(ptx) == 2
    for text in ptx:
        assert ".target sm_90" in text
        assert re.search(r"\.entry \w*advance_blocks", text)


def test_what_makes_events_is_compiled_too(monkeypatch):
    monkeypatch.setenv(ASKED, "1")
    found = compiled_elsewhere(network_of("events"), settings_of("events", "cuda"))
    texts = [path.read_text() for path in found]
    names = {re.search(r"\.entry (\w+)\(", text)[1] for text in texts}
    for name in ("count", "spread", "arrange", "advance_blocks"):
        assert any(re.search(rf"\d{name}\B", each) for each in names), names


def test_kernels_are_compiled_beforehand_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOCORTEX_CACHE", str(tmp_path / "cache"))
    config = write_microcircuit(tmp_path, cells=12, seed=1, tstop=10.0)
    status, printed, error = isocortex("compile", config, "--precision", "single", "--threads", 1)
    assert (status, error) == (0, "")
    kernels = list((tmp_path / "cache").glob("*.ptx"))
    assert kernels and f"{len(kernels)} kernel" in printed
    assert " for compute capability 9.0: " in printed
    for none in ("H100", "3.5"):
        one_line(isocortex("compile", config, "--capability", none), "capability", "nvidia-smi")


def test_networks_that_changes_make_on_the_way_are_among_them(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        beforehand, "make_engine", lambda network, settings: made.append((network, settings))
    )
    config = write_microcircuit(tmp_path, cells=12, seed=1, tstop=10.0)
    content = json.loads(config.read_text())
    cooler = {"type": "temperature", "celsius": 30.0, "start": 5.0}
    config.write_text(json.dumps(content | {"isocortex": {"changes": [cooler]}}))
    assert beforehand.compile_beforehand(config, Options(threads=1), (9, 0), print) == []
    assert [settings.celsius for _, settings in made] == [34.0, 30.0]
    assert made[0][0] is not made[1][0]


def test_nothing_but_what_is_recorded_is_computed_in_double_precision(ptx, tmp_path):
    """A GPU has few units for it: kernels that are written without the recording have none."""
    assert all(re.search(r"\.f32\b", text) for text in ptx)
    program = f"import sys; sys.path[:0] = {sys.path!r}; from isocortex.engine import sampling\n"
    program += "def sample(probes, block, late, step, V, S, synapses):\n    pass\n"
    program += "sampling.sample = sample\nfrom on_gpu import *\nfrom device import *\n"
    program += "from dataclasses import replace\ncase = CASES[0]\n"
    program += "settings = replace(settings_of(case, 'cuda'), threads=1)  # in this process\n"
    program += "print(*compiled_elsewhere(network_of(case), settings), sep='\\n')"
    environment = os.environ | {"ISOCORTEX_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    found = [Path(line).read_text() for line in done.stdout.splitlines()]
    assert len(found) == 2
    for text in found:
        assert re.search(r"\.f32\b", text)
        assert not re.search(r"\.f64\b", text)


def test_registers_suffice(ptx):
    registers, spilled = assembled(ptx[0])
    assert registers <= 168
    assert spilled == 0


@pytest.mark.parametrize("precision", ["single", "mixed"])
def test_instructions_of_a_node_are_bounded(precision, monkeypatch):
    """A step takes each once, but for what a window begins and ends with."""
    monkeypatch.setenv(STRAIGHT, "1")
    code = {}
    for n in (24, 48):
        settings = replace(settings_of("straight", "cuda"), precision=precision)
        (path,) = compiled_elsewhere(replace(straight_network(n), currents=[]), settings)
        text = path.read_text()
        code[n] = machine_code(text, most=FEWER if precision == "mixed" else REGISTERS)
        assert code[n]["spilled"] < 1200  # of what records, for the most part
        # sums of halves are not rounded together with a product
        assert ("add.rn.f32" in text) == (precision == "mixed")
    assert (code[48]["instructions"] - code[24]["instructions"]) / 24 < 70


def test_only_the_general_kernel_has_room_to_work_in(monkeypatch):
    monkeypatch.setenv(STRAIGHT, "1")
    with gpu.elsewhere((9, 0)):
        both = CudaEngine(straight_network(), settings_of("straight", "cuda"))
        alone = CudaEngine(replace(both.network, currents=[]), both.settings)
    assert [array.shape for array in both._work] == [(both.laid.arrays.first_v[-1],)] * 2
    assert [array.shape for array in alone._work] == [(1,)] * 2


def test_kernels_are_given_their_arguments_once(monkeypatch):
    """There are 72 in a cortex, and pieces may be short."""
    monkeypatch.setenv(STRAIGHT, "1")
    with gpu.elsewhere((9, 0)):
        engine = CudaEngine(straight_network(), settings_of("mixed straight", "cuda"))
        for _ in range(2):  # until there is room for all events of a window
            engine.advance(WINDOW)
        launches = engine._launches
        engine.advance(WINDOW)
    assert engine._launches is launches


def test_the_reference_engine_is_refused():
    with pytest.raises(ConfigError, match="the reference engine does not run on a GPU"):
        make_engine(network_of(CASES[0]), settings_of(CASES[0], "cuda"), "reference")


def test_without_a_driver_it_says_so(monkeypatch):
    monkeypatch.setenv("LIBCUDA", "libcuda-that-is-not-there.so")
    with pytest.raises(ConfigError, match="there is no NVIDIA driver .* with device cpu"):
        make_engine(network_of(CASES[0]), settings_of(CASES[0], "cuda"))


def test_without_the_extra_it_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ISOCORTEX_CACHE", str(tmp_path))
    monkeypatch.setattr("isocortex.engine.assembly.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'isocortex\[cuda\]'"):
        compiled_elsewhere(network_of(CASES[0]), settings_of(CASES[0], "cuda"))


OWN = """
from isocortex.mechanisms.density import Density, parameter


class Trickle(Density):
    ion = "k"
    gbar = parameter(0.0, "S/cm2")

    def conductance(gbar):
        return gbar
"""
KERNEL = """
from {module} import Trickle
from isocortex.targets.cuda import jit, single

conductance = jit(Trickle.conductance)


@single
def advance_blocks(first, last, values):
    values[0] = conductance(values[{k}])
"""


def test_processes_that_compile_know_mechanisms_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOCORTEX_CACHE", str(tmp_path))
    (tmp_path / "trickle.py").write_text(OWN)
    load_mechanisms(tmp_path / "trickle.py")
    module = DENSITY["Trickle"].__module__
    kernels = [Kernel(KERNEL.format(module=module, k=k)) for k in range(2)]
    paths = assemblies(kernels, (np.zeros(2, np.float32),), (9, 0), processes=2)
    assert all("advance_blocks" in path.read_text() for path in paths)
    assert not list(tmp_path.glob("*.job"))


def test_a_gpu_is_given_back_what_was_taken_of_it():
    calls = []

    class Driver:
        def __getattr__(self, name):
            return lambda value: calls.append((name, value.value))

    words = [ctypes.c_void_p(n) for n in (1, 2, 3)]
    gpu._let_go(Driver(), words[0], {7}, words[1:2], [*words[2:], ctypes.c_void_p()])
    assert calls == [
        ("cuCtxSetCurrent", 1), ("cuMemFree_v2", 7), ("cuModuleUnload", 2),
        ("cuStreamDestroy_v2", 3),
    ]  # fmt: skip
