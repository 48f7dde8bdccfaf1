"""Channels of one's own: from a Python file to the kernels, without editing the package."""

import inspect
import json
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from library_circuit import clamp, report, write_library_circuit
from neurons import tree, wire
from test_allen import FIT, SWC

import isocortex as ic
from isocortex.cells.channels import load_mechanisms
from isocortex.cells.compiled import MechanismTable
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.family import family_source
from isocortex.engine.interface import ProbeTable, Settings, Variable
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.mechanisms import DENSITY, im
from isocortex.network.network import CurrentSource
from isocortex.sonata.write import write_types

DOCS = Path(__file__).parents[2] / "docs" / "cells.md"
EXAMPLE = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.S)[1]
COPY = inspect.getsource(im).replace("class Im(", "class Im_copy(")
FILE = """
from isocortex.mechanisms.density import Density, gate, kinetic_state, parameter
from isocortex.mechanisms.maths import exp, where
import math

class {name}(Density):
    ion = "k"
    gbar = parameter(1e-4, "S/cm2")
    m = gate()

    def m_rates(v):
        return {rates}

    def conductance(m, gbar):
        return {conductance}
"""


def text(name="Broken", rates="1.0 / (1.0 + exp(-v)), 1.0", conductance="gbar * m"):
    return FILE.format(name=name, rates=rates, conductance=conductance)


@pytest.fixture
def load(tmp_path):
    """Write a file of this content and load it."""

    def run(content, name="my_channels.py"):
        (tmp_path / name).write_text(content)
        return load_mechanisms(tmp_path / name)

    return run


def _cell(m_current):
    """A soma that fires, with the example's channel and one of two M currents; a dendrite."""
    density = {m_current: 2e-3, "KSlow": 5e-3, "NaTs": 0.3}
    tables = {
        name: MechanismTable(np.array([0], np.int32), {"gbar": np.array([g])})
        for name, g in density.items()
    }
    return tree([-1, 0], [300.0, 500.0], [0.0, 0.02], mechanisms=tables)


def _run(engine, model, *, n_steps=600):
    network = wire([model], [0], [], [])
    network.currents.append(CurrentSource(0, 0, lambda t: np.where(t > 1.0, 0.15, 0.0)))
    engine = engine(network, Settings(dt=0.05))
    engine.record(ProbeTable.of([(0, 0, Variable("v")), (0, 0, Variable("n", "KSlow"))]))
    return engine.advance(n_steps)


def test_a_copy_of_a_channel_gives_the_same_to_the_last_bit(load):
    assert load(EXAMPLE) == ("KSlow",)
    assert load(COPY) == ("Im_copy",)
    package, own = _run(CpuEngine, _cell("Im")), _run(CpuEngine, _cell("Im_copy"))
    assert len(own[0]) > 1
    for one, other in zip(package, own, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_documented_channel_follows_its_formula_and_the_reference(load):
    load(EXAMPLE)
    fast, reference = _run(CpuEngine, _cell("Im")), _run(ReferenceEngine, _cell("Im"))
    np.testing.assert_allclose(fast[2], reference[2], atol=2e-6, rtol=1e-7)
    v, n = reference[2].T
    steady, tau = 1.0 / (1.0 + np.exp(-(v[1:] + 35.0) / 10.0)), 50.0 / 2.3 ** ((34.0 - 21.0) / 10.0)
    np.testing.assert_allclose(n[1:], steady + (n[:-1] - steady) * np.exp(-0.05 / tau), rtol=1e-12)


def test_a_configuration_names_the_file(tmp_path):
    fit = FIT | {"genome": [*FIT["genome"][2:], *(
        {"section": "soma", "name": f"gbar_{m}", "value": g, "mechanism": m}
        for m, g in (("Im", 2e-3), ("KSlow", 5e-3), ("NaTs", 0.3))
    )]}  # fmt: skip
    path = write_library_circuit(
        tmp_path, cells=1, inputs={"step": clamp()}, components={"mechanisms": "my_channels.py"},
        reports={"n": report("n_KSlow")},
    )  # fmt: skip
    (tmp_path / "my_channels.py").write_text(EXAMPLE)
    (tmp_path / "cell.swc").write_text(SWC)
    (tmp_path / "fit.json").write_text(json.dumps(fit))
    node = {"node_type_id": [1], "model_type": "biophysical", "dynamics_params": "fit.json"}
    node |= {"model_template": "ctdb:Biophys1.hoc", "morphology": "cell.swc"}
    write_types(tmp_path / "cells_types.csv", pd.DataFrame(node))
    result = ic.run(path)
    assert np.ptp(result.report("n").values) > 1e-3
    hashes = result.provenance["run"]["mechanisms"]
    assert hashes == {str(tmp_path / "my_channels.py"): sha256(EXAMPLE.encode()).hexdigest()}


@pytest.mark.parametrize("value", [3, [3], {"file": "x.py"}])
def test_a_configuration_that_names_no_file_is_refused(tmp_path, value):
    path = write_library_circuit(tmp_path, components={"mechanisms": value})
    with pytest.raises(ConfigError, match=r"components\.mechanisms: must be the path of a Python"):
        ic.load_simulation(path)


def test_order_does_not_depend_on_what_was_loaded_first(load):
    load(text("Zz_last"), "z.py")
    load(text("Aa_first"), "a.py")
    names = list(DENSITY)
    pools = [name for name in names if DENSITY[name].is_pool()]
    assert "CaDynamics" in pools and names[: len(pools)] == sorted(pools)
    assert names[len(pools) :] == sorted(names[len(pools) :])


def test_mechanisms_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        DENSITY["Im"] = None


def test_loading_again_changes_nothing_but_other_content_is_refused(load):
    load(text("Twice"))
    first = DENSITY["Twice"]
    load(text("Twice"), "elsewhere.py")
    assert DENSITY["Twice"] is first
    with pytest.raises(ModelError, match=r"my_channels\.py: Twice: .*other content.*Rename it"):
        load(text("Twice", conductance="2.0 * gbar * m"))


def test_a_kernel_is_named_by_the_files_content(load):
    load(text("Named"))
    source = family_source((("Named",),), False)
    assert f"from {DENSITY['Named'].__module__} import Named" in source
    assert re.search(r"from isocortex_mechanisms_[0-9a-f]{16} import Named", source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", r"my_channels\.py: defines no mechanism"),
        ("x = \n", r"my_channels\.py: line 1: SyntaxError"),
        ("import nothing_of_this_name", r"line 1: ModuleNotFoundError"),
        (text("Im"), r"my_channels\.py: Im: cells of this session have the package.s .Im.*Rename"),
        (text().replace("m_rates(v)", "m_rates(vv)"), r"Broken\.m_rates asks for 'vv'; known"),
        (text().replace("m_rates", "m_rate"), r"Broken\.m_rates: is missing"),
        (text().replace('ion = "k"', 'ion = "mg"'), r"Broken\.ion: unknown ion 'mg'"),
        (text().replace('ion = "k"', "pass"), r"Broken\.reversal: .*no reversal potential"),
        (text().replace("gbar", "ica"), r"Broken\.ica: 'ica' has a meaning of its own"),
        (text(rates="math.exp(v), 1.0"), r"Broken\.m_rates: 'math' cannot be compiled.*exp, log"),
        (text(rates="abs(v), 1.0"), r"Broken\.m_rates: 'abs' cannot be compiled.*absolute"),
        (text(rates="tanh(v), 1.0").replace("import math", "from numpy import tanh"),
         r"Broken\.m_rates: 'tanh' cannot be compiled \(line 12\): it is of numpy.*exp, log"),
        (text().replace("import exp, where", "import where").replace(
            "import math", "from math import exp"), r"'exp' cannot be compiled .*it is of math"),
        (text().replace("import exp, where", "import where").replace(
            "import math", "from numpy import exp"), r"'exp' cannot be compiled .*it is of numpy"),
        (text(rates="1.0 / (1.0 + exp(TABLE[0] - v)), 1.0").replace("import math", "TABLE = [1.0]"),
         r"'TABLE' cannot be compiled \(line 12\): it is no number but of type list"),
        (text(rates="other(v), 1.0").replace(
            "import math", "def other(v):\n    return exp(v) + sum([v])"),
         r"'sum' cannot be compiled \(line 5\): it is of builtins"),
        (text(rates="other(v), 1.0").replace("import math", "def other(v):\n    return other(v)"),
         r"'other' calls itself \(line 5\)"),
        (text(rates="other(v), 1.0").replace(
            "import math", "other = (lambda k: lambda v: 1.0 / (k + exp(-v)))(1.0)"),
         r"m_rates: '<lambda>' uses variables of the function"),
        (text(rates="v.real / exp(v), 1.0"), r"an attribute cannot be compiled \(line 12\)"),
        (text(rates="(0.5, v)[0], 1.0"), r"an index cannot be compiled"),
        (text(conductance="gbar * m ** 3"), r"Broken\.conductance: '\*\*' cannot be compiled"),
        (text(conductance="gbar if m > 0.5 else m"), r"Broken\.conductance: .*Write where"),
        (text(rates="1.0 / (1.0 + exp(v))"), r"Broken\.m_rates: returns 1 value.*time constant"),
        (text(rates="1.0 / (v - v), 1.0"), r"Broken\.m_rates: is not finite at v = -65\.3"),
        (text(conductance="gbar * v"), r"Broken\.conductance"),
        (text().replace("m = gate()", "m, C = gate(), kinetic_state()"), r"do not go together"),
        (text() + "\n    def other(m):\n        return m\n", r"Broken\.other: nothing calls"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused_with_its_place(load, content, message):
    DENSITY.use(["Im"])  # as a cell does
    with pytest.raises((ModelError, InputError), match=message):
        load(content)
    assert "Broken" not in DENSITY


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.py: cannot read the mechanisms"):
        load_mechanisms(tmp_path / "none.py")


def test_what_only_the_compiler_refuses_is_told_with_the_channel(load):
    load(text("Odd", rates="(v > -40.0) * 1.0, 1.0"))
    table = {"Odd": MechanismTable(np.array([0], np.int32))}
    model = tree([-1, 0], [300.0, 500.0], [0.0, 0.02], mechanisms=table)
    with pytest.raises(ModelError, match="Odd cannot be compiled"):
        _run(CpuEngine, model)
