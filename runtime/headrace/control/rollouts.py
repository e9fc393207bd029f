"""Rollouts that go on: looked at once a second, written down, and carried out."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from headrace.config.rollouts import RolloutPlan
from headrace.control import labelled, steering
from headrace.control.controller import Controller
from headrace.control.course_book import Clocks, CourseBook
from headrace.control.newcomers import ON_NEW, Newcomers
from headrace.control.previous import Previous
from headrace.control.reports import awaits_approval
from headrace.control.starting import ITSELF
from headrace.control.telling import Telling
from headrace.control.troubles import Troubles
from headrace.errors import Deposed, HeadraceError, Unwanted
from headrace.execution.voices import visible
from headrace.registry.redacting import trace
from headrace.rollout.counted import Counted, counted
from headrace.rollout.course import Course, End, Sight, arms
from headrace.rollout.looking import looked

#: Between two looks at what gateways have counted, while a rollout goes on.
LOOK_S: Final = 1.0
#: What a look may have been late by, and counts as watched all the same.
MOST_PASSED_S: Final = 5.0
CLOCKS: Final = Clocks()
#: What is lost of the evidence, at most, when this process is killed.
KEEP_S: Final = 5.0


class Rollouts:
    """Of all models. Any thread may call any of this."""

    def __init__(
        self,
        controller: Controller,
        gateways: Callable[[], Sequence[str]],
        crashes: Callable[[], Mapping[str, int]],
        telling: Telling,
        clocks: Clocks = CLOCKS,
    ) -> None:
        """Take over those that go on.

        Args:
            gateways: returns what each gateway that answers has counted, as JSON.
            crashes: returns how many hosts of each version have ended by themselves, by label.
            telling: tells the operator, and registries.
            clocks: tell the time.
        """
        self._controller = controller
        self._gateways = gateways
        self._crashes = crashes
        self.telling = telling
        self._clocks = clocks
        #: Held by who changes a rollout.
        self._lock = threading.RLock()
        #: Something has happened that a rollout may begin or end by. Set without the lock: who
        #: changes what is wanted holds another one.
        self._stirred = threading.Event()
        self._book = CourseBook(controller, telling, clocks)
        #: When each was looked at last; what passed before that was not watched.
        self._looked_at: dict[int, float] = {}
        self._newcomers = Newcomers(controller, telling.say)
        self._previous = Previous(controller, telling.say)
        self._troubles = Troubles(telling.say)
        self._closed = self._deposed = False
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)

    def open(self) -> None:
        """Go on with those that go on, once there is an engine that can be looked at."""
        with self._lock:
            self._book.end_unreadable()
            self._book.tell_ends()
        self.telling.open()
        self._stirred.set()
        self._thread.start()

    def close(self) -> None:
        """Look no more; what was not written down yet is."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._stirred.set()
            try:
                for course in self._book.on():
                    if not self._deposed:
                        self._guarded(course, lambda one: self._controller.store.put(course=one))
            finally:
                self.telling.close()

    def all(self, model: str = "") -> list[Course]:
        """Return those that go on and the last that have ended, of one model or of all."""
        return self._book.all(model)

    def one(self, number: int) -> Course:
        """Return a rollout.

        Raises:
            Unwanted: there is no such one.
        """
        return self._book.one(number)

    def start(  # noqa: PLR0913 - a rollout is all of this
        self, model: str, candidate: int, plan: RolloutPlan, *, baseline: int | None,
        who: str, why: str,
    ) -> Course:  # fmt: skip
        """Begin to give a version more and more of the traffic, as a plan has it.

        Raises:
            Unwanted: one goes on already, or the versions cannot be compared.
        """
        with self._lock:
            serving = self.may_start(model, candidate, plan, baseline=baseline)
            crashes = self._crashes()
            begun = [crashes.get(f"{model}/{one}", 0) for one in arms(plan, candidate, serving)]
            course = Course.begin(
                self._book.next_number,
                model,
                plan,
                candidate=candidate,
                baseline=serving,
                crashes=(begun[0], begun[1]),
                now=self._clocks.time(),
                who=who,
                why=why,
                sticky=steering.sticky(self._controller.known(model)),
            )
            self._book.carry_out(None, course, who, why)
            self._looked_at[course.number] = self._clocks.ticks()
            self._stirred.set()
            return course

    def may_start(
        self, model: str, candidate: int, plan: RolloutPlan, *, baseline: int | None
    ) -> int:
        """Return the baseline of a rollout that could begin now; raises Unwanted, as `start`."""
        with self._lock:
            if on := next(iter(self._book.on(model)), None):
                raise Unwanted(
                    f"rollout {on.number} of {model} goes on: `headrace rollout stop` ends it"
                )
            now = self._controller.known(model)
            serving = steering.may_begin(now, candidate, baseline, plan)
            steering.may_judge(plan, now, self._controller.held(model), candidate, serving)
            return serving

    def stop(self, number: int, end: End, *, who: str, why: str) -> Course:
        """End a rollout by a person's word: promote, roll back, or leave traffic as it is.

        A promotion may be taken back later: rolled back, as long as both versions are there.

        Raises:
            Unwanted: there is no such one, or it has ended otherwise.
        """
        with self._lock:
            course = self.one(number)
            if (course.end, end) != (End.PROMOTED, End.ROLLED_BACK):
                course = self._on(number)
            reason = f"by {who}: {why}" if why else f"by {who}"
            ended = course.ended(end, reason, self._clocks.time())
            self._book.carry_out(course, ended, who, why)
            return self.one(number)

    def approve(self, number: int, step: int | None = None, *, who: str, why: str) -> Course:
        """Allow a rollout to leave the step that it is at, which is ``step`` (from 1) if given.

        Raises:
            Unwanted: there is no such one, it has ended, or it is at another step by now.
        """
        with self._lock:
            course = self._on(number)
            if step not in (None, course.step):
                raise Unwanted(f"rollout {number} is at step {course.step} by now")
            if not course.step or course.record.approved_step == course.record.step:
                word = "approved" if course.step else "not begun"
                raise Unwanted(f"step {course.step or 1} of rollout {number} is {word}")
            reason = f"step {course.step}, by {who}{': ' if why else ''}{why}"
            approved = replace(course, record=course.record.approved())
            self._book.keep(course, approved.saying("approve", reason, self._clocks.time()))
            return self.one(number)

    def _on(self, number: int) -> Course:
        course = self.one(number)
        if course.end is not None:
            raise Unwanted(f"rollout {number} has ended: {course.end.value}")
        return course

    def _run(self) -> None:
        with self._controller.events.followed(self._stirred.set):
            while True:
                # Where nothing goes on, nothing happens and nothing is to go, nobody wakes up.
                rest_s = self._previous.rest_s(self.all(), self._clocks.time())
                goes_on = self._book.on() or self._troubles.are_some
                self._stirred.wait(LOOK_S if goes_on else rest_s)
                self._stirred.clear()
                if self._closed or self._deposed:
                    return
                try:
                    self.look()
                # Whatever was not foreseen: who decides must not be gone without a word.
                except Exception as error:
                    self._troubles.meet(f"rollouts: {trace(error)}")

    def look(self) -> None:
        """Look at all that go on, do what follows, and begin those that begin by themselves."""
        self._troubles.begin_look()
        # Of one that begins meanwhile it is not known what was before.
        asked = {one.number for one in self._book.on()}
        # Without the lock: files and gateways may take their time, and nobody's word waits for it.
        self._controller.quarantine.catch_up()
        told, crashes = (self._told(), self._crashes()) if asked else ([], {})
        with self._lock:
            now = self._clocks.ticks()
            on = self._book.on()
            self._looked_at = {one.number: self._looked_at.get(one.number, now) for one in on}
            for course in (one for one in on if one.number in asked):
                passed_s = min(now - self._looked_at[course.number], MOST_PASSED_S)
                self._looked_at[course.number] = now
                if not self._closed and not self._deposed:
                    take = partial(self._take, told=told, crashes=crashes, passed_s=passed_s)
                    self._guarded(course, take)
            if self._closed or self._deposed:
                return
            try:
                self._book.end_unreadable()
                begin = partial(self.start, baseline=None, who=ITSELF, why=ON_NEW)
                self._newcomers.begin(self.all(), begin)
                self._previous.let_go(self.all(), self._clocks.time())
            except Deposed as error:
                self._give_up(error)
            except HeadraceError as error:
                self._troubles.meet(f"rollouts: {error}")

    def _told(self) -> list[Counted]:
        labels = self._controller.store.labels
        found = list(labelled.counted(labels, self.all(), self._troubles.meet))
        for text in self._gateways():
            try:
                found += counted(text)
            except ValueError as error:
                self._troubles.meet(f"what a gateway has counted cannot be read: {error}")
        return found

    def _give_up(self, error: Deposed) -> None:
        self._deposed = True
        self.telling.say(f"rollouts are another's now: {error}")

    def _guarded(self, course: Course, do: Callable[[Course], object]) -> None:
        try:
            do(course)
        except Deposed as error:
            self._give_up(error)
        except HeadraceError as error:
            said = f"rollout {course.number} of {course.model} cannot go on now: {error}"
            self._troubles.meet(said)
            self._book.put(course.saying("wait", said, self._clocks.time()))
        except Exception as error:
            # Others go on. Of this one what was written down counts, not what was about to be.
            self._troubles.meet(f"rollouts: {trace(error)}")
            with suppress(HeadraceError):
                self._book.take_back(course.number)

    def _take(
        self,
        course: Course,
        told: Sequence[Counted],
        crashes: Mapping[str, int],
        passed_s: float,
    ) -> None:
        """Look at one rollout, and do what follows."""
        wanted = self._controller.wanted().get(course.model)
        why = self._book.disturbed(course, wanted) or self.telling.moved(course)
        if wanted is None or why:
            self._book.stop(course, why)
            return
        stand = self._controller.stand(course.model)
        sight = Sight(
            tuple(told),
            steering.ways(course, wanted, stand),
            {one: crashes.get(f"{course.model}/{one}", 0) for one in course.instances},
            passed_s,
            # What a model raised is said on, to registries and databases that take no NUL.
            {number: visible(one.reason) for number, one in stand.items()},
        )
        after = looked(course, sight, self._clocks.time())
        # A person has to hear of it now.
        asks = awaits_approval(after) > awaits_approval(course)
        if (after.percent, after.judged, after.end) != (course.percent, course.judged, course.end):
            by = f"rollout {course.number}"
            self._book.carry_out(course, after, by, after.said[-1].why)
        elif asks or self._book.kept_for_s(course) >= KEEP_S:
            self._book.keep(course, after)
        else:
            self._book.put(after)
