"""Versions that get no traffic because a rollout rolled them back: looked at, and released."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from headrace.control.finding import Finding
from headrace.control.quarantine import Files, Quarantine, decide, gains, of_end, refusal
from headrace.control.starting import ITSELF
from headrace.control.store import Change, Entry, Note, Store
from headrace.errors import HeadraceError, Quarantined, Unwanted
from headrace.repository.digest import of_version
from headrace.repository.folder import Version
from headrace.rollout.course import Course

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Quarantines:
    """Of all models. Any thread may call any of this."""

    def __init__(self, store: Store, finding: Finding) -> None:
        """Know what ``store`` keeps, and see what ``finding`` finds from now on."""
        self._store, self._finding = store, finding
        finding.sees = self.look
        #: Returns the digest of the files that a version was loaded from, by label; empty before.
        self.loaded: Callable[[str], str] = lambda label: ""
        #: Hears that versions may have traffic again, and of the journal's entries about it.
        self.frees: Callable[[Sequence[Entry]], object] = lambda entries: None
        #: Model → number → what was found there last. Replaced, so that who reads needs no lock.
        self._found: dict[str, dict[int, tuple[Version, Files]]] = {}
        #: Who was rolled back before anybody had read its files, as it was known then.
        self._unread: deque[tuple[Quarantine, Version]] = deque()
        #: Held by who replaces it.
        self._lock = threading.Lock()

    def look(self, found: Iterable[Version]) -> None:
        """Take versions as they are now; may take long where files of one have to be read.

        Of one that nothing was ever said against no file is read.
        """
        looked = [(one, self._files(one)) for one in found]
        held = [one for one, _ in looked if self.has(one)]
        self._know(looked)
        entries = []
        for one, files in looked:
            if spent := decide(self._store.quarantined, files).spent:
                state = one.tagged.state if one.tagged is not None else ""
                why = f"its registry has it as {state or 'nothing in particular'}"
                note = Note(ITSELF, f"rollout release {one.number}", why)
                entries += [self._store.release(spent, note, remember=False)]
        if any(not self.has(one) for one in held):
            # It is released, whatever becomes of what follows: whoever looks gets to see that.
            with suppress(HeadraceError):
                self.frees([entry for entry in entries if entry is not None])

    def of(self, model: str, number: int) -> Quarantine | None:
        """Return why a version is quarantined; None of one that is not, or that nobody found."""
        found = self._found.get(model, {}).get(number)
        return None if found is None else decide(self._store.quarantined, found[1]).holds

    def has(self, version: Version) -> bool:
        """Whether a version that was found is quarantined."""
        return self.of(version.model, version.number) is not None

    def numbers(self, model: str) -> frozenset[int]:
        """Return the versions of a model that are quarantined."""
        found = self._found.get(model, {})
        return frozenset(one for one in found if self.of(model, one) is not None)

    def require(self, change: Change) -> None:
        """Check that what somebody asks for gives no quarantined version any traffic.

        Raises:
            Quarantined: it does.
        """
        for number in sorted(gains(change.before, change.after)):
            self.check(change.model, number)

    def check(self, model: str, number: int) -> None:
        """Check that a version may have traffic.

        Raises:
            Quarantined: it may not.
        """
        if (one := self.of(model, number)) is not None:
            is_registered = self._found[model][number][0].tagged is not None
            raise refusal(one, registered=is_registered)

    def ask(self, model: str, number: int) -> None:
        """Look at a quarantined version anew, as its registry has it by now; may take long."""
        found = self._found.get(model, {}).get(number)
        if found is None or self.of(model, number) is None:
            return
        if found[0].tagged is None:
            # It may have been loaded since, from other files.
            self.look([found[0]])
            return
        # A registry that is away has released nobody.
        with suppress(HeadraceError):
            self._finding.of(model, frozenset({number}))

    def of_end(self, course: Course | None) -> Quarantine | None:
        """Return what a rollout has quarantined by its end, if anything."""
        if course is None or (one := of_end(course, "")) is None:
            return None
        # Files are not read now: whoever ends a rollout has all locks, and traffic is to move.
        return replace(one, digest=self.loaded(f"{one.model}/{one.version}"))

    def begun(self, one: Quarantine) -> None:
        """Know the files of a version that is quarantined by now."""
        if (found := self._found.get(one.model, {}).get(one.version)) is not None:
            self._know([(found[0], replace(found[1], digest=one.digest))])
            if not one.digest:
                self._unread.append((one, found[0]))

    def catch_up(self) -> None:
        """Read the files of who was rolled back before anybody had; may take long.

        Until then it is quarantined whatever its files are, and stays so where they cannot be read
        or somebody has looked since: what is there by now may be others.
        """
        while self._unread:
            one, version = self._unread.popleft()
            now = self._found.get(one.model, {}).get(one.version)
            with suppress(HeadraceError, OSError):
                known = replace(one, digest=of_version(version, os.cpu_count() or 1))
                if now is not None and now[0] is version:
                    self._store.complete(known)
                    self._know([(version, replace(now[1], digest=known.digest))])

    def _know(self, looked: Sequence[tuple[Version, Files]]) -> None:
        by_model: dict[str, dict[int, tuple[Version, Files]]] = {}
        for one, files in looked:
            by_model.setdefault(one.model, {})[one.number] = (one, files)
        with self._lock:
            for model, versions in by_model.items():
                self._found[model] = {**self._found.get(model, {}), **versions}

    def release(self, model: str, number: int, *, who: str, why: str) -> Entry | None:
        """Let a version have traffic again; return the journal's entry.

        Raises:
            Unwanted: it is not quarantined.
            Deposed, StateInvalid: it cannot be written down.
        """
        found = self._found.get(model, {}).get(number)
        # Of one that is not there any more only what is kept is known.
        files = Files(model, number, "") if found is None else found[1]
        label, some = (model, number), list[Quarantine]()
        kept = {
            one.rollout: one for one in self._store.quarantined if (one.model, one.version) == label
        }
        while one := decide(kept.values(), files).holds:
            kept[one.rollout] = replace(one, is_released=True)
            some.append(one)
        if not some:
            raise Unwanted(f"{model}/{number} is not quarantined")
        return self._store.release(some, Note(who, f"rollout release {number}", why), remember=True)

    def _files(self, version: Version) -> Files:
        label = (version.model, version.number)
        is_kept = any((one.model, one.version) == label for one in self._store.quarantined)
        is_tagged = version.tagged is not None and version.tagged.is_rolled_back
        known = self._digest(version) if is_kept or is_tagged else ""
        return Files(*label, known, version.tagged)

    def _digest(self, version: Version) -> str:
        """Return that of the files as they were loaded; of one that is not, as they are."""
        if loaded := self.loaded(version.label):
            return loaded
        # What cannot be read is whatever it was.
        with suppress(OSError):
            return of_version(version, os.cpu_count() or 1)
        return ""


class Quarantining(Protocol):
    """Whoever has methods that are against a quarantine."""

    quarantine: Quarantines


Self = TypeVar("Self", bound=Quarantining)


def asks_again(
    method: Callable[Concatenate[Self, Parameters], Result],
) -> Callable[Concatenate[Self, Parameters], Result]:
    """Do what a quarantine was against once more, after the version was looked at anew.

    Somebody may have tagged it again in its registry since it was found.
    """

    @wraps(method)
    def asking(one: Self, /, *given: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return method(one, *given, **named)
        except Quarantined as error:
            one.quarantine.ask(error.model, error.version)
        return method(one, *given, **named)

    return asking
