"""Letting a quarantined version have traffic again, by a person's word."""

import time

from headrace.control.controller import Controller
from headrace.control.telling import Telling


def release(  # noqa: PLR0913 - a person says all of this
    controller: Controller, telling: Telling, model: str, number: int, *, who: str, why: str
) -> None:
    """Release a version: nothing is moved by that, but what waits for nobody else to have traffic.

    Its registry is told, so that other servers know.

    Raises:
        Unwanted: it is not quarantined.
        Deposed, StateInvalid: it cannot be written down.
    """
    entry = controller.quarantine.release(model, number, who=who, why=why)
    telling.released(model, number, time.time())
    controller.freed([] if entry is None else [entry])
