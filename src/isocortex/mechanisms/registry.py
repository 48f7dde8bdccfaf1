"""All mechanisms by name: the package's, and those of a user's own files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from isocortex.errors import ModelError
from isocortex.mechanisms.density import Density


class Registry(Mapping[str, type[Density]]):
    """Mechanisms by the names fit files use; to be added to, never changed.

    Pools of calcium come first, since NEURON advances concentrations before the channels that read
    them, then the others by name: in this order currents are summed, so results do not depend on
    which files were loaded before.
    """

    def __init__(self, mechanisms: tuple[type[Density], ...]) -> None:
        self._known = {mechanism.__name__: mechanism for mechanism in mechanisms}
        self._sort()

    def _sort(self) -> None:
        def first(name: str) -> tuple[bool, str]:
            return not self._known[name].is_pool(), name

        self._known = {name: self._known[name] for name in sorted(self._known, key=first)}

    def __getitem__(self, name: str) -> type[Density]:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def pool(self, names: Iterable[str]) -> str | None:
        """Which of some mechanisms is a pool of calcium."""
        return next((name for name in names if self._known[name].is_pool()), None)

    def is_own(self, name: str) -> bool:
        """Whether it is of a user's file."""
        return not self._known[name].__module__.startswith(__package__ + ".")

    def add(self, mechanism: type[Density]) -> None:
        """Make a mechanism known; its module's name must change with its content.

        Raises
        ------
        ModelError : another mechanism has this name.
        """
        name = mechanism.__name__
        there = self._known.get(name)
        if there is None:
            self._known[name] = mechanism
            self._sort()
        elif there.__module__ != mechanism.__module__:
            ours = not self.is_own(name)
            raise ModelError(
                f"{name!r} is a mechanism of the package"
                if ours
                else f"a mechanism {name!r} of other content has been loaded in this session",
                fix="Give it another name." if ours else "Rename it, or start Python anew.",
            )
