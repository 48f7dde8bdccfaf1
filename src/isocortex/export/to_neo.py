"""A result as a block of Neo, which Elephant and other tools of electrophysiology take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isocortex.errors import ConfigError
from isocortex.export.contents import (
    end_of,
    facts_of,
    free_name,
    nodes_at_hand,
    recordings_of,
    units_of,
)
from isocortex.report.origin import files_of
from isocortex.report.results import Result
from isocortex.report.sending import sendable

if TYPE_CHECKING:
    import neo

#: What an attribute of nodes cannot be called as an annotation: Neo has something else of the name.
TAKEN = (
    "spike_time_array", "channel_id_array", "all_channel_ids", "channel_id", "t_start", "t_stop",
    "units", "population", "node_id",
)  # fmt: skip


def neo_block(result: Result, config: str | Path | None = None) -> neo.Block:
    """Spikes and reports of a result as a block with one segment.

    Times are ms and values in the units they were recorded in: every number is that of the files.
    Reports are read whole. Of many cells ask for ``segment.spiketrains.multiplexed``, two arrays:
    Neo makes the trains one by one when the first of them is looked at.

    Parameters
    ----------
    config : the configuration, if the result does not name it.

    Returns
    -------
    The segment's ``spiketrains`` are of every cell that could spike, in order of population and
    node id, and are annotated by ``population``, ``node_id`` and the attributes of the node; its
    ``analogsignals`` are the reports, annotated by column (``node_id``, ``element_id`` ...). The
    annotation ``units_told`` is the text of the report: units that Neo lacks are dimensionless.
    """
    try:
        import neo
        import quantities as pq
        from neo.core.spiketrainlist import SpikeTrainList
    except ImportError as error:
        raise ConfigError(
            "Neo blocks need the package neo", fix="Install it: pip install 'isocortex[neo]'."
        ) from error
    units, facts = units_of(result, nodes_at_hand(result, config)), facts_of(result)
    taken = {*TAKEN}
    attributes = {free_name(key, taken): values for key, values in units.attributes.items()}
    segment = neo.Segment(name=result.directory.name)
    segment.spiketrains = SpikeTrainList.from_spike_time_array(
        units.times, units.unit_of_spikes, np.arange(len(units.ends)), units="ms",
        t_start=result.begin * pq.ms, t_stop=end_of(result, units) * pq.ms,
        population=units.population, node_id=units.node_id, **attributes,
    )  # fmt: skip
    for recording in recordings_of(result):
        signal = neo.AnalogSignal(
            recording.samples.values, units=_quantity(recording.units),
            t_start=recording.start * pq.ms, sampling_period=recording.dt * pq.ms,
            name=recording.name, description=recording.variable,
            array_annotations=recording.columns,
        )  # fmt: skip
        signal.annotate(
            kind=recording.kind, population=recording.population, units_told=recording.units
        )
        segment.analogsignals.append(signal)
    block = neo.Block(
        name=result.directory.name, description=facts.description,
        file_origin=sendable(str(result.directory.resolve()), *files_of(result)),
    )  # fmt: skip
    block.rec_datetime = facts.started
    block.annotate(
        simulator=facts.simulator, version=facts.version, seed=facts.seed,
        provenance=facts.provenance,
    )  # fmt: skip
    block.segments.append(segment)
    return block


def _quantity(units: str) -> str:
    """Units of ours as the package quantities writes them: ``mA/cm**2``, ``nA*um``.

    Numbers without units (``1``, ``none``) and units that it does not know are dimensionless.
    """
    import quantities as pq

    spelled = units.replace("cm2", "cm**2").replace(" ", "*") or "dimensionless"
    try:
        pq.Quantity(1.0, spelled)
    # a number in place of a unit is an AttributeError to it, other texts are SyntaxErrors
    except (LookupError, AttributeError, SyntaxError, TypeError, ValueError):
        return "dimensionless"
    return spelled
