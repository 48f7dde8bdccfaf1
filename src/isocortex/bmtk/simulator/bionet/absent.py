"""What BMTK has and there is nothing of here."""

from __future__ import annotations

from isocortex.errors import ConfigError


class AbsentError(ConfigError, AttributeError):
    """An object of NEURON was asked for; ``hasattr`` says that it is not there."""
