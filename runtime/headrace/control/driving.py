"""The engine that brings about what is wanted, and how versions stand there."""

from collections.abc import Callable, Mapping
from typing import Final

from headrace.control.aim import assignments, divisions, held_back
from headrace.control.engine import Assignment, Divisions, Engine, by_model
from headrace.control.wanted import Wanted
from headrace.execution.policy import AWAITED
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version

Aim = tuple[list[Assignment], Divisions]
#: For gateways to take a table; one that stands still is replaced sooner.
CATCH_UP_S: Final = 30.0


class Driving:
    """Whoever calls this has the controller's lock, but for `catch_up`."""

    def __init__(self, barred: Callable[[str], frozenset[int]]) -> None:
        """``barred``: returns the versions of a model that get no traffic by themselves."""
        self._barred = barred
        self.engine: Engine | None = None
        #: Versions that failed and were asked for anew, for as long as the engine does not know.
        self._anew: set[str] = set()
        #: Versions that the engine was not told to carry, for others end first.
        self._held_back: frozenset[str] = frozenset()

    def aim(self, wanted: Mapping[str, Wanted], versions: Mapping[str, Version]) -> Aim:
        """Return what is to be carried, and how requests are divided."""
        self._held_back = held_back(wanted, self.standings())
        divided = divisions(wanted, versions, self._barred)
        return assignments(wanted, versions, self._held_back), divided

    def tell(self, wanted: Mapping[str, Wanted], versions: Mapping[str, Version]) -> None:
        """Have the engine bring it about."""
        if self.engine is not None:
            self.engine.want(*self.aim(wanted, versions))

    def holds_others_back(
        self, wanted: Mapping[str, Wanted], standings: Mapping[str, Standing]
    ) -> bool:
        """Whether other versions are to be carried by now than the engine was told."""
        return self._held_back != held_back(wanted, standings)

    def catch_up(self, limit_s: float = CATCH_UP_S) -> None:
        """Wait until every gateway has the table of what is wanted now, for so long at most."""
        if self.engine is not None:
            self.engine.catch_up(limit_s)

    def ask_anew(self, label: str) -> None:
        """Take a version that failed as awaited, until the engine says that it loads it again."""
        self._anew.add(label)

    def hear(self, standings: Mapping[str, Standing]) -> dict[str, dict[int, Standing]]:
        """Take how versions stand by now, and return it by model and number."""
        self._anew &= {label for label, one in standings.items() if one.state is State.FAILED}
        return by_model(self._known(standings))

    def stand(self) -> dict[str, Standing]:
        """Return how versions stand, those that were asked for anew as awaited."""
        return self._known(self.standings())

    def standing(self, label: str) -> Standing | None:
        """Return how a version stands; None of one that is to come."""
        return None if label in self._anew else self.standings().get(label)

    def standings(self) -> Mapping[str, Standing]:
        """Return how versions stand, as the engine has it."""
        return {} if self.engine is None else self.engine.standings()

    def _known(self, standings: Mapping[str, Standing]) -> dict[str, Standing]:
        return {**standings, **dict.fromkeys(self._anew & set(standings), AWAITED)}
