"""What an experiment does to a circuit: each function makes a change, as plain data.

Node sets are names, queries such as ``{"ei": "e"}``, what :func:`near` makes, or lists of node ids;
None means all nodes.
Times are ms, currents nA. ``as_json()`` of a change is its entry in ``isocortex.changes`` of a
simulation configuration; :func:`section` makes the whole section.

>>> from isocortex import experiment as ex  # doctest: +SKIP
>>> gaba = ex.synapses(source={"ei": "i"}, target={"area": "VISp"}, weight=0.0, start=1000)
>>> drug = ex.channel({"ei": "e"}, "NaTs NaV", gbar=0.8, start=2000)  # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.circuit.changes import (
    CHANGES,
    OURS,
    Change,
    ChannelChange,
    ClampChange,
    ConductanceChange,
    CurrentChange,
    Lesion,
    ModelChange,
    RateChange,
    ShotNoiseChange,
    SynapseChange,
    TemperatureChange,
)
from isocortex.circuit.near import NEAR, read_near
from isocortex.network.factors import place_of, removal_key

__all__ = [
    "Change",
    "background",
    "channel",
    "clamp",
    "conductance",
    "current",
    "is_removed",
    "lesion",
    "lose",
    "near",
    "other_model",
    "scattered",
    "section",
    "shells",
    "shot_noise",
    "synapses",
    "temperature",
]


def synapses(
    *,
    source: Any = None,
    target: Any = None,
    weight: float | None = None,
    removed: float | None = None,
    decay: float | None = None,
    rise: float | None = None,
    use: float | None = None,
    recovery: float | None = None,
    facilitation: float | None = None,
    delay: float | None = None,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
) -> SynapseChange:
    """The synapses from some nodes onto some: all are factors, but for a share that is removed.

    Parameters
    ----------
    weight : on the weights.
    removed : share of the connections, 0..1; a larger share has all of a smaller one
        (:func:`is_removed`).
    decay, rise : on the time constants with which conductances decay and rise.
    use, recovery, facilitation : of synapses with short-term plasticity on U, and on the times in
        which depression (tau_rec) and facilitation (tau_facil) fade.
    delay : on the delays, from the beginning to the end.

    Raises
    ------
    ConfigError : none of them is given, or one cannot be.
    """
    return SynapseChange(
        source=source, target=target, weight=weight, removed=removed, decay=decay, rise=rise,
        use=use, recovery=recovery, facilitation=facilitation, delay=delay, start=start, stop=stop,
        name=name,
    )  # fmt: skip


def is_removed(
    share: float,
    source: Any,
    target: Any,
    *,
    source_population: str = "cortex",
    target_population: str = "cortex",
) -> NDArray[np.bool_]:
    """Which connections :func:`synapses` takes away with a share of ``removed``.

    It says so of any two nodes, whether or not there is a connection between them, and the same in
    every seed.

    Parameters
    ----------
    source, target : int[n], rows of the nodes in their populations, counted from 0: in a cortex
        their node ids.

    Returns
    -------
    bool[n].

    Raises
    ------
    ConfigError : it is no share.

    Examples
    --------
    >>> is_removed(0.5, [0, 0, 0, 1], [1, 2, 3, 0]).tolist()
    [False, True, False, False]
    """
    SynapseChange(removed=share)  # refuses what is none
    source, target = np.broadcast_arrays(source, target)
    key = removal_key(source_population, target_population)
    # of one pair, too, in arrays: NumPy warns of single numbers that overflow, as these are to
    place = place_of(key, source.reshape(-1), target.reshape(-1))
    return place.reshape(source.shape) < share


def channel(
    node_set: Any,
    mechanisms: str,
    section: str | None = None,
    *,
    to: Mapping[str, float] | None = None,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
    **times: float,
) -> ChannelChange:
    """Parameters of mechanisms times a factor, or to a value.

    Parameters
    ----------
    mechanisms : one or more names, separated by spaces, see :class:`ChannelChange`.
    section : ``soma``, ``axon``, ``basal`` or ``apical``; None for all.
    to : values by parameter, in the mechanism's own unit.
    times : factors by parameter, such as ``gbar=0.8``.

    Raises
    ------
    ConfigError : a section is unknown, no parameter is given, or a value cannot be.
    """
    return ChannelChange(
        node_set=node_set,
        mechanisms=tuple(mechanisms.split()) if isinstance(mechanisms, str) else mechanisms,
        section=section, times=times, to={} if to is None else to, start=start, stop=stop,
        name=name,
    )  # fmt: skip


def other_model(
    node_set: Any, model: str | None = None, *, node_type: int | None = None, name: str = ""
) -> ModelChange:
    """Another model for some cells, from the beginning to the end.

    Parameters
    ----------
    model : an embedded cell, by its id (``isocortex cells list``); or
    node_type : a type of the table of node types of their file.
    """
    return ModelChange(node_set=node_set, model=model, node_type=node_type, name=name)


def lesion(
    node_set: Any, *, start: float = 0.0, stop: float | None = None, name: str = ""
) -> Lesion:
    """Cut nodes off: no spike leaves them, none reaches them."""
    return Lesion(node_set=node_set, start=start, stop=stop, name=name)


def lose(
    node_set: Any,
    share: float,
    *,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
) -> Lesion:
    """Cut a share (0..1) of the nodes off; a larger share has all of a smaller one."""
    return Lesion(node_set=node_set, share=share, start=start, stop=stop, name=name)


def current(
    node_set: Any, amp: float, *, start: float = 0.0, stop: float | None = None, name: str = ""
) -> CurrentChange:
    """A constant current (nA) into the somata of some cells."""
    return CurrentChange(node_set=node_set, amp=amp, start=start, stop=stop, name=name)


def conductance(
    node_set: Any,
    mean: float,
    sigma: float,
    *,
    tau: float = 3.0,
    reversal: float = 0.0,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
) -> ConductanceChange:
    """A random conductance (Ornstein-Uhlenbeck) in the somata of some cells, each its own.

    Parameters
    ----------
    mean, sigma : uS; tau : ms; reversal : mV.
    """
    return ConductanceChange(
        node_set=node_set, mean=mean, sigma=sigma, tau=tau, reversal=reversal, start=start,
        stop=stop, name=name,
    )  # fmt: skip


def shot_noise(
    node_set: Any,
    rate: float,
    amp_mean: float,
    amp_var: float = 0.0,
    *,
    rise_time: float = 0.4,
    decay_time: float = 4.0,
    reversal: float | None = None,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
) -> ShotNoiseChange:
    """Random events in the somata of some cells, each its own: filtered Poisson noise.

    Parameters
    ----------
    rate : of events, Hz.
    amp_mean, amp_var : of their sizes; nA and nA2, or of a conductance uS and uS2.
    rise_time, decay_time : ms.
    reversal : mV, of a conductance; None for a current.
    """
    return ShotNoiseChange(
        node_set=node_set, rate=rate, amp_mean=amp_mean, amp_var=amp_var, rise_time=rise_time,
        decay_time=decay_time, reversal=reversal, start=start, stop=stop, name=name,
    )  # fmt: skip


def clamp(
    node_set: Any,
    voltage: float,
    *,
    resistance: float = 0.01,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
) -> ClampChange:
    """The somata of some cells held at a voltage (mV) through a resistance (MOhm)."""
    return ClampChange(node_set=node_set, voltage=voltage, resistance=resistance, start=start,
                       stop=stop, name=name)  # fmt: skip


def temperature(
    celsius: float, *, start: float = 0.0, stop: float | None = None, name: str = ""
) -> TemperatureChange:
    """The temperature of all cells, degC: rates of their channels."""
    return TemperatureChange(celsius=celsius, start=start, stop=stop, name=name)


def background(
    node_set: Any,
    rate_factor: float,
    *,
    start: float = 0.0,
    stop: float | None = None,
    name: str = "",
) -> RateChange:
    """Rates of the Poisson trains of some nodes, such as the background's, times a factor."""
    return RateChange(node_set=node_set, factor=rate_factor, start=start, stop=stop, name=name)


def near(points: Any, um: float = math.inf, *, beyond: float = 0.0, **query: Any) -> dict[str, Any]:
    """A node set: nodes whose somata lie within ``um`` of the nearest of some points.

    Parameters
    ----------
    points : float[n, 3], um; or :func:`scattered` ones.
    um : at most so far from the nearest; by default any distance.
    beyond : and farther from it than this: ``near(points, beyond=20)`` are all that
        ``near(points, 20)`` are not, ``near(points, 50, beyond=20)`` a shell.
    query : what else they must be, such as ``area="VISp"``.

    Raises
    ------
    ConfigError : these are no points or distances.
    """
    scatter = isinstance(points, Mapping)
    told: dict[str, Any] = {"points": dict(points) if scatter else np.asarray(points).tolist()}
    if um != math.inf:
        told["um"] = um
    if beyond != 0.0:
        told["beyond"] = beyond
    read_near(told, None, NEAR)
    return {**query, NEAR: told}


def shells(
    points: Any, values: Mapping[float, float], **query: Any
) -> list[tuple[dict[str, Any], float]]:
    """Node sets about points, farther and farther from them, each with a value: a gradient.

    Parameters
    ----------
    points : float[n, 3], um; or :func:`scattered` ones.
    values : by the distance up to which they hold, um; infinite for all the rest.
    query : what else the nodes must be, such as ``area="VISp"``.

    Examples
    --------
    >>> plaques = scattered(500, what="plaques")
    >>> loss = {20: 0.5, 50: 0.35, math.inf: 0.25}
    >>> [synapses(target=nodes, removed=share) for nodes, share in shells(plaques, loss)][0].removed
    0.5
    """
    borders = sorted(values)
    return [
        (near(points, um, beyond=inner, **query), values[um])
        for inner, um in zip([0.0, *borders], borders, strict=False)
    ]


def scattered(density_mm3: float, *, seed: int = 0, what: str = "points") -> dict[str, Any]:
    """Points at random everywhere, such as plaques, for :func:`near`.

    Parameters
    ----------
    density_mm3 : points per mm3; a larger density has all points of a smaller one.
    seed, what : the same points wherever both are the same.
    """
    return {"density_mm3": density_mm3, "seed": seed, "what": what}


def section(changes: Iterable[Change]) -> dict[str, Any]:
    """What goes into a simulation configuration: ``{"isocortex": {"changes": [...]}}``."""
    return {OURS: {CHANGES: [change.as_json() for change in changes]}}
