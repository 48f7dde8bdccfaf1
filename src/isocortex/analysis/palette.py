"""Colours of areas, layers and classes, in the viewer and in pictures alike.

They are told apart with any kind of colour vision, on dark and, through :func:`on_light`, on white.
"""

from __future__ import annotations

import colorsys
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from isocortex.analysis.style import colours
from isocortex.cortex.atlas import LAYERS as LAYER_NAMES
from isocortex.cortex.atlas import Atlas

#: Okabe and Ito's hues, lightened where they would be too dark on black.
DISTINCT = (
    "#56B4E9", "#E69F00", "#2FBF94", "#D98CC0", "#F0E442", "#F2703D", "#5C8DF0", "#B7B7B7",
)  # fmt: skip
#: Hue of each module of areas (Harris et al. 2019): one of ``DISTINCT`` each.
MODULES = {
    "prefrontal": "#E69F00",
    "somatomotor": "#56B4E9",
    "anterolateral": "#D98CC0",
    "temporal": "#F0E442",
    "visual": "#2FBF94",
    "medial": "#F2703D",
}
#: From the pia to the white matter: viridis, lighter at its dark end.
LAYERS = ("#FDE725", "#9BD93C", "#4AC16D", "#27AD81", "#3A9BB8", "#7C83C9")
#: By class of the cortex model: excitatory ones warm, inhibitory ones cold.
CLASSES = {
    "IT": "#F2B56B", "ET": "#F2703D", "NP": "#E8D44A", "CT": "#D98CC0", "6b": "#B58863",
    "Pvalb": "#56B4E9", "Sst": "#2FBF94", "Vip": "#8C7BE8", "Inh": "#9FC3D6",
}  # fmt: skip
SIDES = {"left": "#56B4E9", "right": "#E69F00"}
EI = {"e": "#F2B56B", "i": "#56B4E9"}


def by_module(atlas: Atlas) -> list[str]:
    """All areas, those of a module side by side, else in the order of the atlas."""
    modules = list(dict.fromkeys(atlas.areas["module"]))
    order = atlas.areas["module"].map(modules.index).sort_values(kind="stable")
    return [str(name) for name in order.index]


def on_light(colour: str) -> str:
    """A colour of the same hue that is dark enough for white; the viewer's page does the same."""
    red, green, blue = _rgb(colour)
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    factor = min(1.0, (0.42 + 0.35 * (luminance - 0.42)) / max(luminance, 1e-3))
    return _hex(factor * red, factor * green, factor * blue)


def area_colours(atlas: Atlas, names: Sequence[str]) -> list[str]:
    """Areas of one module share a hue and differ in lightness."""
    modules = atlas.areas["module"].to_dict()
    result = []
    for name in names:
        fellows = [n for n in names if modules[n] == modules[name]]
        shade = fellows.index(name) / max(len(fellows) - 1, 1) - 0.5
        hue, light, saturation = colorsys.rgb_to_hls(*_rgb(MODULES[modules[name]]))
        light = float(np.clip(light + 0.26 * shade, 0.35, 0.85))
        result.append(_hex(*colorsys.hls_to_rgb(hue, light, saturation)))
    return result


def group_colours(names: Iterable[Hashable]) -> dict[Hashable, str]:
    """Colours on white of groups of cells: classes, layers, E and I as the viewer has them.

    Excitatory cells of a layer (``L5 E``), beside inhibitory classes, share the hue of excitation
    and are darker the deeper they lie. Groups of any other name get a colour each.
    """
    names = list(names)
    layers = [f"L{layer}" for layer in LAYER_NAMES]
    known = {**dict(zip(layers, LAYERS, strict=True)), **CLASSES, **EI}
    deep = [f"{layer} E" for layer in layers if f"{layer} E" in names]
    hue, _, saturation = colorsys.rgb_to_hls(*_rgb(EI["e"]))
    for name, light in zip(deep, np.linspace(0.56, 0.24, len(deep)), strict=True):
        known[name] = _hex(*colorsys.hls_to_rgb(hue, float(light), 0.8 * saturation))
    if not all(name in known for name in names):
        return colours(names)
    return {n: known[str(n)] if n in deep else on_light(known[str(n)]) for n in names}


def allen_colours(atlas: Atlas, names: Sequence[str]) -> list[str]:
    """The Allen Institute's own; neighbours resemble each other."""
    return [str(atlas.areas["colour"][name]) for name in names]


def distinct(count: int) -> list[str]:
    """As many colours as there are names; after eight they repeat, lighter and darker."""
    result = []
    for k in range(count):
        hue, light, saturation = colorsys.rgb_to_hls(*_rgb(DISTINCT[k % len(DISTINCT)]))
        light += (0.0, 0.12, -0.12)[k // len(DISTINCT) % 3]
        result.append(_hex(*colorsys.hls_to_rgb(hue, min(light, 0.9), saturation)))
    return result


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue


def _hex(red: float, green: float, blue: float) -> str:
    return "#" + "".join(f"{round(255 * c):02X}" for c in (red, green, blue))
