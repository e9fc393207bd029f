"""What hooks hear of rollouts and versions. Pure, but for `Announcer`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from headrace.control.controller import Controller
from headrace.control.events import Moved
from headrace.control.lost import Lost
from headrace.control.reports import awaits_approval, evidence, name, numbers
from headrace.errors import HeadraceError
from headrace.hooks.courier import Standing
from headrace.hooks.event import MOST_CHARACTERS, Happened, Kind
from headrace.hooks.told import Told
from headrace.models.lifecycle import State
from headrace.monitoring.drift import Key, Watched
from headrace.monitoring.profiles import middle
from headrace.registry.redacting import trace
from headrace.rollout.course import Course

#: For what has happened to versions to be written down when a server ends.
ENDING_S: Final = 1.0


def of_rollout(
    before: Course | None, course: Course, digests: Mapping[int, str], places: Sequence[str]
) -> Happened | None:
    """Return what is told of a rollout that has come from ``before`` to what it is now.

    Args:
        before: None where it has just begun.
        digests: of the files that versions were loaded from, by number.
        places: where registries have what is known of it.
    """
    kind = _kind(before, course)
    if kind is None:
        return None
    candidate, baseline = course.versions
    shares = course.percents
    data = {
        "rollout": name(course),
        "number": course.number,
        "model": course.model,
        "candidate": _version(candidate, digests, shares[0]),
        "baseline": _version(baseline, digests, shares[1]),
        "step": course.step,
        "steps_percent": list(course.plan.shares_percent),
        "verdict": None if course.end is None else course.end.name.lower(),
        "reason": course.said[-1].why[:MOST_CHARACTERS],
        "who": course.who[:MOST_CHARACTERS],
        "why": course.why[:MOST_CHARACTERS],
        "metrics": numbers(course),
        "evidence": evidence(course),
        "reports": list(places),
    }
    # An end is told again by the next process where not all of it could be kept to be told.
    end = course.end and f"{course.number} {course.began_unix_ms} {course.end.name}"
    return Happened(kind, f"{course.model}/{candidate}", data, once=end or "")


def _kind(before: Course | None, course: Course) -> Kind | None:
    # Also of one that ended when nobody had the time to tell of it.
    if course.end is not None:
        return None if before is not None and before.end is course.end else Kind.ENDED
    if before is None:
        return Kind.STARTED
    if before.percent != course.percent:
        return Kind.STEP
    return Kind.WAITING if awaits_approval(course) and not awaits_approval(before) else None


def _version(number: int, digests: Mapping[int, str], percent: float | None) -> dict[str, Any]:
    return {"version": number, "digest": digests.get(number, ""), "percent": percent}


def of_version(moved: Moved, failed: bool, digest: str) -> Happened | None:
    """Return what is told of a version that came to another state.

    Args:
        moved: what happened.
        failed: it had failed before, and nothing has come of it since.
        digest: of the files that it was loaded from; empty where it was not.
    """
    if moved.standing.state is not State.FAILED or failed:
        return None
    data = {
        "model": moved.model,
        "version": moved.version,
        "digest": digest,
        "reason": moved.standing.reason[:MOST_CHARACTERS],
    }
    return Happened(Kind.FAILED, f"{moved.model}/{moved.version}", data)


def of_lost(lost: Lost) -> Happened:
    """Return what is told of a version that was wanted, and that a start did not find."""
    data = {**asdict(lost), "reason": lost.reason[:MOST_CHARACTERS]}
    return Happened(Kind.LOST, lost.label, data)


def of_drift(
    model: str, version: int, digest: str, watched: Watched, began: Sequence[Key]
) -> Happened:
    """Return what is told of a version's tensors: which have drifted, or that none has any more.

    Args:
        model: of the version.
        version: which one.
        digest: of the files that it was loaded from.
        watched: how it stands now.
        began: what has an alarm since now.
    """
    features = [
        {
            "tensor": tensor,
            "feature": feature,
            "new": (tensor, feature) in began,
            "reference": middle(feature, watched.reference.get((tensor, feature), {})),
            "now": middle(feature, watched.shown.get((tensor, feature), {})),
            "score": watched.alarms[tensor, feature].last.score,
            "since_unix_s": watched.alarms[tensor, feature].since,
        }
        for tensor, feature in watched.drifted
    ]
    data = {"model": model, "version": version, "digest": digest, "features": features}
    return Happened(Kind.DRIFTED if features else Kind.CLEARED, f"{model}/{version}", data)


class Announcer:
    """Tells hooks of rollouts as it hears of them, and of versions from a thread of its own."""

    def __init__(
        self,
        told: Told,
        controller: Controller,
        digest: Callable[[str], str],
        say: Callable[[str], None],
    ) -> None:
        """Tell nothing yet.

        Args:
            told: all hooks.
            controller: of the versions.
            digest: returns that of the files that a version was loaded from, by label.
            say: says a line to the operator.
        """
        self._told, self._controller = told, controller
        self._digest, self._say = digest, say
        #: Labels of versions that have failed.
        self._failed: set[str] = set()
        self._stirred = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def open(self) -> None:
        """Tell of versions: what has become of them since this process began, and from now on."""
        self._thread.start()

    def heard(self, before: Course | None, course: Course, places: Sequence[str]) -> None:
        """Tell what has become of a rollout; as `headrace.control.telling.Announces`.

        Raises:
            StateInvalid: it cannot be kept; ValueError: it has a number that JSON has not.
        """
        digests = {one: self._digest(f"{course.model}/{one}") for one in course.versions}
        if (happened := of_rollout(before, course, digests, places)) is not None:
            self._told.tell(happened)

    def status(self) -> Sequence[Standing]:
        """Return how each hook stands."""
        return self._told.status()

    def close(self) -> None:
        """Write down what has happened until now, and end; what is not told by then stays."""
        self._closed = True
        self._stirred.set()
        if self._thread.is_alive():
            self._thread.join(ENDING_S)
        self._told.close()

    def _run(self) -> None:
        for lost in self._controller.lost():
            self._guarded(partial(self.tell, of_lost(lost)))
        number, events = 0, self._controller.events
        with events.followed(self._stirred.set):
            while True:
                closed = self._closed
                self._stirred.clear()
                found = events.after(number)
                if found is None:
                    # More came at once than is kept, as where a thousand versions begin.
                    number = events.newest
                    self._guarded(self._look)
                    continue
                for event in found:
                    number = event.number
                    if isinstance(event.happened, Moved):
                        self._guarded(partial(self._take, event.happened))
                if closed:
                    return
                self._stirred.wait()

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        # Whatever was not foreseen: a thread that ends tells hooks of nothing that is to come.
        except Exception as error:
            self._say(f"hooks: {trace(error)}")

    def _look(self) -> None:
        """Take how versions stand now for what has become of them."""
        for row in self._controller.held():
            if row.standing is not None:
                self._take(Moved(row.version.model, row.version.number, row.standing))

    def _take(self, moved: Moved) -> None:
        label = f"{moved.model}/{moved.version}"
        happened = of_version(moved, label in self._failed, self._digest(label))
        if moved.standing.state is State.FAILED:
            self._failed.add(label)
        else:
            self._failed.discard(label)
        if happened is not None:
            self.tell(happened)

    def tell(self, happened: Happened) -> None:
        """Tell what has happened; what cannot be kept for hooks is said to the operator."""
        try:
            self._told.tell(happened)
        except HeadraceError as error:
            self._say(f"hooks are not told of {happened.subject}: {error}")
