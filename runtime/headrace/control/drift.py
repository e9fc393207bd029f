"""Versions whose tensors are watched: gateways are asked every ten seconds, alarms are said."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from headrace.config.drift import Drift as Config
from headrace.control.announcing import of_drift
from headrace.control.controller import Controller
from headrace.control.course_book import Clocks
from headrace.control.references import Of
from headrace.control.telling import Telling
from headrace.control.troubles import Troubles
from headrace.errors import HeadraceError, StateInvalid, Unwanted
from headrace.monitoring.drift import Key, Policy, Watched, added
from headrace.monitoring.profiles import Profiled, Seen, profiled
from headrace.registry.redacting import trace

#: Between two looks at what gateways have counted, while a version is watched.
LOOK_S: Final = 10.0
NOW: Final = Clocks()
#: What the metrics page shows, at most.
MOST_SCORES: Final = 4096
#: What of a config its reference depends on.
BASIS: Final = {"inputs", "outputs", "reference_rows"}
#: A model and a version's number.
Which = tuple[str, int]


@dataclass(frozen=True)
class Known:
    """What is known of one version.

    Attributes:
        of: what it was loaded from, and what its reference depends on: of another one nothing is
            known.
        kept: since when there are alarms, as the database has it; None before its reference is
            there.
    """

    of: Of
    watched: Watched = field(default_factory=Watched)
    kept: Sequence[tuple[Key, float | None]] | None = None
    seen: Seen = field(default_factory=Seen)


class Drift:
    """Of all versions. Any thread may call any of this.

    References are kept in the database, and since when there are alarms; a window that was not
    full yet ends with this process.
    """

    def __init__(
        self,
        controller: Controller,
        gateways: Callable[[str], Sequence[str]],
        digest: Callable[[str], str],
        telling: Telling,
        clocks: Clocks = NOW,
    ) -> None:
        """Watch nothing yet.

        Args:
            controller: of the versions.
            gateways: takes what metrics pages are to show, and returns what each gateway that
                answers has counted, both as JSON.
            digest: returns that of the files that a version was loaded from, by label; empty
                while it is not loaded.
            telling: tells the operator, and hooks.
            clocks: what time it is, and how time passes.
        """
        self._controller, self._gateways = controller, gateways
        self._digest, self._telling, self._clocks = digest, telling, clocks
        #: Replaced, so that who reads needs no lock.
        self._known: Mapping[Which, Known] = {}
        self._looked_at: float | None = None
        self._looking = threading.Lock()
        self._stirred = threading.Event()
        self._closed = False
        self._troubles = Troubles(telling.say)
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)

    def open(self) -> None:
        """Watch from now on, once there is an engine that can be asked."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._stirred.set()

    def all(self) -> dict[Which, Watched]:
        """Return what is known of all versions that are watched, by model and number."""
        return {which: one.watched for which, one in self._known.items()}

    def anew(self, model: str, version: int, who: str) -> None:
        """Take a version's next rows as its reference, for somebody who says so.

        Raises:
            Unwanted: it is not watched. StateInvalid, Deposed: nothing was changed.
        """
        which = model, version
        with self._looking:
            # What has come until now is not what comes next.
            self._look()
            if which not in self._known:
                raise Unwanted(
                    f"{model}/{version} is not watched: versions are that are loaded, and whose "
                    "model.yaml has `drift`"
                )
            self._controller.store.references.forget(model, version)
            before = self._known[which]
            self._known = {
                **self._known,
                which: replace(before, watched=Watched(), kept=None),
            }
        self._tell(which, before, Watched())
        label = f"{model}/{version}"
        self._telling.say(f"drift of {label}: the next rows are its reference, {who} says")

    def _run(self) -> None:
        with self._controller.events.followed(self._stirred.set):
            next_at = time.monotonic() + LOOK_S
            while not self._closed:
                # Where nothing is watched, and nothing happens, nobody wakes up.
                is_watching = bool(self._configs() or self._known)
                left_s = max(0.0, next_at - time.monotonic()) if is_watching else None
                woken = self._stirred.wait(left_s)
                self._stirred.clear()
                is_early = woken and time.monotonic() < next_at
                if self._closed or (is_early and not self._is_new()):
                    continue
                next_at = time.monotonic() + LOOK_S
                try:
                    self.look()
                # Whatever was not foreseen: who watches must not be gone without a word.
                except Exception as error:
                    self._troubles.meet(f"drift: {trace(error)}")

    def _is_new(self) -> bool:
        """Whether a version is there that nothing was looked up of, such as its alarms."""
        return any(
            which not in self._known and self._digest(f"{which[0]}/{which[1]}")
            for which in self._configs()
        )

    def _configs(self) -> dict[Which, Config]:
        held = (one.version for one in self._controller.held())
        return {(one.model, one.number): one.config.drift for one in held if one.config.drift}

    def look(self) -> None:
        """Take what gateways have counted since the last look, and say what follows."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        configs, at, now = self._configs(), self._clocks.ticks(), self._clocks.time()
        passed_s = 0.0 if self._looked_at is None else at - self._looked_at
        # A window is of when somebody looked.
        passed_s, self._looked_at = min(passed_s, 2 * LOOK_S), at
        self._troubles.begin_look()
        known = {which: self._now(which, one) for which, one in configs.items()}
        self._let_go({which: one for which, one in known.items() if one is not None})
        rows, came = dict.fromkeys(self._known, 0), {which: added({}, {}) for which in self._known}
        for told in self._told():
            which = told.model, told.version
            if which in came:
                new, profile = self._known[which].seen.take(told)
                rows[which] += new
                came[which] = added(came[which], profile)
        for which, before in self._known.items():
            config = configs[which]
            after = before.watched.then(policy(config), rows[which], came[which], passed_s, now)
            # Told twice, if this ends in between, and not never.
            self._tell(which, before, after)
            kept = self._keep(before, after) if after.rows >= config.reference_rows else None
            self._known = {**self._known, which: replace(before, watched=after, kept=kept)}

    def _now(self, which: Which, config: Config) -> Known | None:
        """Return what is known of a version that is held; None while that cannot be told."""
        before = self._known.get(which)
        digest = self._digest(f"{which[0]}/{which[1]}")
        if not digest:
            # It is on its way, or others have its place for a while.
            return before
        of = Of(*which, digest, config.model_dump(mode="json", include=BASIS))
        if before is not None and before.of == of:
            return before
        try:
            found = self._controller.store.references.read(of)
        except StateInvalid as error:
            # Rows that come meanwhile are not to take the place of what is there.
            self._troubles.meet(f"drift: the reference of {of.label} cannot be read: {error}")
            return None
        except (KeyError, TypeError, ValueError) as error:
            self._troubles.meet(
                f"drift: the reference of {of.label} is another release's, and is taken anew: "
                f"{type(error).__name__}: {error}"
            )
            found = None
        seen = Seen() if before is None else before.seen
        if found is None:
            return Known(of, seen=seen)
        return Known(of, found, _alarms(found), seen)

    def _let_go(self, known: Mapping[Which, Known]) -> None:
        """Go on with these versions, and say of others that their alarms are over."""
        for which, before in self._known.items():
            after = known.get(which)
            if before.watched.drifted and (after is None or after.of != before.of):
                self._tell(which, before, Watched())
                if after is None and before.kept is not None:
                    # It has none when it comes back.
                    self._keep(before, replace(before.watched, alarms={}))
        self._known = known

    def _told(self) -> list[Profiled]:
        found = []
        for text in self._gateways(self._scores()):
            try:
                found += profiled(text)
            except ValueError as error:
                self._troubles.meet(f"drift: what a gateway has counted cannot be read: {error}")
        return found

    def _keep(self, known: Known, after: Watched) -> Sequence[tuple[Key, float | None]] | None:
        """Write down what a start is to go on with, where it is not; what fails is tried again."""
        alarms = _alarms(after)
        if known.kept == alarms:
            return alarms
        try:
            self._controller.store.references.write(known.of, after)
        except HeadraceError as error:
            self._troubles.meet(f"drift: the reference of {known.of.label} is not kept: {error}")
            return known.kept
        return alarms

    def _tell(self, which: Which, known: Known, after: Watched) -> None:
        before, label = known.watched, known.of.label
        began = sorted({*after.drifted} - {*before.drifted})
        if began or (before.drifted and not after.drifted):
            self._telling.tell(of_drift(*which, known.of.digest, after, began))
        if began:
            found = ", ".join(f"{tensor} {feature}" for tensor, feature in began)
            self._telling.say(
                f"drift of {label}: {found}: `headrace drift {which[0]}` has the numbers"
            )
        elif before.drifted and not after.drifted:
            self._telling.say(f"drift of {label} is over: its tensors are as they were")

    def _scores(self) -> str:
        rows = [
            {
                "model": model,
                "version": number,
                "tensor": tensor,
                "feature": feature,
                "score": alarm.last.score,
                "alarm": alarm.since is not None,
            }
            for (model, number), one in self._known.items()
            for (tensor, feature), alarm in one.watched.alarms.items()
        ]
        return json.dumps(rows[:MOST_SCORES])


def _alarms(watched: Watched) -> list[tuple[Key, float | None]]:
    return [(one, watched.alarms[one].since) for one in watched.drifted]


def policy(config: Config) -> Policy:
    """Return what is asked of a version's tensors, as its model.yaml has it."""
    return Policy(
        config.reference_rows,
        config.window_rows,
        config.false_alarms_per_day,
        config.least_score,
    )
