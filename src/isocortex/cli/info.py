"""`isocortex info`: what is in a circuit, and what a run of it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from isocortex.cli.terminal import Config, duration, out
from isocortex.errors import ConfigError

if TYPE_CHECKING:
    from isocortex.circuit import Circuit, Simulation
    from isocortex.network.network import Network

SHOWN = 10  # rows of each list, unless all are asked for


def info(
    config: Config,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time some steps in each precision.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Every model, population and channel, however many.")
    ] = False,
) -> None:
    """Say what is in a circuit, and what a run will take; writes nothing."""
    from isocortex import load_simulation
    from isocortex.network.build import build_network
    from isocortex.session.room import room_for
    from isocortex.simulate import describe

    simulation = load_simulation(config, skip_unsupported_reports=True)
    network = build_network(simulation, fits=room_for(simulation, precision="single", runs=measure))
    out.print(describe(network))
    for report in simulation.skipped:
        out.print(f"Not supported: report {report}.")
    _tell_run(simulation, network)
    _tell_cost(simulation, network, measure)
    if network.models:
        _tell_models(network, every)
    _tell_list(_populations(simulation.circuit), every)
    _tell_list(_connections(simulation.circuit, network), every)
    overrides = [
        f"connection_overrides {o.name}: weights times {o.weight:g}"
        + (f" from {o.start:g} ms on" if o.start else "")
        for o in simulation.overrides
    ]
    _tell_list(overrides, every)
    for change, touched in zip(simulation.changes, network.touched, strict=True):
        out.print(f"{touched} {change.when}")


def _tell_run(simulation: Simulation, network: Network) -> None:
    """Duration, inputs and outputs."""
    out.print(
        f"{simulation.tstop:g} ms at dt {simulation.dt:g} ms, dL {simulation.dL:g} um; "
        f"{len(network.trains.time):,} input spikes, about "
        f"{network.poisson.expected(simulation.tstop):,.0f} of Poisson sources, "
        f"{len(network.currents)} electrodes, {len(network.fields.potentials)} fields, "
        f"reports: {', '.join(r.name for r in simulation.reports) or 'none'}.",
    )


def _tell_cost(simulation: Simulation, network: Network, measure: bool) -> None:
    """Memory, and if asked for the time."""
    from isocortex.engine.layout.sizes import sizes_of
    from isocortex.engine.precision import available
    from isocortex.simulate import measure_speed, memory_estimate

    for precision in available():
        engine, most = memory_estimate(network, precision)
        out.print(
            f"Memory in {precision}: about {most:.0f} MB at the most, with Python and building; "
            f"the engine holds {engine:.0f} MB of it."
        )
        if network.n_cells:
            sizes, n = sizes_of(network, precision), network.n_cells
            out.print(
                f"Bytes per cell: voltages and channels {sizes.states / n:,.0f}, state of synapses "
                f"{sizes.rows / n:,.0f}, tables {sizes.tables / n:,.0f}, stored synapses and "
                f"spikes {sizes.wiring / n:,.0f}."
            )
        if measure:
            try:
                seconds = measure_speed(simulation, network, precision)
            except ConfigError as error:  # of kinetics that it cannot hold
                out.print(f"Time in {precision}: {error}")
                continue
            total = 1e-3 * simulation.tstop * seconds
            out.print(
                f"Time in {precision}: {seconds:.2f} s per simulated second on this machine, so "
                f"{duration(total)} for {simulation.tstop:g} ms. Measured from rest: synaptic "
                "events of an active network come on top."
            )


def _tell_models(network: Network, every: bool) -> None:
    """Cell models, the most frequent first."""
    import numpy as np
    from rich.table import Table

    counts = np.bincount(network.cell_model, minlength=len(network.models))
    order = np.argsort(-counts, kind="stable")
    shown = order if every else order[:SHOWN]
    table = Table("cell model", "cells", "compartments", "channels", box=None)
    for m in shown:
        model = network.models[m]
        channels = ", ".join(sorted(model.mechanisms)) if every else str(len(model.mechanisms))
        table.add_row(model.name, f"{counts[m]:,}", f"{model.n_compartments:,}", channels)
    out.print(table)
    rest = order[len(shown) :]
    if len(rest):
        out.print(f"… and {len(rest)} more models of {counts[rest].sum():,} cells (--all).")


def _populations(circuit: Circuit) -> list[str]:
    return [
        f"nodes {name}: {len(population.node_ids):,} ({population.file})"
        for name, population in circuit.nodes.items()
    ]


def _connections(circuit: Circuit, network: Network) -> list[str]:
    """Edges that were read, and the synapses that follow from a recipe."""
    lines = [
        f"{what} {edges.name}: {len(edges.weight):,}, {edges.source} to {edges.target}"
        for what, some in (("gap junctions", circuit.gaps), ("edges", circuit.edges))
        for edges in some
    ]
    if network.drawn is not None:
        how = "drawn once and stored" if network.drawn.stored else "drawn at each spike"
        lines.insert(
            0, f"synapses of the recipe: about {network.drawn.expected:,.0f}, {how}, within cortex"
        )
    return lines


def _tell_list(lines: list[str], every: bool) -> None:
    """One line each, up to a number of them."""
    shown = lines if every else lines[:SHOWN]
    for line in shown:
        out.print(line)
    if len(lines) > len(shown):
        kind = lines[-1].split(" ", 1)[0]
        out.print(f"… and {len(lines) - len(shown)} more {kind} (--all).")
