"""A simulation as scripts hold it, on the package's session."""

from __future__ import annotations

from typing import Any

from isocortex.bmtk.simulator.bionet.absent import AbsentError
from isocortex.bmtk.simulator.bionet.bionetwork import BioNetwork
from isocortex.bmtk.simulator.bionet.config import Config
from isocortex.bmtk.simulator.bionet.modules.sim_module import SimulatorMod
from isocortex.bmtk.simulator.bionet.processing import processed
from isocortex.bmtk.simulator.bionet.pyfunction_cache import py_modules
from isocortex.circuit import Simulation
from isocortex.engine.interface import Piece
from isocortex.errors import ConfigError
from isocortex.report.results import Result
from isocortex.session.loop import Run, Watching
from isocortex.session.progress import line_for_people
from isocortex.session.ranks import ranks_of_launch
from isocortex.session.session import Session, prepare
from isocortex.session.setup import Options
from isocortex.sonata.config import load_simulation


class BioSimulator:
    """What a configuration asks for, made ready by :meth:`from_config`.

    Attributes
    ----------
    net : the network that it was made with.
    session : while it runs and afterwards, what can be looked into.
    result : afterwards, what it has written.
    """

    def __init__(
        self, network: BioNetwork, simulation: Simulation, block: int, options: Options
    ) -> None:
        self.net, self.simulation, self.nsteps_block = network, simulation, block
        self._options, self._modules = options, list[Any]()
        self._session: Session | None = None
        self.result: Result | None = None

    @classmethod
    def from_config(
        cls, config: Config, network: BioNetwork, set_recordings: bool = True, **options: Any
    ) -> BioSimulator:
        """Load everything that the configuration names.

        Parameters
        ----------
        options : of :func:`isocortex.run`: threads, precision, integrator, ...
        """
        simulation = load_simulation(
            config.file(), weight_functions=py_modules.synaptic_weights,
            spikes_functions=py_modules.spikes_generators,
        )  # fmt: skip
        simulation = processed(simulation, py_modules.cell_processors)
        py_modules.require_applicable(simulation)
        return cls(network, simulation, config.block_step, Options(**options))

    @property
    def dt(self) -> float:
        """ms."""
        return self.simulation.dt

    @property
    def tstop(self) -> float:
        """ms."""
        return self.simulation.tstop

    @property
    def n_steps(self) -> int:
        return int(round(self.tstop / self.dt))

    @property
    def session(self) -> Session:
        if self._session is None:
            raise ConfigError(
                "the simulation has not begun", field="sim.session",
                fix="Look into it from a module, or after run().",
            )  # fmt: skip
        return self._session

    @property
    def h(self) -> Any:
        raise AbsentError(
            "there is no NEURON", field="sim.h",
            fix="sim.session has voltages, spikes and what is recorded.",
        )  # fmt: skip

    def simulation_time(self, units: str = "ms") -> float:
        return self.tstop / {"ms": 1.0, "s": 1000.0}[units.lower()]

    def add_mod(self, module: Any) -> None:
        """Let a module be called: ``initialize``, ``step``, ``block`` and ``finalize``."""
        self._modules.append(module)

    def run(self) -> None:
        """Simulate, and write what the configuration asks for."""
        ranks = ranks_of_launch()
        if self._modules and ranks.size > 1:
            raise ConfigError(
                "modules are not called where several processes share a circuit", field="add_mod",
                fix="Start one process, or leave the modules out.",
            )  # fmt: skip
        progress = None if ranks.rank else line_for_people()
        with ranks.together():
            self._session = prepare(
                self.simulation, self._options, writes=True, keeps=bool(self._modules),
                more=[*([progress] if progress else []), _Modules(self, self._modules)],
                ranks=ranks,
            )  # fmt: skip
            with self._session:
                self._session.advance()
        self.result = Result(self._session.simulation.output_dir)


class _Modules(Watching):
    """Calls a script's modules while a run goes on."""

    def __init__(self, sim: BioSimulator, modules: list[Any]) -> None:
        self.sim, self.modules, self.begun = sim, modules, 0
        self.stepping = [each for each in modules if _does(each, "step")]
        self.blocks = [each for each in modules if _does(each, "block")]

    def start(self, run: Run) -> None:
        self._call("initialize")
        if self.stepping:
            run.pause_at(range(run.n_steps))
        elif self.blocks:
            run.pause_at(range(0, run.n_steps, self.sim.nsteps_block))

    def after(self, run: Run, piece: Piece) -> None:
        for module in self.stepping:
            module.step(self.sim, run.step - 1)
        if run.step % self.sim.nsteps_block == 0 or run.step == run.n_steps:
            for module in self.blocks:
                module.block(self.sim, (self.begun, run.step))
            self.begun = run.step

    def finish(self, run: Run, complete: bool) -> None:
        if complete:
            self._call("finalize")

    def _call(self, hook: str) -> None:
        for module in self.modules:
            if hasattr(module, hook):
                getattr(module, hook)(self.sim)


def _does(module: Any, hook: str) -> bool:
    """Whether a module has a hook of its own."""
    return getattr(type(module), hook, None) not in (None, getattr(SimulatorMod, hook))
