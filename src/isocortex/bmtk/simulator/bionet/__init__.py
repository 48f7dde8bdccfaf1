from isocortex.bmtk.simulator.bionet import modules, nrn
from isocortex.bmtk.simulator.bionet.bionetwork import BioNetwork
from isocortex.bmtk.simulator.bionet.biosimulator import BioSimulator
from isocortex.bmtk.simulator.bionet.config import Config
from isocortex.bmtk.simulator.bionet.nrn import reset
from isocortex.bmtk.simulator.bionet.pyfunction_cache import (
    add_weight_function,
    cell_model,
    model_processing,
    spikes_generator,
    synapse_model,
    synaptic_weight,
)

__all__ = [
    "BioNetwork",
    "BioSimulator",
    "Config",
    "add_weight_function",
    "cell_model",
    "model_processing",
    "modules",
    "nrn",
    "reset",
    "spikes_generator",
    "synapse_model",
    "synaptic_weight",
]
