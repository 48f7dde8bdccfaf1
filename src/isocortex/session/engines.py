"""Which engine a run has, and the settings it is given."""

from __future__ import annotations

from isocortex.circuit import Simulation
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.exchange import Exchange
from isocortex.engine.interface import Engine, Settings
from isocortex.engine.precision import require_precision
from isocortex.engine.reference import ReferenceEngine
from isocortex.errors import ConfigError
from isocortex.network.network import Network
from isocortex.session.launcher import usable_cores

ENGINES = ("fast", "reference")
DEVICES = ("cpu", "cuda")
INTEGRATORS = {"backward-euler": False, "crank-nicolson": True}


def make_engine(
    network: Network,
    settings: Settings,
    engine: str = "fast",
    exchange: Exchange | None = None,
) -> Engine:
    """``fast`` (compiled, all cores, all ranks, or a GPU) or ``reference`` (NumPy, one process)."""
    require_device(settings, engine, 1 if exchange is None else exchange.size)
    if settings.device == "cuda":
        from isocortex.engine.cuda import CudaEngine

        return CudaEngine(network, settings, exchange)
    if engine == "fast":
        return CpuEngine(network, settings, exchange)
    if exchange is not None and exchange.size > 1:
        raise ConfigError(
            f"the reference engine runs in one process, not in {exchange.size}",
            fix="Use the fast engine, or start one process.",
        )
    if network.n_drawn:
        raise ConfigError(
            "the reference engine does not draw synapses at spikes", fix="Let them be stored."
        )
    return ReferenceEngine(network, settings)


def require_device(settings: Settings, engine: str, ranks: int) -> None:
    """Refuse a GPU that is not there, or that cannot do what is asked for.

    Raises
    ------
    ConfigError : names the option.
    """
    if settings.device == "cpu":
        return
    if engine != "fast":
        raise ConfigError(
            f"the {engine} engine does not run on a GPU", field="device",
            fix="Use the fast engine, or device cpu.",
        )  # fmt: skip
    from isocortex.engine.cuda import machine, require_possible

    require_possible(settings, ranks)
    machine().use()


def make_settings(
    simulation: Simulation,
    *,
    threads: int | None,
    precision: str,
    integrator: str,
    device: str = "cpu",
) -> Settings:
    """Integration settings of a simulation, checked."""
    if integrator not in INTEGRATORS:
        raise ConfigError(
            f"unknown integrator {integrator!r}", fix=f"Use one of {', '.join(INTEGRATORS)}."
        )
    if device not in DEVICES:
        raise ConfigError(
            f"unknown device {device!r}", field="device", fix=f"Use one of {', '.join(DEVICES)}."
        )
    require_precision(precision)
    if threads is not None and threads < 1:
        raise ConfigError(f"{threads} threads", fix="Use at least 1.")
    return Settings(
        dt=simulation.dt,
        celsius=simulation.celsius,
        v_init=simulation.v_init,
        threshold=simulation.spike_threshold,
        second_order=INTEGRATORS[integrator],
        precision=precision,
        threads=threads or usable_cores(),
        device=device,
    )
