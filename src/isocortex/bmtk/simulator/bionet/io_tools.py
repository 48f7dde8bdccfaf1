"""The log that scripts write into."""

from __future__ import annotations

import logging

logger = logging.getLogger("isocortex.bmtk")


class _Log:
    """BMTK's names for the levels of a log."""

    log_debug, log_info, log_warning = logger.debug, logger.info, logger.warning

    def log_exception(self, message: str) -> None:
        logger.error(message)
        raise RuntimeError(message)


io = _Log()
