"""All mechanisms by name: the package's, and those of a user's own files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

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
        self._package = set(self._known)
        self._used: set[str] = set()  # of the package's, by cells of this session
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

    def makes_eca(self, names: Iterable[str]) -> bool:
        """Whether eca follows from concentrations of calcium where these are; else it is given."""
        return any(self._known[name].makes_eca() for name in names)

    def is_own(self, name: str) -> bool:
        """Whether it is of a user's file."""
        return not self._known[name].__module__.startswith(__package__ + ".")

    def add(self, mechanism: type[Density]) -> None:
        """Make a mechanism known; its module's name must change with its content.

        It takes the place of the package's of this name, if no cell has that so far: in one session
        a name is one mechanism.

        Raises
        ------
        ModelError : another mechanism has this name.
        """
        name = mechanism.__name__
        there = self._known.get(name)
        if there is None or (name in self._package - self._used and not self.is_own(name)):
            self._known[name] = mechanism
            self._sort()
        elif there.__module__ != mechanism.__module__:
            ours = not self.is_own(name)
            raise ModelError(
                f"cells of this session have the package's {name!r}"
                if ours
                else f"a mechanism {name!r} of other content has been loaded in this session",
                fix="Rename it, or start Python anew.",
            )

    def use(self, names: Iterable[str], own: Collection[str] = ()) -> None:
        """A cell has these mechanisms; ``own`` are those that files of its circuit define.

        Raises
        ------
        ModelError : a file of another circuit has taken the place of one of the package's.
        """
        for name in names:
            if name in self._package and name not in own and self.is_own(name):
                raise ModelError(
                    f"{name!r} is in this session that of {self._known[name].__module__}",
                    fix="Start Python anew for cells with the package's.",
                )
            if name in self._package and not self.is_own(name):
                self._used.add(name)
