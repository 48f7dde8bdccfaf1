"""Whether a network and its engine have room in memory, told before either is made."""

from __future__ import annotations

from collections.abc import Callable

from isocortex.circuit import EdgePopulation, Projection, Simulation
from isocortex.engine.layout.sizes import BASE, Sizes, sizes
from isocortex.network.extent import Extent
from isocortex.network.memory import SORTED, require_memory


def room_for(
    simulation: Simulation,
    *,
    precision: str,
    second_order: bool = False,
    runs: bool = True,
    builders: int = 1,
) -> Callable[[Extent], None]:
    """What ``build_network`` asks before it makes synapses.

    Parameters
    ----------
    builders : processes that build as much on this machine at the same time.
    runs : False if the network is looked at only, and no engine is laid out for it.
    """

    def fits(extent: Extent) -> None:
        """Refuse what this machine has no memory for.

        Raises
        ------
        ConfigError : with what is needed, what is free, and what would need less.
        """
        needed = sizes_of_extent(extent, precision, second_order)
        here = needed.peak - BASE if runs else needed.building  # Python itself is here already
        most = max(extent.stored, key=lambda p: p.expected, default=None)
        if most is not None and SORTED * extent.synapses >= 0.5 * here:
            what, field, fix = _of_synapses(extent, most)
        else:
            compartments = sum(
                n * m.n_compartments for n, m in zip(extent.counts, extent.models, strict=True)
            )
            what = f"{extent.counts.sum():,} cells of {compartments:,} compartments"
            field = "networks.nodes"
            fix = "Make the circuit smaller or the machine larger"
            less = {"double": "single", "single": "mixed"}.get(precision)
            laid_out = here > needed.building and less is not None
            fix += f", or run it in {less} precision." if laid_out else "."
        file = simulation.circuit.config_file
        require_memory(builders * here, what, file=file, field=field, fix=fix)

    return fits


def sizes_of_extent(extent: Extent, precision: str, second_order: bool = False) -> Sizes:
    """Bytes of a network that is not made yet.

    Which compartments stored synapses end on is not known before they are placed: their state,
    which is less than what sorting them takes, is not counted.
    """
    return sizes(
        extent.models,
        extent.counts,
        extent.allowed,
        precision=precision,
        synapses=extent.synapses,
        sources=extent.sources,
        spikes=extent.spikes,
        kinetics=extent.kinetics,
        terminals=extent.terminals,
        driven=extent.driven,
        drawn=extent.drawn,
        second_order=second_order,
    )


def _of_synapses(extent: Extent, most: Projection) -> tuple[str, str, str]:
    """What needs the memory, where it is asked for, and what to do."""
    what = f"{extent.synapses:,.0f} synapses"
    if not isinstance(most, EdgePopulation):
        fix = "Draw them at each spike (--draw-synapses, store_synapses=False), or build a smaller"
        return what, most.name, f"{fix} scale."
    edge = int(most.nsyns.argmax())
    what += f" (edge {edge} alone has nsyns {most.nsyns[edge]:,})"
    fix = "Check nsyns, make the circuit smaller or the machine larger."
    return what, f"edges/{most.name}", fix
