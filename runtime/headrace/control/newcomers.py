"""Rollouts that begin by themselves: versions.on_new of a new version says so."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from headrace.config.rollouts import RolloutPlan
from headrace.control import steering
from headrace.control.controller import Controller
from headrace.control.plans import plan_of
from headrace.control.rows import Row
from headrace.errors import ConfigInvalid, HeadraceError, Unwanted
from headrace.repository.folder import Version
from headrace.rollout.course import Course

#: Why one begins by itself.
ON_NEW: Final = "versions.on_new: rollout"


class Newcomers:
    """One thread at a time calls this."""

    def __init__(self, controller: Controller, say: Callable[[str], None]) -> None:
        """``say`` says a line to the operator."""
        self._controller = controller
        self._say = say
        #: Versions whose rollout could not begin, by label, as they were loaded.
        self._refused: dict[str, Version] = {}

    def begin(
        self, courses: Sequence[Course], start: Callable[[str, int, RolloutPlan], object]
    ) -> None:
        """Begin rollouts of those that are due.

        Raises:
            StateInvalid: the database cannot be used now.
        """
        for version, plan in self.due(courses):
            try:
                start(version.model, version.number, plan)
            except Unwanted as error:
                self.refuse(version, error)

    def due(self, courses: Sequence[Course]) -> Iterator[tuple[Version, RolloutPlan]]:
        """Yield the versions that are to have a rollout now, and by which plan.

        What cannot begin, or was refused, is not tried again before it is loaded anew.
        ``courses`` are those that there are, and were.

        Raises:
            StateInvalid: the database cannot be used now.
        """
        asking: dict[str, list[Row]] = {}
        for row in self._controller.held():
            if row.version.config.versions.on_new == "rollout":
                asking.setdefault(row.version.model, []).append(row)
        wanted = self._controller.wanted() if asking else {}
        for model, rows in asking.items():
            mine = [one for one in courses if one.model == model]
            had = {one.record.candidate for one in mine}
            new = steering.newcomer(wanted[model], rows, had) if model in wanted else None
            if new is None or any(one.end is None for one in mine):
                continue
            # As it was read when it was loaded: what is equal may have been loaded anew.
            if self._refused.get(new.label) is new:
                continue
            try:
                if self._controller.store.had_traffic(model, new.number):
                    raise Unwanted("it had traffic before, and somebody took it away")
                plan = plan_of(new.home, model, new.config.versions.plan or "")
            except (ConfigInvalid, Unwanted) as error:
                self.refuse(new, error)
            else:
                yield new, plan

    def refuse(self, version: Version, error: HeadraceError) -> None:
        """Say why one cannot begin, and do not try it again before it is loaded anew."""
        self._refused[version.label] = version
        told = f"no rollout of {version.label} began by itself: {error}"
        self._say(f"{told}; `headrace rollout start {version.label}` begins one")
