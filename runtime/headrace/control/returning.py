"""Models whose source could not be had as the server started: they begin once it can."""

import threading
import traceback
from collections.abc import Callable
from itertools import count

from headrace.control.controller import Controller
from headrace.control.lost import away
from headrace.control.troubles import Troubles
from headrace.errors import HeadraceError
from headrace.retrying import Retry, jittered


class Returning:
    """Asks for them again, ever more rarely, until there is none left."""

    def __init__(
        self,
        controller: Controller,
        say: Callable[[str], None],
        *,
        retry: Retry = jittered,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """``say`` says a line to the operator."""
        self._controller = controller
        self._say = say
        self._troubles = Troubles(say)
        self._retry = retry
        self._sleep = sleep or threading.Event().wait

    def begin(self) -> None:
        """Ask from a thread of its own, if there is anything to ask for."""
        if away(self._controller.lost()):
            threading.Thread(target=self.run, name="returning", daemon=True).start()

    def run(self) -> None:
        """Ask until all of them are there."""
        for tries in count(1):
            if not away(self._controller.lost()):
                return
            self._sleep(self._retry(tries))
            self._look()

    def _look(self) -> None:
        self._troubles.begin_look()
        for model in away(self._controller.lost()):
            try:
                self._controller.come(model)
            except HeadraceError as error:
                self._troubles.meet(f"{model} is still not served: {error}")
            # Whatever was not foreseen: it and the others are asked for again all the same.
            except Exception:
                self._troubles.meet(f"{model} is still not served: {traceback.format_exc()}")
            else:
                self._say(f"{model} is there now, and begins")
