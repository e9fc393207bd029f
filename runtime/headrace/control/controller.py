"""Takes operators' words, writes down what is wanted, and has an engine bring it about."""

import threading
from collections.abc import Mapping, Sequence

from headrace.control import arriving, moving, undoing
from headrace.control import wanted as words
from headrace.control.driving import Driving
from headrace.control.engine import Beginning, Coming, Engine, by_model
from headrace.control.events import Events
from headrace.control.finding import Finding
from headrace.control.ledger import Ledger
from headrace.control.lost import Lost, away, still
from headrace.control.orders import Order
from headrace.control.quarantines import Quarantines, asks_again
from headrace.control.rows import Row, rows
from headrace.control.settling import settled
from headrace.control.starting import BY_ITSELF, ITSELF, NONE, Start, started
from headrace.control.store import Change, Entry, Note, Store
from headrace.control.using import Using, looks
from headrace.control.wanted import Wanted
from headrace.errors import Unchanged, Unwanted
from headrace.execution.policy import AWAITED
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.rollout.course import Course


class Controller:
    """Any thread may call any of this."""

    def __init__(self, store: Store, finding: Finding) -> None:
        """Take over what the store keeps."""
        self.store = store
        self._finding = finding
        self.quarantine = Quarantines(store, finding)
        self._driving = Driving(self.quarantine.numbers)
        #: Every change of what is wanted and of how versions stand, as it comes about.
        self.events = Events(store.term)
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self.ledger = Ledger(store, self.events, self.quarantine)
        self._wanted, self._versions = self.ledger.wanted, self.ledger.versions
        #: What the start does not serve.
        self._lost: list[Lost] = []
        self.using = Using(self._lock, finding.let_go_of_others)

    def begin(self, found: Sequence[Version], missing: Mapping[str, str] = NONE) -> Beginning:
        """Return what a run begins with: what was wanted before, as far as it is there."""
        self.quarantine.look(found)
        with self._lock:
            kept = self.store.models()
            self._take(started(self._finding, kept, found, missing, bars=self.quarantine.has))
            self.settle()
            return Beginning(*self._driving.aim(self._wanted, self._versions), self.store.term)

    @looks
    def come(
        self, model: str, version: int | None = None, by: Note = BY_ITSELF
    ) -> tuple[int, bool]:
        """Begin with a model that was not there as the run began, and with this version of it.

        Return its number, the highest if none is named, and whether nobody else was faster.

        Raises:
            HeadraceError: it is not there now either; nothing was changed.
        """
        # Not under the lock: it may take long.
        found, number = self._finding.chosen(model, version)
        kept, bars = self.store.models(), self.quarantine.has
        start = started(self._finding, kept, [*found.values()], by=by, bars=bars)
        with self._lock:
            if begins := model not in self._wanted:
                self._take(start)
                self._tell()
        return number, begins

    def drive(self, engine: Engine) -> None:
        """Have ``engine`` bring about what is wanted from now on."""
        self._driving.engine = engine
        self.quarantine.frees = self.freed

    def stood(self, standings: Mapping[str, Standing]) -> None:
        """Take how versions stand now, and do what follows by itself."""
        with self._lock:
            stand = self._driving.hear(standings)
            changes = settled(self._wanted, stand, self.quarantine.numbers)
            try:
                if changes:
                    self.ledger.put(*changes)
                if changes or self._driving.holds_others_back(self._wanted, standings):
                    self._tell()
            finally:  # also where it cannot be written down
                self.events.stand(standings)
                self.settle()
                self._moved.notify_all()

    def freed(self, entries: Sequence[Entry]) -> None:
        """Do what follows by itself where a version may have traffic again, by these entries."""
        for entry in entries:
            self.events.publish(entry)
        self.events.wake()
        with self._lock:
            self.stood(self._driving.standings())
            self._tell()

    def settle(self) -> None:
        """Let go of the files of versions that are neither wanted nor carried any more."""
        with self._lock:
            self.using.settle(self._versions, self._driving.standings())

    def lost(self) -> list[Lost]:
        """Return what the start does not serve, and nobody has loaded since."""
        with self._lock:
            return [one for one in self._lost if one.label not in self._versions]

    @looks
    def load(  # noqa: PLR0913 - an operator says all of this
        self,
        model: str,
        version: int | None,
        *,
        swap: bool | None,
        old_first: bool | None = None,
        who: str,
        why: str,
    ) -> int:
        """Have a version loaded, the highest one if none is named; return its number.

        ``swap``: all traffic goes to it once it is ready, and who had it is unloaded, ``old_first``
        or then; None: if its model.yaml says so.

        Raises:
            RepositoryInvalid: there is no such version; ConfigInvalid: model.yaml is wrong.
            Unwanted: it is loaded already.
        """
        if self._begins(model):
            there, _ = self.come(model, version, Note(who, "", why))
            if not swap and there in self._wanted[model].versions:
                return there
        found, version = self._finding.chosen(model, version)
        one = self._finding.equipped(found[version])  # not under the lock: it may take long
        with self._lock:
            before = self._wanted.get(model)
            now = before or Wanted(str(one.home))
            standing = self._driving.standing(one.label)
            swap = arriving.swaps_by_itself(one, self.quarantine.has) if swap is None else swap
            first = version in arriving.old_first(found) if old_first is None else old_first
            after = words.load(now, version, swap=swap, old_first=first, standing=standing)
            what = f"load {version}{' --swap' * swap}{' --old-first' * (swap and first)}"
            change = Change(model, before, after, Note(who, what, why))
            self.quarantine.require(change)
            self.ledger.keep(change, {one.label: one})
            if after.versions[version]:
                self._driving.ask_anew(one.label)
            self._tell()
        return version

    def wait(self, model: str, version: int) -> Standing:
        """Wait until a version that was asked for has what traffic it is to have, or never will.

        Return how it stands then: ready, failed, or gone where it is wanted no more.
        """
        with self._moved:
            while True:
                now = self._wanted.get(model, Wanted(""))
                standing = self._driving.standing(f"{model}/{version}") or AWAITED
                if (one := moving.outcome(now, version, standing)) is not None:
                    break
                self._moved.wait()
        if one.state is State.READY:
            self._driving.catch_up()
        return one

    def catch_up(self, limit_s: float) -> None:
        """Wait until every gateway has the table of what is wanted now, for so long at most."""
        self._driving.catch_up(limit_s)

    @looks
    def arrived(self, model: str, *, who: str = ITSELF, why: str = "") -> None:
        """Load what is new in a model's folder, as `versions.on_new` of its model.yaml says.

        Raises:
            HeadraceError: it cannot be loaded as it is there; nothing was changed.
        """
        if self._begins(model):
            self.come(model, by=Note(who, "", why))
        found = self._finding.of(model)
        bars = self.quarantine.has
        expected = arriving.new(self._wanted.get(model), found)
        fit = self._finding.equipped_all(found, expected)  # not under the lock: it may take long
        with self._lock:
            before = self._wanted.get(model)
            after = arriving.with_new(before, found, bars)
            if after != before:
                new = arriving.added(before, after)
                fit |= self._finding.equipped_all(found, set(new) - set(expected))
                what = f"load {' '.join(map(str, new))}: new in its folder"
                versions = {found[one].label: fit[found[one].label] for one in new}
                self.ledger.keep(Change(model, before, after, Note(who, what, why)), versions)
                self._tell()

    @looks
    def coming(self, model: str = "") -> list[Coming]:
        """Return what `arrived` would load, of one model or of all that no registry has.

        Raises:
            HeadraceError: the repository cannot be read, or has no such model.
        """
        found = self._finding.every(model)
        with self._lock:
            return arriving.coming(self._wanted, found, self.quarantine.has)

    def wanted(self) -> dict[str, Wanted]:
        """Return what is wanted of each model."""
        with self._lock:
            return dict(self._wanted)

    def stand(self, model: str) -> dict[int, Standing]:
        """Return how the versions of a model stand now, by number."""
        with self._lock:
            return by_model(self._driving.stand()).get(model, {})

    @asks_again
    def obey(self, order: Order, *, who: str, why: str, course: Course | None = None) -> None:
        """Change what is wanted as an operator orders, or a rollout, which has come so far by it.

        Raises:
            Unwanted: the model is not served, it cannot be, or nothing would change.
        """
        with self._lock:
            now = self.known(order.model)
            after = order.change(now, self.stand(order.model))
            self._change(Change(order.model, now, after, Note(who, order.what, why)), {}, course)

    @looks
    @asks_again
    def undo(self, number: int, *, who: str, why: str) -> str:
        """Go back to what was wanted before an entry of the journal; return what was undone.

        Raises:
            Unwanted: there is no such entry, or later ones changed the same model.
        """
        entry = self.store.entry(number)
        if entry is None:
            raise Unwanted(f"the journal has no entry {number}: `headrace journal` shows them")
        # Not under the lock: a registry may have to be asked, and everything else goes on.
        known = set(self.known(entry.model).versions)
        gone = set(entry.before.versions if entry.before else ()) - known
        again = self._finding.again(entry.model, gone)
        with self._lock:
            now = self.known(entry.model)
            before = undoing.before(entry, now, lambda: self.store.since(number, entry.model))
            after = moving.undone(now, before, self.stand(entry.model))
            what = f"undo {number} ({entry.what})"
            self._change(Change(entry.model, now, after, Note(who, what, why)), again)
            return f"{entry.model}: {entry.what}"

    @looks
    def versions(self, model: str = "") -> list[Row]:
        """Return what is loaded, and what could be, of one model or of all.

        Raises:
            RepositoryInvalid: the repository cannot be read, or has no such model.
        """
        return self.held(model, self._finding.every(model))

    def held(self, model: str = "", found: Sequence[Version] = ()) -> list[Row]:
        """Return what is loaded, of one model or of all, and beside it what was ``found``."""
        with self._lock:
            held = {label: one for label, one in self._versions.items() if model in ("", one.model)}
            seen = {one.label: one for one in found} | held
            stand, of = self._driving.stand(), self.quarantine.of
            return rows(seen, self._wanted, stand, self.ledger.unloaded, of)

    def known(self, model: str) -> Wanted:
        """Return what is wanted of a model; raises Unwanted where it is not served."""
        return words.known(self._wanted, model)

    def _change(
        self, one: Change, new: Mapping[str, Version], course: Course | None = None
    ) -> None:
        if one.after == one.before:
            raise Unchanged(f"{one.model}: nothing would change")
        if course is None:  # else the rollout sees to it as it begins
            self.quarantine.require(one)
        self.ledger.keep(one, new, course)
        self._tell()

    def _begins(self, model: str) -> bool:
        """Whether a model was not there as the run began, and goes on from what is kept of it."""
        return model not in self._wanted and model in {*away(self.lost()), *self.store.models()}

    def _take(self, start: Start) -> None:
        self.ledger.take(start)
        self._lost = [*still(self._lost, start.wanted), *start.lost]

    def _tell(self) -> None:
        self._driving.tell(self._wanted, self._versions)
