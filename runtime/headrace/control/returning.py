"""Models whose source could not be had as the server started: they begin once it can."""

import threading
from collections.abc import Callable, Sequence
from itertools import count

from headrace.control.controller import Controller
from headrace.control.lost import away
from headrace.control.troubles import Troubles
from headrace.errors import HeadraceError
from headrace.registry.redacting import trace
from headrace.retrying import Retry, jittered


class Returning:
    """Asks for them again, ever more rarely, until there is none left."""

    def __init__(
        self,
        controller: Controller,
        say: Callable[[str], None],
        whom: Callable[[str], str],
        *,
        retry: Retry = jittered,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Take whom to tell, and whom to ask.

        Args:
            controller: begins with them.
            say: says a line to the operator; any thread may call it.
            whom: returns the registry or bucket that a model's source is asked of.
            retry: when to try again.
            sleep: until then.
        """
        self._controller = controller
        self._say = say
        self._whom = whom
        self._retry = retry
        self._sleep = sleep or threading.Event().wait

    def begin(self) -> None:
        """Ask all registries at once, each from a thread of its own: one may hang for minutes."""
        by: dict[str, list[str]] = {}
        for model in sorted(self._away()):
            by.setdefault(self._whom(model), []).append(model)
        for models in by.values():
            threading.Thread(target=self.run, args=(models,), name="returning", daemon=True).start()

    def run(self, models: Sequence[str]) -> None:
        """Ask until all of these are there."""
        troubles = Troubles(self._say)
        for tries in count(1):
            if self._away().isdisjoint(models):
                return
            self._sleep(self._retry(tries))
            self._look(models, troubles)

    def _away(self) -> set[str]:
        return set(away(self._controller.lost()))

    def _look(self, models: Sequence[str], troubles: Troubles) -> None:
        troubles.begin_look()
        for model in models:
            if model not in self._away():
                continue
            try:
                _, begins = self._controller.come(model)
            except HeadraceError as error:
                troubles.meet(f"{model} is still not served: {error}")
            # Whatever was not foreseen: it and the others are asked for again all the same.
            except Exception as error:
                troubles.meet(f"{model} is still not served: {trace(error)}")
            else:
                if begins:  # else somebody loaded it meanwhile, and knows
                    self._say(f"{model} is there now, and begins")
