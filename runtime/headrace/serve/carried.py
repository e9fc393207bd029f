"""What a gateway carries itself, without hosts, and how that goes."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from headrace.execution.unhosted import Carriage, Carry, CoreCarriage, Word, words
from headrace.models.lifecycle import Standing, State

#: Calls that are on their way end by themselves; nobody waits for them.
AT_ONCE_S: Final = 0.0


class Carried:
    """One thread says what is to be carried; each version has one more until it serves."""

    def __init__(self, carry: Carry, hear: Callable[[Carriage, Word], None]) -> None:
        """``hear`` is called with how a version stands, in threads of their own."""
        self._carry = carry
        self._hear = hear
        self._open: dict[str, tuple[Carriage, CoreCarriage | None]] = {}
        #: Labels of those that were not tried yet.
        self.untried: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def want(self, carriages: Sequence[Carriage]) -> None:
        """Carry these from now on, and no others."""
        wanted = {one.label: one for one in carriages}
        for label, (carriage, carried) in list(self._open.items()):
            if wanted.get(label) != carriage:
                del self._open[label]
                if carried is not None:
                    carried.close(AT_ONCE_S)
        for label in wanted.keys() - self._open.keys():
            self._begin(wanted[label])

    def _begin(self, carriage: Carriage) -> None:
        try:
            carried = self._carry(carriage)
        except ValueError as error:
            self._open[carriage.label] = carriage, None
            self._hear(carriage, Word(Standing(State.FAILED, str(error))))
            return
        self._open[carriage.label] = carriage, carried
        with self._lock:
            self.untried |= {carriage.label}
        threading.Thread(
            target=self._follow, args=(carriage, carried), name=carriage.label, daemon=True
        ).start()

    def _follow(self, carriage: Carriage, carried: CoreCarriage) -> None:
        for word in words(carriage, carried):
            self._hear(carriage, word)
            self._tried(carriage.label)
        self._tried(carriage.label)

    def _tried(self, label: str) -> None:
        with self._lock:
            self.untried -= {label}
