"""Takes operators' words, writes down what is wanted, and has an engine bring it about."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from headrace.control import wanted as words
from headrace.control.engine import Assignment, Beginning, Divisions, Engine, Row
from headrace.control.finding import Finding, serves, swaps
from headrace.control.orders import Order
from headrace.control.store import Entry, Note, Store
from headrace.control.traffic import Traffic
from headrace.control.wanted import Wanted
from headrace.errors import RepositoryInvalid, SourceInvalid, Unwanted
from headrace.execution.policy import AWAITED, Division
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version

#: Who changes what nobody asked for, because it follows from what somebody did.
ITSELF = "headrace"
#: For gateways to take a table; one that stands still is replaced sooner.
CATCH_UP_S = 30.0


class Controller:
    """Any thread may call any of this."""

    def __init__(self, store: Store, finding: Finding) -> None:
        """Take over what the store keeps."""
        self._store = store
        self._finding = finding
        self._engine: Engine | None = None
        self._lock = threading.RLock()
        self._moved = threading.Condition(self._lock)
        self._wanted: dict[str, Wanted] = {}
        #: What each wanted version was when it was asked for, by label.
        self._versions: dict[str, Version] = {}
        #: Versions that failed and were asked for anew, for as long as the engine does not know.
        self._anew: set[str] = set()

    def begin(self, found: Sequence[Version]) -> Beginning:
        """Return what a run begins with: what was wanted before, as far as it is there."""
        with self._lock:
            kept = self._store.models()
            by_model: dict[str, dict[int, Version]] = {}
            for one in found:
                by_model.setdefault(one.model, {})[one.number] = one
            for model, versions in by_model.items():
                before = kept.get(model)
                folder = str(next(iter(versions.values())).home)
                if before is not None and before.folder == folder:
                    for number in before.versions:
                        # What a registry has no more is gone, as what a folder has no more. One
                        # by one: the others stay.
                        with suppress(SourceInvalid):
                            versions = self._finding.with_older(versions, {number})
                after = words.begun(before, folder, swaps(versions), serves(versions))
                if after != before:
                    self._put(model, before, after, Note(ITSELF, words.of_start(before, after)))
                self._wanted[model] = after
                self._versions |= {versions[one].label: versions[one] for one in after.versions}
            return Beginning(self._assignments(), self._divisions(), self._store.term)

    def drive(self, engine: Engine) -> None:
        """Have ``engine`` bring about what is wanted from now on."""
        self._engine = engine

    def stood(self, standings: Mapping[str, Standing]) -> None:
        """Take how versions stand now, and do what follows by itself."""
        with self._lock:
            failed = {label for label, one in standings.items() if one.state is State.FAILED}
            self._anew &= failed
            changed = False
            for model, now in list(self._wanted.items()):
                if (found := words.settle(now, self._of(model, standings))) is not None:
                    after, what = found
                    self._put(model, now, after, Note(ITSELF, what))
                    changed = True
            if changed:
                self._tell()
            self._moved.notify_all()

    def load(
        self, model: str, version: int | None, *, swap: bool | None, who: str, why: str
    ) -> int:
        """Have a version loaded, the highest one if none is named; return its number.

        ``swap``: all traffic goes to it once it is ready, and who had it is unloaded; None: if its
        model.yaml says so.

        Raises:
            RepositoryInvalid: there is no such version; ConfigInvalid: model.yaml is wrong.
            Unwanted: it is loaded already.
        """
        found = self._finding.of(model, set() if version is None else {version})
        if version is None:
            version = max(found, default=0)
        if version not in found:
            there = ", ".join(str(one) for one in sorted(found)) or "none"
            raise RepositoryInvalid(f"no version {version} of {model}; in its folder are {there}")
        one = found[version]
        with self._lock:
            before = self._wanted.get(model)
            now = before or Wanted(str(one.home))
            standing = None if one.label in self._anew else self._standings().get(one.label)
            swap = one.config.versions.on_new == "swap" if swap is None else swap
            after = words.load(now, version, swap=swap, standing=standing)
            what = f"load {version}" + (" --swap" if swap else "")
            self._put(model, before, after, Note(who, what, why))
            self._versions[one.label] = one
            if after.versions[version]:
                self._anew.add(one.label)
            self._tell()
        return version

    def wait(self, model: str, version: int) -> Standing:
        """Wait until a version that was asked for has what traffic it is to have, or never will.

        Return how it stands then: ready, failed, or gone where it is wanted no more.
        """
        label = f"{model}/{version}"
        with self._moved:
            while True:
                one = self._standing(label)
                wanted = version in self._wanted.get(model, Wanted("")).versions
                if not wanted:
                    return Standing(State.GONE, "it was unloaded meanwhile")
                if one.state is State.FAILED:
                    return one
                pending = self._wanted[model].pending
                if one.state is State.READY and (pending is None or version not in pending.shares):
                    break
                self._moved.wait()
        if self._engine is not None:
            self._engine.catch_up(CATCH_UP_S)
        return one

    def arrived(self, model: str) -> None:
        """Load what is new in a model's folder, as `versions.on_new` of its model.yaml says.

        Raises:
            HeadraceError: it cannot be loaded as it is there; nothing was changed.
        """
        found = self._finding.of(model)
        with self._lock:
            before = self._wanted.get(model)
            if before is None:
                home = str(next(iter(found.values())).home)
                after = words.begun(None, home, swaps(found), serves(found))
            else:
                known = dict.fromkeys({*before.versions, *before.unloaded}, False)
                after = words.begun(before, before.folder, known | swaps(found))
            if after != before:
                new = sorted(set(after.versions) - set(before.versions if before else ()))
                what = f"load {' '.join(map(str, new))}: new in its folder"
                self._put(model, before, after, Note(ITSELF, what))
                self._versions |= {found[one].label: found[one] for one in new}
                self._tell()

    def obey(self, order: Order, *, who: str, why: str) -> None:
        """Change what is wanted as an operator orders.

        Raises:
            Unwanted: the model is not served, it cannot be, or nothing would change.
        """
        with self._lock:
            now = self._known(order.model)
            after = order.change(now, self._of(order.model, self._standings()))
            self._change(order.model, now, after, Note(who, order.what, why))

    def traffic(self) -> dict[str, Traffic]:
        """Return what else than shares decides who answers, of each model."""
        with self._lock:
            return {model: one.traffic for model, one in self._wanted.items()}

    def undo(self, number: int, *, who: str, why: str) -> str:
        """Go back to what was wanted before an entry of the journal; return what was undone.

        Raises:
            Unwanted: there is no such entry, or later ones changed the same model.
        """
        entry = self._store.entry(number)
        if entry is None:
            raise Unwanted(f"the journal has no entry {number}: `headrace journal` shows them")
        # Not under the lock: a registry may have to be asked, and everything else goes on.
        known = set(self._known(entry.model).versions)
        gone = set(entry.before.versions if entry.before else ()) - known
        again = self._finding.again(entry.model, gone)
        with self._lock:
            now = self._known(entry.model)
            if entry.before is None:
                raise Unwanted(f"entry {number} is the first of {entry.model}: nothing was before")
            if now != entry.after:
                later = ", ".join(f"{one}" for one in self._store.since(number, entry.model))
                raise Unwanted(
                    f"{entry.model} was changed since entry {number}, by {later or 'a start'}: "
                    "undo these first, the newest before the others"
                )
            after = words.undone(now, entry.before, self._of(entry.model, self._standings()))
            self._versions |= again
            self._change(entry.model, now, after, Note(who, f"undo {number} ({entry.what})", why))
            return f"{entry.model}: {entry.what}"

    def journal(self, limit: int, model: str = "") -> list[Entry]:
        """Return the last changes, the newest first."""
        return self._store.journal(limit, model)

    def versions(self, model: str = "", *, look: bool = True) -> list[Row]:
        """Return what is loaded, and with a ``look`` what could be, of one model or of all.

        Raises:
            RepositoryInvalid: the repository cannot be read, or has no such model.
        """
        found = {one.label: one for one in self._finding.every(model)} if look else {}
        with self._lock:
            held = {label: one for label, one in self._versions.items() if model in ("", one.model)}
            return [
                self._row(one)
                for one in sorted(
                    {**found, **held}.values(), key=lambda one: (one.model, one.number)
                )
            ]

    def _row(self, version: Version) -> Row:
        wanted = self._wanted.get(version.model, Wanted(""))
        is_wanted = version.number in wanted.versions
        pending = wanted.pending.shares if wanted.pending else None
        return Row(
            version,
            is_wanted=is_wanted,
            standing=self._standing(version.label)
            if is_wanted
            else self._standings().get(version.label),
            share=(wanted.shares or {}).get(version.number, 0),
            coming=None if pending is None else pending.get(version.number, 0),
        )

    def _known(self, model: str) -> Wanted:
        if model not in self._wanted:
            known = ", ".join(sorted(self._wanted)) or "none"
            raise Unwanted(f"no model {model!r} is served here; there is {known}")
        return self._wanted[model]

    def _change(self, model: str, before: Wanted, after: Wanted, note: Note) -> None:
        if after == before:
            raise Unwanted(f"{model}: nothing would change")
        self._put(model, before, after, note)
        self._tell()

    def _put(self, model: str, before: Wanted | None, after: Wanted, note: Note) -> None:
        self._store.put(model, before, after, note)
        self._wanted[model] = after
        gone = set((before or after).versions) - set(after.versions)
        for one in gone:
            self._versions.pop(f"{model}/{one}", None)

    def _tell(self) -> None:
        if self._engine is not None:
            self._engine.want(self._assignments(), self._divisions())

    def _assignments(self) -> list[Assignment]:
        return [
            Assignment(self._versions[f"{model}/{number}"], asked)
            for model, wanted in sorted(self._wanted.items())
            for number, asked in sorted(wanted.versions.items())
        ]

    def _divisions(self) -> Divisions:
        return {
            model: Division(wanted.shares, wanted.traffic.as_policy(model))
            for model, wanted in self._wanted.items()
        }

    def _standings(self) -> Mapping[str, Standing]:
        return {} if self._engine is None else self._engine.standings()

    def _standing(self, label: str) -> Standing:
        one = self._standings().get(label)
        return AWAITED if one is None or label in self._anew else one

    def _of(self, model: str, standings: Mapping[str, Standing]) -> dict[int, Standing]:
        """Return how the versions of a model stand, by number."""
        found = {}
        for label, one in standings.items():
            name, _, number = label.rpartition("/")
            if name == model:
                found[int(number)] = AWAITED if label in self._anew else one
        return found
