"""Virtual experiments: what is changed in a circuit, and what follows from it.

>>> from isocortex import experiment as ex  # doctest: +SKIP
>>> lost = ex.lesion({"cell_class": "Pvalb", "area": "MOs"})  # doctest: +SKIP
>>> study = ex.Study(arms={"control": [], "lost": [lost]}, seeds=range(1, 7))  # doctest: +SKIP
>>> study.run("pvalb").compare("rate", by="area")  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isocortex.experiment.changes import (
        background,
        channel,
        clamp,
        conductance,
        current,
        is_removed,
        lesion,
        lose,
        near,
        other_model,
        scattered,
        section,
        shells,
        shot_noise,
        synapses,
        temperature,
    )
    from isocortex.experiment.figures import forest
    from isocortex.experiment.files import read_study
    from isocortex.experiment.presets import preset, preset_names
    from isocortex.experiment.results import StudyResult, open_study
    from isocortex.experiment.study import Study
    from isocortex.experiment.verdict import judge

__all__ = [
    "Study",
    "StudyResult",
    "background",
    "channel",
    "clamp",
    "conductance",
    "current",
    "forest",
    "is_removed",
    "judge",
    "lesion",
    "lose",
    "near",
    "open_study",
    "other_model",
    "preset",
    "preset_names",
    "read_study",
    "scattered",
    "section",
    "shells",
    "shot_noise",
    "synapses",
    "temperature",
]

#: Where each name comes from, imported when it is asked for, as in :mod:`isocortex`.
_MODULES = {
    "Study": "study",
    "StudyResult": "results",
    "forest": "figures",
    "judge": "verdict",
    "open_study": "results",
    "preset": "presets",
    "preset_names": "presets",
    "read_study": "files",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES.get(name, 'changes')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
