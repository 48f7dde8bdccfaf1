"""Cells of NeuroML templates beside BioNet, run now.

Needs NEURON and BMTK in the same environment (`make test-oracle`).
"""

import json
import re
from pathlib import Path

import pytest
from allen_neuroml import as_neuroml
from test_inputs_live import EVERY, assert_same, configure, folder  # noqa: F401

pytest.importorskip("neuron")


def other_digits(text):
    """What BMTK takes for the parameters is what the file says: other digits than the fit's."""
    return re.sub(r"\d+\.\d{6,}", lambda m: f"{float(m[0]):.6g}", text)


def in_part(text):
    """Axon and dendrites without a leak, axons without resistance and capacitance of their own."""
    text = re.sub(r'<channelDensity id="g_pas_(axon|dend)".*\n', "", text)
    text = re.sub(r'<specificCapacitance segmentGroup="axon".*\n', "", text)
    whole = re.search(r'<resistivity segmentGroup="all".*\n', text)[0]
    text = text.replace(whole, "".join(whole.replace("all", s) for s in ("somatic", "basal")))
    # reversal potentials count in both kinds of densities
    return re.sub(r'channelDensity( id="[^"]*" segmentGroup="soma" ion="k")',
                  r"channelDensityNernst\1", text)  # fmt: skip


@pytest.mark.parametrize("written", [other_digits, in_part])
def test_neuroml_templates(folder, written):  # noqa: F811
    models = folder / f"nml_{written.__name__}"
    types = folder / "cortex_types.csv"
    original = text = types.read_text()
    models.mkdir()
    config = configure(folder, written.__name__, {"c": EVERY}, ["placed"], ["cortex"])
    content = json.loads(config.read_text())
    fits = Path(content["components"]["biophysical_neuron_models_dir"])
    for number in set(re.findall(r"(\d+)_fit.json", text)):
        fit = json.loads((fits / f"{number}_fit.json").read_text())
        (models / f"Cell_{number}.cell.nml").write_text(written(as_neuroml(fit)))
        text = text.replace(f"{number}_fit.json", "NULL")
        text = re.sub(
            r"ctdb:Biophys1.hoc(.*)NULL", rf"nml:Cell_{number}.cell.nml\1NULL", text, count=1
        )
    types.write_text(text)
    content["components"]["biophysical_neuron_models_dir"] = str(models)
    config.write_text(json.dumps(content))
    assert_same(config)
    types.write_text(original)
