"""Rollouts as they are known: here, in the database, in a table of traffic, and to registries."""

import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from headrace.control import steering
from headrace.control.controller import Controller
from headrace.control.courses import MOST_KEPT
from headrace.control.lost import away
from headrace.control.starting import ITSELF
from headrace.control.telling import Telling
from headrace.control.wanted import Wanted
from headrace.errors import HeadraceError, Unchanged, Unwanted
from headrace.rollout.course import Course, End


@dataclass(frozen=True)
class Clocks:
    """Seconds since 1970, for what is said; and of a clock that only goes forward, for the rest."""

    time: Callable[[], float] = clock.time
    ticks: Callable[[], float] = clock.monotonic


class CourseBook:
    """Any thread may read; one at a time writes."""

    def __init__(self, controller: Controller, telling: Telling, clocks: Clocks) -> None:
        """Read what the database has."""
        self._controller = controller
        self._telling = telling
        self._clocks = clocks
        #: Replaced, so that who reads needs no lock.
        self._courses: Mapping[int, Course] = {}
        self._kept_at: dict[int, float] = {}
        self.read()

    def read(self) -> None:
        """Take what the database has, and nothing else."""
        found, self._last = self._controller.store.rollouts(self._telling.say)
        self._courses = {one.number: one for one in found}

    def take_back(self, number: int) -> None:
        """Know of one what the database has."""
        found, _ = self._controller.store.rollouts(self._telling.say)
        mine = {one.number: one for one in found if one.number == number}
        self._courses = {**self._courses, **mine}

    def all(self, model: str = "") -> list[Course]:
        """Return those that go on and the last that have ended, of one model or of all."""
        return [one for one in self._courses.values() if model in ("", one.model)]

    def on(self, model: str = "") -> list[Course]:
        """Return those that go on, of one model or of all."""
        return [one for one in self.all(model) if one.end is None]

    def one(self, number: int) -> Course:
        """Return a rollout.

        Raises:
            Unwanted: there is no such one.
        """
        found = self._courses.get(number)
        if found is None:
            raise Unwanted(f"there is no rollout {number}: `headrace rollout list` shows them")
        return found

    @property
    def next_number(self) -> int:
        """The number of the next one."""
        # One that cannot be read has its number, too, and labels and counts that are its own.
        return max((self._last, *self._courses)) + 1

    def kept_for_s(self, course: Course) -> float:
        """Return for how long what is known of it was not written down."""
        return self._clocks.ticks() - self._kept_at.get(course.number, -float("inf"))

    def put(self, course: Course) -> None:
        """Know this of a rollout, until it is written down; of its model no more than are kept."""
        known = {**self._courses, course.number: course}
        mine = [one.number for one in self.all(course.model) if one.end is not None]
        for oldest in mine[: -MOST_KEPT + 1]:
            del known[oldest]
        self._courses = known

    def keep(self, before: Course | None, course: Course) -> None:
        """Write down what is known of it."""
        self._controller.store.put(course=course)
        self._remember(before, course)

    def carry_out(self, before: Course | None, course: Course, who: str, why: str) -> None:
        """Have traffic go as a rollout has it now, and write both down in one.

        Args:
            before: what it has come from; None where it begins.
            who: for the journal. why: likewise.

        Raises:
            Unwanted: somebody has divided traffic otherwise meanwhile.
        """
        order = steering.order(course, before)
        try:
            self._controller.obey(order, who=who, why=why, course=course)
        except Unchanged:
            # Traffic is as it is to be already: what has come about is written down all the same.
            self._controller.ledger.put(course=course)
        self._remember(before, course)
        said = course.said[-1]
        # That of who begins one is not in what it says.
        reason = f"{said.why}: {why}" if before is None and why else said.why
        self._telling.say(f"rollout {course.number} of {course.model}: {said.what}: {reason}")

    def disturbed(self, course: Course, wanted: Wanted | None) -> str:
        """Return who has traffic against a rollout's will, and his entry; empty if nobody has."""
        if not (why := steering.disturbed(course, wanted)):
            return ""
        last = next(iter(self._controller.store.journal(1, course.model)), None)
        by = "" if last is None else f" (journal {last.number}, {last.who}: {last.what})"
        return f"{why}{by}"

    def stop(self, course: Course, why: str) -> None:
        """End a rollout that somebody has decided otherwise, with traffic as he has it."""
        if course.model in away(self._controller.lost()):
            return  # it goes on once the source of its model can be had
        ended = course.ended(End.STOPPED, why, self._clocks.time())
        if course.model in self._controller.wanted():
            self.carry_out(course, ended, f"rollout {course.number}", ended.said[-1].why)
        else:
            self.keep(course, ended)

    def end_unreadable(self) -> None:
        """End what traffic has for a rollout that nobody goes on with: its model may have come."""
        on = {one.model for one in self.on()}
        for model, wanted in self._controller.wanted().items():
            if (wanted.traffic.control or wanted.traffic.judged) and model not in on:
                order = steering.without_rollout(model)
                why = "its rollout is over, or cannot be read"
                self._controller.obey(order, who=ITSELF, why=why)

    def tell_ends(self) -> None:
        """Tell of those that ended when nobody had the time to."""
        for course in self.all():
            if course.end is not None and not course.is_told:
                self._tell(None, course)

    def _remember(self, before: Course | None, course: Course) -> None:
        self.put(course)
        self._kept_at[course.number] = self._clocks.ticks()
        if course.end is not None:
            del self._kept_at[course.number]
        self._tell(before, course)

    def _tell(self, before: Course | None, course: Course) -> None:
        if not self._telling.heard(before, course, self._clocks.time()) or course.end is None:
            return
        told = replace(course, is_told=True)
        self.put(told)
        try:
            self._controller.store.put(course=told)
        except HeadraceError as error:
            # How it ended is written down, and counts: all that is lost is that it was told.
            self._telling.say(
                f"rollout {course.number} of {course.model} has ended, and is told of once more by "
                f"the next start: that it was told cannot be written down: {error}"
            )
