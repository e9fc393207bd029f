"""Rollouts that begin by themselves: versions.on_new of a new version says so."""

from collections.abc import Callable
from typing import Final, Protocol

from headrace.config.rollouts import RolloutPlan
from headrace.control import steering
from headrace.control.controller import ITSELF, Controller
from headrace.control.plans import plan_of
from headrace.errors import ConfigInvalid, Unwanted
from headrace.rollout.course import Course

#: Why one begins by itself.
ON_NEW: Final = "versions.on_new: rollout"


class Starts(Protocol):
    """Begins rollouts."""

    def all(self, model: str = "") -> list[Course]:
        """Return those that there are, and were."""
        ...

    def start(  # noqa: PLR0913 - a rollout is all of this
        self, model: str, candidate: int, plan: RolloutPlan, *, baseline: int | None,
        who: str, why: str,
    ) -> Course:  # fmt: skip
        """Begin one. Raises Unwanted."""
        ...


class Newcomers:
    """One thread at a time calls this."""

    def __init__(self, controller: Controller, say: Callable[[str], None]) -> None:
        """``say`` says a line to the operator."""
        self._controller = controller
        self._say = say
        #: Versions whose rollout could not begin, by label.
        self._refused: set[str] = set()

    def begin(self, rollouts: Starts) -> None:
        """Begin those that are due; none that cannot begin is tried again.

        Raises:
            StateInvalid: the database cannot be used now.
        """
        rows = self._controller.versions(look=False)
        for model, wanted in self._controller.wanted().items():
            mine = rollouts.all(model)
            had = {one.record.candidate for one in mine}
            of_model = [row for row in rows if row.version.model == model]
            new = steering.newcomer(wanted, of_model, had)
            if new is None or new.label in self._refused or any(one.end is None for one in mine):
                continue
            try:
                if self._controller.store.had_traffic(model, new.number):
                    raise Unwanted("it had traffic before, and somebody took it away")
                plan = plan_of(new.home, model, new.config.versions.plan or "")
                rollouts.start(model, new.number, plan, baseline=None, who=ITSELF, why=ON_NEW)
            except (ConfigInvalid, Unwanted) as error:
                self._refused.add(new.label)
                self._say(f"no rollout of {new.label} began by itself: {error}")
