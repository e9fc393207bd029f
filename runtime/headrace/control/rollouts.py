"""Rollouts that go on: looked at once a second, written down, and carried out."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from headrace.config.rollouts import RolloutPlan
from headrace.control import steering
from headrace.control.controller import ITSELF, Controller
from headrace.control.plans import plan_of
from headrace.control.telling import Telling, awaits_approval
from headrace.errors import Deposed, HeadraceError, Unchanged, Unwanted
from headrace.rollout.counted import counted
from headrace.rollout.course import Course, End, Sight, looked, unbuilt

#: Between two looks at what gateways have counted, while a rollout goes on.
LOOK_S: Final = 1.0
#: Why one begins by itself.
ON_NEW: Final = "versions.on_new: rollout"
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take over those that go on.

        Args:
            gateways: returns what each gateway that answers has counted, as JSON.
            crashes: returns how many hosts of each version have ended by themselves, by label.
            telling: tells the operator, and registries.
            clock: seconds since 1970.
        """
        self._controller = controller
        self._gateways = gateways
        self._crashes = crashes
        self.telling = telling
        self._clock = clock
        self._lock = threading.RLock()
        #: Something has happened that a rollout may begin or end by. Set without the lock: who
        #: changes what is wanted holds another one.
        self._stirred = threading.Event()
        self._courses = {one.number: one for one in controller.store.rollouts()}
        self._kept_at: dict[int, float] = {}
        #: Versions whose rollout could not begin by itself, by label.
        self._refused: set[str] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)

    def open(self) -> None:
        """Go on with those that go on, once there is an engine that can be looked at."""
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
            for course in self._courses.values():
                if _goes_on(course) and course.number in self._kept_at:
                    self._guarded(course, lambda one: self._controller.store.put(course=one))
            self.telling.close()

    def all(self, model: str = "") -> list[Course]:
        """Return those that go on and the last that have ended, of one model or of all."""
        with self._lock:
            return [one for one in self._courses.values() if model in ("", one.model)]

    def one(self, number: int) -> Course:
        """Return a rollout.

        Raises:
            Unwanted: there is no such one.
        """
        with self._lock:
            if number not in self._courses:
                raise Unwanted(f"there is no rollout {number}: `headrace rollout list` shows them")
            return self._courses[number]

    def start(  # noqa: PLR0913 - a rollout is all of this
        self,
        model: str,
        candidate: int,
        plan: RolloutPlan,
        *,
        baseline: int | None,
        who: str,
        why: str,
    ) -> Course:
        """Begin to give a version more and more of the traffic, as a plan has it.

        Raises:
            Unwanted: the plan asks for what is not built, one goes on already, or the versions
                cannot be compared.
        """
        with self._lock:
            serving = self.may_start(model, candidate, plan, baseline=baseline)
            crashes = self._crashes()
            course = Course.begin(
                max(self._courses, default=0) + 1,
                model,
                plan,
                candidate=candidate,
                baseline=serving,
                crashes=(
                    crashes.get(f"{model}/{candidate}", 0),
                    crashes.get(f"{model}/{serving}", 0),
                ),
                now=self._clock(),
                who=who,
                why=why,
            )
            self._carry_out(course, who, why)
            self._stirred.set()
            return course

    def may_start(
        self, model: str, candidate: int, plan: RolloutPlan, *, baseline: int | None
    ) -> int:
        """Return the baseline of a rollout that could begin now.

        Raises:
            Unwanted: it could not; as `start`.
        """
        if missing := unbuilt(plan):
            raise Unwanted(f"this plan has what is not built yet: {missing}")
        with self._lock:
            if on := next(filter(_goes_on, self.all(model)), None):
                raise Unwanted(
                    f"rollout {on.number} of {model} goes on: `headrace rollout stop` ends it"
                )
            wanted = self._controller.wanted().get(model)
            if wanted is None:
                raise Unwanted(f"no model {model!r} is served here")
            return steering.may_begin(wanted, candidate, baseline)

    def stop(self, number: int, end: End, *, who: str, why: str) -> Course:
        """End a rollout by a person's word: promote, roll back, or leave traffic as it is.

        Raises:
            Unwanted: there is no such one, or it has ended.
        """
        with self._lock:
            course = self._on(number)
            reason = f"by {who}: {why}" if why else f"by {who}"
            ended = course.ended(end, reason, self._clock())
            self._carry_out(ended, who, why)
            return ended

    def approve(self, number: int, *, who: str, why: str) -> Course:
        """Allow a rollout to leave the step that it is at.

        Raises:
            Unwanted: there is no such one, or it has ended.
        """
        with self._lock:
            course = self._on(number)
            if course.record.approved_step == course.record.step:
                raise Unwanted(f"step {course.record.step + 1} of rollout {number} is approved")
            reason = f"step {course.record.step + 1}, by {who}{': ' if why else ''}{why}"
            approved = replace(course, record=course.record.approved())
            self._keep(approved.saying("approve", reason, self._clock()))
            return self._courses[number]

    def _on(self, number: int) -> Course:
        course = self.one(number)
        if course.end is not None:
            raise Unwanted(f"rollout {number} has ended: {course.end.value}")
        return course

    def _run(self) -> None:
        with self._controller.events.followed(self._stirred.set):
            while True:
                # Where nothing goes on, and nothing happens, nobody wakes up.
                self._stirred.wait(LOOK_S if any(map(_goes_on, self.all())) else None)
                self._stirred.clear()
                if self._closed:
                    return
                self.look()

    def look(self) -> None:
        """Look at all that go on, do what follows, and begin those that begin by themselves."""
        if any(map(_goes_on, self.all())):
            # Without the lock: gateways may take their time, and nobody's word waits for them.
            told, crashes = self._gateways(), self._crashes()
            with self._lock:
                for course in list(self._courses.values()):
                    if _goes_on(course) and not self._closed:
                        self._guarded(course, lambda one: self._take(one, told, crashes))
        self._begin_by_themselves()

    def _begin_by_themselves(self) -> None:
        rows = self._controller.versions(look=False)
        for model, wanted in self._controller.wanted().items():
            with self._lock:
                mine = self.all(model)
                had = {one.record.candidate for one in mine}
                of = [row for row in rows if row.version.model == model]
                new = steering.newcomer(wanted, of, had)
                if new is None or new.label in self._refused or any(map(_goes_on, mine)):
                    continue
                try:
                    plan = plan_of(new.home, model, new.config.versions.plan or "")
                    self.start(model, new.number, plan, baseline=None, who=ITSELF, why=ON_NEW)
                except HeadraceError as error:
                    self._refused.add(new.label)
                    self.telling.say(f"no rollout of {new.label} began by itself: {error}")

    def _guarded(self, course: Course, do: Callable[[Course], object]) -> None:
        try:
            do(course)
        except Deposed as error:
            self._closed = True
            self.telling.say(f"rollouts are another's now: {error}")
        except (HeadraceError, ValueError) as error:
            said = f"rollout {course.number} of {course.model} cannot go on now: {error}"
            if self._courses[course.number].said[-1].why != said:
                self.telling.say(said)
            self._courses[course.number] = course.saying("wait", said, self._clock())

    def _take(self, course: Course, told: Sequence[str], crashes: Mapping[str, int]) -> None:
        """Look at one rollout, and do what follows."""
        now, model = self._clock(), course.model
        wanted = self._controller.wanted().get(model)
        why = steering.disturbed(course, wanted)
        if wanted is None or why:
            self._stop_disturbed(course, why, now)
            return
        sight = Sight(
            tuple(one for text in told for one in counted(text)),
            steering.ways(course, wanted, self._controller.stand(model)),
            {version: crashes.get(f"{model}/{version}", 0) for version in course.versions},
        )
        after = looked(course, sight, now)
        moves = after.end is not None or (after.percent, after.judged) != (
            course.percent,
            course.judged,
        )
        if moves:
            self._carry_out(after, f"rollout {course.number}", after.said[-1].why)
        elif (
            now - self._kept_at.get(course.number, 0.0) >= KEEP_S
            # A person has to hear of it now.
            or awaits_approval(after) > awaits_approval(course)
        ):
            self._keep(after)
        else:
            self._courses[course.number] = after

    def _stop_disturbed(self, course: Course, why: str, now: float) -> None:
        last = next(iter(self._controller.journal(1, course.model)), None)
        by = "" if last is None else f" (journal {last.number}, {last.who}: {last.what})"
        ended = course.ended(End.STOPPED, f"{why}{by}", now)
        if course.model in self._controller.wanted():
            self._carry_out(ended, f"rollout {course.number}", ended.said[-1].why)
        else:
            self._keep(ended)

    def _carry_out(self, course: Course, who: str, why: str) -> None:
        try:
            self._controller.obey(steering.order(course), who=who, why=why, course=course)
        except Unchanged:
            # Traffic is as it is to be already: what has come about is written down all the same.
            self._controller.store.put(course=course)
        self._remember(course)
        self.telling.say(
            f"rollout {course.number} of {course.model}: {course.said[-1].what}: {why}"
        )

    def _keep(self, course: Course) -> None:
        self._controller.store.put(course=course)
        self._remember(course)

    def _remember(self, course: Course) -> None:
        before, now = self._courses.get(course.number), self._clock()
        self._courses[course.number] = course
        self._kept_at[course.number] = now
        self.telling.heard(before, course, now)


def _goes_on(course: Course) -> bool:
    return course.end is None
