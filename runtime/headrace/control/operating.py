"""What clients wish over the wire: the protocol's load and unload of a model."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final

from headrace.control import orders
from headrace.control.controller import Controller
from headrace.errors import HeadraceError, Unchanged, Unwanted
from headrace.models.lifecycle import State

#: Who changed what, in the journal: no client says who he is.
CLIENT: Final = "a client of the serving ports"


class Operating:
    """Has wishes done, each on a thread of its own, for loading may take minutes.

    The gateway bounds how many are under way.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def take(self, operation: str, model: str, done: Callable[[str], None]) -> None:
        """Begin; ``done`` is called at the end, with why it was not done, or nothing."""

        def run() -> None:
            try:
                done(self._perform(operation, model))
            except HeadraceError as error:
                done(str(error))
            except Exception as error:
                # The client must not wait for what nobody does any more.
                done(f"{type(error).__name__}: {error}")
                raise

        # A daemon: what it waits for may never be ready, and the server ends all the same.
        Thread(target=run, name="operation", daemon=True).start()

    def _perform(self, operation: str, model: str) -> str:
        """Do as Triton does: the highest version takes the place of all others."""
        why = "asked for by the protocol"
        if operation == "unload":
            # To unload what is not loaded is no error.
            with suppress(Unwanted):
                self._controller.obey(orders.unload(model, None), who=CLIENT, why=why)
            return ""
        try:
            version = self._controller.load(model, None, swap=True, who=CLIENT, why=why)
        except Unchanged:
            # It has all traffic, or will have it.
            version = max(one.version.number for one in self._controller.held(model))
        standing = self._controller.wait(model, version)
        return "" if standing.state is State.READY else f"version {version}: {standing.reason}"
