"""`pb_utils.Logger`: lines with the name of the model that is being called."""

import logging
from contextvars import ContextVar
from typing import Final

#: Of the model that this thread calls; a thread of the model's own has none.
speaker: ContextVar[logging.Logger | None] = ContextVar("headrace_triton_logger", default=None)
#: Triton's level → Python's.
LEVELS: Final = (logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG)


class Logger:
    """Triton's levels; lines come where those of ``logging`` come."""

    INFO: Final = 0
    WARNING: Final = 1
    ERROR: Final = 2
    VERBOSE: Final = 3

    @staticmethod
    def log(message: str, level: int = INFO) -> None:
        """Write a line of this level.

        Raises:
            ValueError: there is no such level.
        """
        if level not in range(len(LEVELS)):
            raise ValueError(f"Logger has no level {level!r}: expected one of its constants")
        log = speaker.get() or logging.getLogger("headrace.model")
        log.log(LEVELS[level], "%s", message)

    @staticmethod
    def log_info(message: str) -> None:
        """Write a line of level INFO."""
        Logger.log(message, Logger.INFO)

    @staticmethod
    def log_warn(message: str) -> None:
        """Write a line of level WARNING."""
        Logger.log(message, Logger.WARNING)

    @staticmethod
    def log_error(message: str) -> None:
        """Write a line of level ERROR."""
        Logger.log(message, Logger.ERROR)

    @staticmethod
    def log_verbose(message: str) -> None:
        """Write a line of level VERBOSE, Python's DEBUG."""
        Logger.log(message, Logger.VERBOSE)
