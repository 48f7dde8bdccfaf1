"""Validate a circuit or a result: run what the gates need, measure, judge."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from isocortex.analysis.areas import rates_over_time
from isocortex.circuit import CurrentInput
from isocortex.cortex.model import CortexModel
from isocortex.cortex.projection import POPULATION, CortexProjection
from isocortex.errors import ConfigError, InputError
from isocortex.report import origin
from isocortex.report.results import Result
from isocortex.sonata.config import load_circuit, load_recipe
from isocortex.validation import measure
from isocortex.validation.conditions import FULL, SHORT, Plan, conditions
from isocortex.validation.gates import NAMES
from isocortex.validation.measured import Measured
from isocortex.validation.neurons import Neurons, Spikes
from isocortex.validation.outcome import Validation, judged, over_seeds
from isocortex.validation.runs import Network, Progress, Runs, spikes_of

#: Gates that a single run at rest decides, of those that results may hold.
OF_RESULTS = ("rates", "recurrence", "synapses", "irregular", "correlated", "balance", "spectrum")


def validate(
    circuit: str | os.PathLike[str],
    *,
    seeds: int = 1,
    gates: Sequence[str] | None = None,
    plan: Plan | None = None,
    short: bool = False,
    output: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    config: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> Validation:
    """The gates of a cortex model, or of a run of one at rest.

    Parameters
    ----------
    circuit : a circuit of ``isocortex build cortex`` (folder or configuration): everything that the
        gates need is run. Or the results of a run at rest: gates that need other runs are not
        measured then, and all but ``gates`` and ``config`` is left unread.
    seeds : networks that are run: the recipe's seed, the next one, and so on.
    gates : names of those to measure, default all that the plan serves.
    plan : how long everything is run; ``short`` is the plan of a minute or two.
    output : folder that keeps every finished run, and from which a later call goes on; default
        ``validation`` in the circuit's folder.
    threads : default all cores.
    config : of results, the configuration if they do not name it.
    progress : told of simulated time, ms: what is done, what there is in all, and what is run.
    announce : called with a line for every run.

    Raises
    ------
    ConfigError : no recipe of a cortex, or unknown gates.
    InputError : the circuit is not what its recipe makes now.
    """
    path = Path(circuit)
    plan = plan or (SHORT if short else FULL)
    wanted = _wanted(gates, plan)
    if not _is_circuit(path):
        return validate_result(Result(path), wanted, config)
    if config is not None:
        raise ConfigError(
            "is a circuit already: a configuration is for results", file=path, field="config",
            fix="Leave it out, or give results.",
        )  # fmt: skip
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds", field="seeds", fix="Ask for one or more.")
    cortex = _model(_config_of(path))
    recipe = cortex.recipe
    runs = Runs(output_of(path, output), threads=threads, progress=progress,
                announce=announce)  # fmt: skip
    needed = conditions(plan, wanted)
    runs.plan(needed, seeds)
    numbers = tuple(recipe.seed + k for k in range(seeds))
    measured: list[Measured] = []
    activity: dict[str, pd.DataFrame] = {}
    for seed in numbers:
        if seed != recipe.seed:
            cortex = CortexModel.make(replace(recipe, seed=seed))
        found, neurons, spikes = _one_seed(runs, Network.of(cortex), plan, wanted)
        measured.append(found)
        if not activity:
            activity = {
                name: rates_over_time(each.times, each.ids, neurons.in_order, each.duration)
                for name, each in spikes.items()
            }
    facts = {
        "scale": recipe.scale, "in_degree": recipe.kept, "neurons": len(cortex),
        "recipe": asdict(recipe), "plan": asdict(plan), "gates": list(wanted),
        "dt_ms": 0.1, "precision": "single",
    }  # fmt: skip
    tables = {**measured[0].tables, **over_seeds(measured).tables}
    gates_of = judged(measured, wanted, numbers)
    return Validation(str(circuit), facts, numbers, gates_of, tables, activity)


def output_of(circuit: Path, output: str | os.PathLike[str] | None = None) -> Path:
    """Folder that a validation writes to: the one asked for, or that in the circuit's."""
    home = circuit if circuit.is_dir() else circuit.parent
    return Path(output) if output else home / "validation"


def validate_result(
    result: Result,
    gates: Sequence[str] = NAMES,
    config: str | os.PathLike[str] | None = None,
) -> Validation:
    """Those gates that follow from the spikes of a run at rest and its circuit.

    Parameters
    ----------
    config : the configuration, if the result does not name it.
    """
    simulation = origin.simulation_of(result, config)
    if POPULATION not in simulation.circuit.nodes:
        raise InputError(
            f"has no population {POPULATION!r}: the gates are those of a cortex model",
            file=result.directory, fix="Give results of a circuit of `isocortex build cortex`.",
        )  # fmt: skip
    neurons = Neurons.of(simulation.circuit.nodes[POPULATION])
    wanted = [name for name in gates if name in OF_RESULTS]
    stop = result.duration
    start = max(FULL.settle if stop >= 2 * FULL.settle else 0.0, result.begin)
    rest = measure.Rest(simulation, result.spikes, start, stop)
    measured = measure.at_rest(rest, neurons, wanted)
    pushed = any(isinstance(each, CurrentInput) for each in simulation.inputs)
    changed = [each.name for each in simulation.overrides]
    changed += [change.label for change in simulation.changes]
    facts = {
        "start_ms": start, "stop_ms": stop, "neurons": len(neurons), "gates": wanted,
        "currents": pushed, "overrides": changed,
    }  # fmt: skip
    return Validation(str(result.directory), facts, (), judged([measured], wanted), measured.tables)


def _one_seed(
    runs: Runs, network: Network, plan: Plan, gates: Sequence[str]
) -> tuple[Measured, Neurons, dict[str, Spikes]]:
    """Run and measure the network of one seed; beside it its neurons and the spikes of each run."""
    rest, *others = conditions(plan, gates)
    simulation = network.simulation(rest)
    neurons = Neurons.of(simulation.circuit.nodes[POPULATION])
    table = runs.run(network, rest).spikes
    still = measure.Rest(simulation, table, rest.settle, rest.duration)
    found = measure.at_rest(still, neurons, gates)
    spikes = [(each, spikes_of(runs.run(network, each), each)) for each in others]
    found.add(measure.under(spikes, still.spikes, neurons, network.cortex.atlas, plan))
    return found, neurons, {rest.name: still.spikes, **{each.name: s for each, s in spikes}}


def _wanted(gates: Sequence[str] | None, plan: Plan) -> tuple[str, ...]:
    for name in gates or ():
        if name not in NAMES:
            raise ConfigError(
                f"there is no gate {name!r}", field="gates", fix=f"There are {', '.join(NAMES)}."
            )
    served = plan.gates or NAMES
    return tuple(name for name in NAMES if name in (gates or served))


def _is_circuit(path: Path) -> bool:
    """Whether it is a circuit, or a configuration, rather than the output of a run."""
    if path.is_dir():
        return (path / "circuit_config.json").is_file()
    return path.suffix == ".json"


def _config_of(path: Path) -> Path:
    return path / "circuit_config.json" if path.is_dir() else path


def _model(config: Path) -> CortexModel:
    """The cortex model of a circuit, compared with what it was built from."""
    load_recipe(config)  # refuses what has none
    made = [p for p in load_circuit(config).projections if isinstance(p, CortexProjection)]
    return made[0].model
