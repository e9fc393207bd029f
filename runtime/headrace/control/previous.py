"""What served before a promotion, and how long it is kept."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from headrace.control import orders
from headrace.control.controller import Controller
from headrace.control.orders import Order
from headrace.control.starting import is_itself
from headrace.control.store import Entry
from headrace.control.troubles import Troubles
from headrace.errors import Deposed, HeadraceError
from headrace.rollout.course import Course, End

#: Of the journal, for whether somebody has said something about the model since.
MOST_ENTRIES: Final = 100
#: A clock that is set is looked at again after so long.
LONGEST_REST_S: Final = 3600.0


class Previous:
    """Unloads it when its time is over; one thread at a time calls this."""

    def __init__(self, controller: Controller, say: Callable[[str], None]) -> None:
        """Begin; ``say`` tells the operator of what could not be done."""
        self._controller = controller
        self._troubles = Troubles(say)
        #: Rollouts of which nothing is to be done any more.
        self._done: set[int] = set()

    def let_go(self, courses: Iterable[Course], now: float) -> None:
        """Unload what served before these, where that is due.

        Raises:
            Deposed: another one decides by now.
        """
        self._troubles.begin_look()
        for course in courses:
            left_s = _left_s(course, now)
            if left_s is None or left_s > 0 or course.number in self._done:
                continue
            try:
                self._unload(course)
                self._done.add(course.number)
            except Deposed:
                raise
            except HeadraceError as error:
                said = f"rollout {course.number} of {course.model}: what served before stays"
                self._troubles.meet(f"{said}, and is unloaded later: {error}")

    def _unload(self, course: Course) -> None:
        entries = self._controller.store.journal(MOST_ENTRIES, course.model)
        if (order := unloading(course, entries)) is not None:
            who, why = f"rollout {course.number}", f"kept for {course.plan.keep_previous_hours:g} h"
            self._controller.obey(order, who=who, why=why)

    def rest_s(self, courses: Iterable[Course], now: float) -> float | None:
        """Return after how many seconds there is something to do, if there ever will be."""
        left = [_left_s(one, now) for one in courses if one.number not in self._done]
        # What could not be done is tried again after as long.
        due = [LONGEST_REST_S if one <= 0 else one for one in left if one is not None]
        return min([*due, LONGEST_REST_S]) if due else None


def unloading(course: Course, entries: Sequence[Entry]) -> Order | None:
    """Return the order that ends what served before a promotion; None where it is to stay. Pure.

    A person's word about the model since then leaves it to persons.

    Args:
        course: one that was promoted.
        entries: of the journal of its model, the newest first.
    """
    baseline = course.record.baseline
    for entry in entries:
        if entry.what.startswith(f"rollout {course.number} {End.PROMOTED.value}"):
            return orders.unload(course.model, baseline) if _is_idle(entries, baseline) else None
        if not is_itself(entry.who):
            return None
    return None


def _left_s(course: Course, now: float) -> float | None:
    hours = course.plan.keep_previous_hours
    if course.end is not End.PROMOTED or hours is None:
        return None
    return course.said[-1].unix_ms / 1000 + 3600 * hours - now


def _is_idle(entries: Sequence[Entry], version: int) -> bool:
    """Return whether a version is loaded, and no request is meant for it."""
    now = entries[0].after
    shadows = {one.version for one in now.traffic.shadows}
    judged = {one.version for one in now.traffic.judged}
    pending = set() if now.pending is None else set(now.pending.shares)
    used = set(now.shares or {}) | set(now.traffic.named) | shadows | judged | pending
    return version in now.versions and version not in used
