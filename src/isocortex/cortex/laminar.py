"""In which layers of its target a projection ends (Harris et al. 2019, Reimann et al. 2019)."""

from __future__ import annotations

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cortex.atlas import LAYERS, PROJECTION_CLASSES, Atlas
from isocortex.errors import ModelError

#: Layer of the profiles for each of ``LAYERS``: 6a and 6b share one.
_PROFILE_LAYER = np.array([0, 1, 2, 3, 4, 4])


def profile_weights(
    atlas: Atlas, projection: str, source: str | None = None, target: str | None = None
) -> FloatArray:
    """How much each of the six laminar profiles contributes to a projection.

    The frequencies of the source's class (Harris et al. 2019, figure 5) are, for a pathway,
    multiplied by those of its modules (figure 8) over what the classes that connect these modules
    would give, and the profiles 2, 4 and 6 are halved up the hierarchy, 1, 3 and 5 down it
    (Reimann et al. 2019). Where these authors give each pathway its most frequent profile, here
    all six are mixed. Areas without a hierarchy score stand in the middle.

    Parameters
    ----------
    projection : class of source neurons: 23, 4, 5it, 5pt or 6.
    source, target : areas, both or neither.

    Returns
    -------
    (6,) sum 1.
    """
    frequency = _frequencies(atlas)
    if projection not in frequency:
        raise ModelError(
            f"there is no laminar profile for projection class {projection!r}",
            fix=f"Choose from {', '.join(frequency)}.",
        )
    weights = frequency[projection]
    if source is not None and target is not None:
        module = atlas.areas["module"]
        weights = weights * _module_factor(atlas, frequency, module[source], module[target])
        hierarchy = atlas.areas["hierarchy"].fillna(atlas.areas["hierarchy"].median())
        climb = hierarchy[target] - hierarchy[source]
        if climb > 0:
            weights = weights * (1.0, 0.5, 1.0, 0.5, 1.0, 0.5)
        elif climb < 0:
            weights = weights * (0.5, 1.0, 0.5, 1.0, 0.5, 1.0)
    return weights / weights.sum()


def _module_factor(
    atlas: Atlas, frequency: dict[str, FloatArray], source: str, target: str
) -> FloatArray:
    """Frequencies seen between modules over those expected from the classes that connect them."""
    kind = "intra" if source == target else "inter"
    seen = np.array(atlas.laminar["frequency_by_module"][f"{source}_{kind}"])
    module = atlas.areas["module"].to_numpy()
    pairs = np.ix_(module == source, module == target)
    expected = np.zeros(6)
    for name in PROJECTION_CLASSES[1:]:
        expected += np.count_nonzero(atlas.connectome.matrix(name)[pairs]) * frequency[name]
    return (seen / seen.sum()) / (expected / expected.sum()) if expected.any() else np.ones(6)


def target_layers(
    atlas: Atlas, projection: str, source: str | None = None, target: str | None = None
) -> FloatArray:
    """Share of a projection's synapses in each layer of its target.

    A profile's density in a layer counts in proportion to the layer's volume, in the target area
    or, without one, in the whole cortex; layer 6 is one layer to the profiles.

    Returns
    -------
    (6,) over ``LAYERS``, sum 1.
    """
    rows = atlas.area_layer if target is None else atlas.area_layer[atlas.area_layer.area == target]
    volume = rows.groupby("layer")["volume_mm3"].sum().reindex(LAYERS, fill_value=0.0)
    share = np.array(atlas.laminar["profiles"])[:, _PROFILE_LAYER] * volume.to_numpy()
    share /= share.sum(axis=1, keepdims=True)
    return (profile_weights(atlas, projection, source, target)[:, None] * share).sum(axis=0)


def target_layers_of_all(atlas: Atlas, projection: str) -> FloatArray:
    """``target_layers`` for every pair of areas: (source, target, ``LAYERS``)."""
    names = list(atlas.areas.index)
    volume = np.zeros((len(names), len(LAYERS)))
    volume[atlas.row_area, atlas.row_layer] = atlas.area_layer["volume_mm3"]
    # (target, profile, layer)
    share = np.array(atlas.laminar["profiles"])[None, :, _PROFILE_LAYER] * volume[:, None, :]
    share /= share.sum(axis=2, keepdims=True)
    hierarchy = atlas.areas["hierarchy"].fillna(atlas.areas["hierarchy"].median()).to_numpy()
    module = atlas.areas["module"].to_numpy()
    frequency = _frequencies(atlas)
    factor = {
        (a, b): _module_factor(atlas, frequency, a, b) for a in set(module) for b in set(module)
    }
    weights = frequency[projection] * np.array([[factor[a, b] for b in module] for a in module])
    climb = np.sign(hierarchy[None, :] - hierarchy[:, None])
    odd = np.array((1.0, 0.5, 1.0, 0.5, 1.0, 0.5))
    halved = np.where(climb[..., None] > 0, odd, np.where(climb[..., None] < 0, odd[::-1], 1.0))
    weights = weights * halved
    weights /= weights.sum(axis=2, keepdims=True)
    return (weights[..., None] * share).sum(axis=2)


def _frequencies(atlas: Atlas) -> dict[str, FloatArray]:
    """Of the six profiles, by projection class, of mean 1."""
    return {
        name: 6.0 * np.array(values) / np.sum(values)
        for name, values in atlas.laminar["frequency_by_class"].items()
    }
