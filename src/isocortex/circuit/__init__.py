"""A circuit as a description: tables and arrays, nothing computed; who made it is forgotten."""

from isocortex.circuit.circuit import MODEL_TYPES, NODE_ID, Circuit
from isocortex.circuit.columns import Column, Columns, Text
from isocortex.circuit.contacts import Contacts
from isocortex.circuit.edges import EdgePopulation, SynapseRule
from isocortex.circuit.fields import FieldInput
from isocortex.circuit.inputs import CurrentInput, Fluctuation, Input, PoissonInput, SpikeInput
from isocortex.circuit.nodes import NodePopulation
from isocortex.circuit.overrides import ConnectionOverride
from isocortex.circuit.projection import Cells, Projection, Synapses
from isocortex.circuit.simulation import ReportSpec, Simulation

__all__ = [
    "MODEL_TYPES",
    "NODE_ID",
    "Cells",
    "Circuit",
    "Column",
    "Columns",
    "ConnectionOverride",
    "Contacts",
    "CurrentInput",
    "EdgePopulation",
    "FieldInput",
    "Fluctuation",
    "Input",
    "NodePopulation",
    "PoissonInput",
    "Projection",
    "ReportSpec",
    "Simulation",
    "SpikeInput",
    "SynapseRule",
    "Synapses",
    "Text",
]
