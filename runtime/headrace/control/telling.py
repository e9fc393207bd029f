"""Tells of rollouts as they go on: the operator, registries and hooks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from headrace.control.reports import Registered, metrics, name, release, reports
from headrace.errors import HeadraceError, RepositoryInvalid
from headrace.hooks.courier import Standing as HookStanding
from headrace.hooks.event import Happened
from headrace.registry.report import HERE, Report
from headrace.registry.standing import Standing
from headrace.rollout.course import Course
from headrace.rollout.picture import png

#: Between two points of a metric.
METRICS_S: Final = 60.0


class Hears(Protocol):
    """Keeps reports, and delivers them; see `headrace.registry.reporting.Reporter`."""

    def report(self, report: Report) -> None:
        """Keep a report. Raises StateInvalid."""
        ...

    def status(self) -> Sequence[Standing]:
        """Return how the reports of each model stand."""
        ...

    def close(self) -> None:
        """End; what is not delivered stays for the next process."""
        ...


class Announces(Protocol):
    """Tells hooks; see `headrace.control.announcing.Announcer`."""

    def open(self) -> None:
        """Begin to tell of versions."""
        ...

    def heard(self, before: Course | None, course: Course, places: Sequence[str]) -> None:
        """Tell what has become of a rollout. Raises StateInvalid, ValueError."""
        ...

    def tell(self, happened: Happened) -> None:
        """Tell what has happened to a version."""
        ...

    def status(self) -> Sequence[HookStanding]:
        """Return how each hook stands."""
        ...

    def close(self) -> None:
        """End within a second or two; what is not delivered stays for the next process."""
        ...


class Telling:
    """Tells operator, registry and hooks of rollouts; one thread at a time calls this."""

    def __init__(
        self,
        reporter: Hears,
        registered: Callable[[str, int], Registered | None],
        say: Callable[[str], None],
        announcer: Announces | None = None,
    ) -> None:
        """Tell an operator, a registry and hooks.

        Args:
            reporter: delivers reports.
            registered: returns where a model's version is, None where nobody is to be told;
                raises RepositoryInvalid where there is no such model any more.
            say: says a line to the operator.
            announcer: tells hooks; None where there are none.
        """
        self._reporter = reporter
        self._registered = registered
        self.say = say
        self._announcer = announcer
        self._told_at: dict[int, float] = {}
        #: Where versions of rollouts that go on were registered when they were still there.
        self._found: dict[tuple[int, int], Registered | None] = {}

    def heard(self, before: Course | None, course: Course, now: float) -> bool:
        """Tell what has become of a rollout. Nothing of that ever keeps the rollout from going on.

        Args:
            before: what it was when this was called last; None where it has just begun.
            now: seconds since 1970.

        Returns:
            Whether all of it is on its way.
        """

        def known(version: int) -> Registered | None:
            # An A/A test says nothing of a version that a registry would know it by.
            return None if course.plan.kind == "a/a" else self._known(course, version)

        try:
            for report in reports(before, course, known, now):
                self._reporter.report(self._illustrated(report, course))
            if course.end is not None:
                self._told_at.pop(course.number, None)
                self._found = {
                    key: where for key, where in self._found.items() if key[0] != course.number
                }
            elif course.watched_s - self._told_at.get(course.number, -METRICS_S) >= METRICS_S:
                self._told_at[course.number] = course.watched_s
                if (where := known(course.record.candidate)) is not None:
                    self._reporter.report(metrics(course, where, now))
        except (HeadraceError, ValueError) as error:
            self.say(f"rollout {course.number} of {course.model} is not reported: {error}")
            return False
        finally:
            self._announce(before, course)
        return True

    def _illustrated(self, report: Report, course: Course) -> Report:
        """Return a verdict that a registry hears with its picture; any other report as it is."""
        if report.verdict is None or report.place == HERE:
            return report
        try:
            return replace(report, picture=png(course))
        except Exception as error:  # of a library, about what is only beside the verdict
            self.say(f"the verdict of rollout {course.number} has no picture: {error}")
            return report

    def _announce(self, before: Course | None, course: Course) -> None:
        if self._announcer is None:
            return
        try:
            self._announcer.heard(before, course, self._places(course))
        except (HeadraceError, ValueError) as error:
            self.say(f"hooks are not told of rollout {course.number}: {error}")

    def _known(self, course: Course, version: int) -> Registered | None:
        """Return where a version is registered, also when it is there no more.

        One that nobody knows has nobody to be told; of the other one all is told the same.
        """
        key = course.number, version
        try:
            self._found[key] = self._registered(course.model, version)
        except RepositoryInvalid as error:
            if key not in self._found:
                label = f"{course.model}/{version} in rollout {course.number}"
                self.say(f"{label} is not reported: {error}")
                self._found[key] = None
        return self._found[key]

    def _places(self, course: Course) -> list[str]:
        """Return where registries have what is known of a rollout by now."""
        mine = [f"{version} in {name(course)}" for version in course.versions]
        places = [one.places for one in self._reporter.status()]
        return [known[version] for known in places for version in mine if version in known]

    def moved(self, course: Course) -> str:
        """Return how somebody moved an alias in a registry since a rollout began; else nothing."""
        found = (one.moved.get(name(course), "") for one in self._reporter.status())
        return next(filter(None, found), "")

    def released(self, model: str, version: int, now: float) -> None:
        """Tell the registry of a version that it may have traffic again."""
        try:
            if (where := self._registered(model, version)) is not None:
                self._reporter.report(release(where, version, now))
        except (HeadraceError, ValueError) as error:
            self.say(f"the release of {model}/{version} is not reported: {error}")

    def open(self) -> None:
        """Tell hooks of versions, too, from now on."""
        if self._announcer is not None:
            self._announcer.open()

    def tell(self, happened: Happened) -> None:
        """Tell hooks what has happened to a version; any thread may call this."""
        if self._announcer is not None:
            self._announcer.tell(happened)

    def hooks(self) -> Sequence[HookStanding]:
        """Return how each hook stands."""
        return [] if self._announcer is None else self._announcer.status()

    def status(self) -> Sequence[Standing]:
        """Return how the reports of each model stand."""
        return self._reporter.status()

    def close(self) -> None:
        """Tell no more; what is not delivered stays for the next process."""
        if self._announcer is not None:
            self._announcer.close()
        self._reporter.close()
