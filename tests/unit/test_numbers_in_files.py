"""What is no finite number is refused, whatever file holds it, with the file and the name."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from isocortex.circuit.edges import SynapseRule
from isocortex.circuit.synapses import conductances_of
from isocortex.cortex.drive import load_drive
from isocortex.cortex.recipe import Recipe
from isocortex.errors import ConfigError, InputError, ModelError
from isocortex.network.cells import _json_numbers
from isocortex.text import finite

NO_NUMBERS = [float("nan"), float("inf"), True, "7.5", None, [1.0], 10**400]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number(value):
    assert finite(value) is None


@pytest.mark.parametrize("value", [0, -3, 2.5, 10**30])
def test_numbers(value):
    assert finite(value) == float(value) and isinstance(finite(value), float)


def rule(**dynamics):
    return SynapseRule("exp2syn", dynamics, "exc.json", ("basal",), None)


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_parameters_of_synapses(value):
    edges = SimpleNamespace(name="a_to_b", own={})
    with pytest.raises(ModelError, match=r"exc\.json: edges/a_to_b: .* erev is ") as caught:
        conductances_of(rule(tau1=1.0, tau2=2.0, erev=value), edges, np.zeros(1, int))
    assert caught.value.fix
    with pytest.raises(ModelError, match="erev is 'missing'"):
        conductances_of(rule(tau1=1.0, tau2=2.0), edges, np.zeros(1, int))
    with pytest.raises(ModelError, match="time constants must be positive"):
        conductances_of(rule(tau1=0.0, tau2=2.0, erev=0), edges, np.zeros(1, int))


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_parameters_of_point_neurons(tmp_path, value):
    path = tmp_path / "point.json"
    path.write_text(json.dumps({"tau": value, "refrac": 0.003}))
    with pytest.raises(InputError, match=r"point\.json: tau: must be a number"):
        _json_numbers(path, ("tau", "refrac"))
    with pytest.raises(InputError, match="membrane: is missing"):
        _json_numbers(path, ("membrane",))


@pytest.mark.parametrize("value", [v for v in NO_NUMBERS if v is not None])
def test_recipes(value):
    for name in ("scale", "in_degree", "excitation", "inhibition", "seed"):
        if not (name == "seed" and value == 10**400):
            with pytest.raises(ConfigError, match=name):
                Recipe(**{name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "layer,class,model,synapses,nS\n2/3,Pvalb,1,20,nan\n",
            "line 2, column nS: 'nan' is not a finite",
        ),
        (
            "layer,class,model,synapses,nS\n2/3,Pvalb,1,20,-2\n",
            "line 2, column nS: '-2' is no conductance",
        ),
        ("layer,class,model,synapses,nS\n2/3,Pvalb,1,20\n", "line 2: '20': has 4 entries"),
        (
            "layer,class,model,nS\n2/3,Pvalb,1,20\n",
            "no column 'synapses'.*isocortex build calibrate",
        ),
        ("layer,class,nS\n2/3,Pvalb,1\n", "no column 'model'.*isocortex build calibrate"),
    ],
)
def test_tables_of_the_background(tmp_path, text, message):
    (tmp_path / "drive.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        load_drive(tmp_path / "drive.csv")
