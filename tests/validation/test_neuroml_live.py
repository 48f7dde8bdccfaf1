"""Cells of NeuroML templates beside BioNet, run now.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json
import re

import pytest
from allen_neuroml import as_neuroml
from test_inputs_live import EVERY, PACKAGE, assert_same, configure, folder  # noqa: F401

pytest.importorskip("neuron")


def test_neuroml_templates(folder):  # noqa: F811
    types = folder / "cortex_types.csv"
    text = types.read_text()
    (folder / "nml").mkdir()
    for number in set(re.findall(r"(\d+)_fit.json", text)):
        fit = json.loads((PACKAGE / "biophysical_neuron_models" / f"{number}_fit.json").read_text())
        # what BMTK takes for the parameters is what the file says: other digits than the fit's
        rounded = re.sub(r"\d+\.\d{6,}", lambda m: f"{float(m[0]):.6g}", as_neuroml(fit))
        (folder / "nml" / f"Cell_{number}.cell.nml").write_text(rounded)
        text = text.replace(f"{number}_fit.json", "NULL")
        text = re.sub(
            r"ctdb:Biophys1.hoc(.*)NULL", rf"nml:Cell_{number}.cell.nml\1NULL", text, count=1
        )
    types.write_text(text)
    config = configure(folder, "neuroml", {"c": EVERY}, ["placed"], ["cortex"])
    content = json.loads(config.read_text())
    content["components"]["biophysical_neuron_models_dir"] = "$BASE/nml"
    config.write_text(json.dumps(content))
    assert_same(config)
