"""What is wanted of models, and what their versions are: as the database has it."""

from collections.abc import Mapping

from headrace.control.aim import require_taken
from headrace.control.events import Events
from headrace.control.quarantines import Quarantines
from headrace.control.starting import Start
from headrace.control.store import Change, Note, Store
from headrace.control.wanted import Wanted
from headrace.repository.folder import Version
from headrace.rollout.course import Course


class Ledger:
    """Whoever calls this has the controller's lock."""

    def __init__(self, store: Store, events: Events, quarantine: Quarantines) -> None:
        """Begin with nothing; ``events`` hear of every entry, ``quarantine`` of every end."""
        self._store, self._events, self._quarantine = store, events, quarantine
        self.wanted: dict[str, Wanted] = {}
        #: What each wanted version was when it was asked for, by label.
        self.versions: dict[str, Version] = {}
        #: Who had each unloaded last, and why.
        self.unloaded: dict[str, Note] = {}

    def take(self, start: Start) -> None:
        """Take what a run begins with.

        Raises:
            Unwanted: no gateway would take it; StateInvalid: it cannot be written down.
        """
        require_taken(start.wanted, start.versions)
        self.put(*start.changes)
        self.wanted |= start.wanted
        self.versions |= start.versions

    def keep(self, one: Change, new: Mapping[str, Version], course: Course | None = None) -> None:
        """Write down what is wanted of a model, by which ``new`` versions are; raises as `take`."""
        require_taken({one.model: one.after}, {**self.versions, **new})
        self.put(one, course=course)
        self.versions |= new

    def put(self, *changes: Change, course: Course | None = None) -> None:
        """Write changes down, with the rollout whose step they are; raises as `Store.put`."""
        ends = self._quarantine.of_end(course)
        entries = self._store.put(*changes, course=course, quarantine=ends)
        if ends is not None:
            self._quarantine.begun(ends)
        for one in changes:
            self.wanted[one.model] = one.after
            for label in one.gone:
                self.versions.pop(label, None)
                self.unloaded[label] = one.note
        for entry in entries:
            self._events.publish(entry)
