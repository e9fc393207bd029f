"""Versions whose tensors are watched: gateways are asked every ten seconds, alarms are said."""

import json
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from headrace.config.drift import Drift as Config
from headrace.control.announcing import of_drift
from headrace.control.controller import Controller
from headrace.control.references import Of
from headrace.control.telling import Telling
from headrace.errors import HeadraceError, Unwanted
from headrace.monitoring.drift import Key, Policy, Watched, added
from headrace.monitoring.profiles import Profiled, Seen, profiled

#: Between two looks at what gateways have counted, while a version is watched.
LOOK_S: Final = 10.0
#: What the metrics page shows, at most.
MOST_SCORES: Final = 4096


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Watch nothing yet.

        Args:
            controller: of the versions.
            gateways: takes what metrics pages are to show, and returns what each gateway that
                answers has counted, both as JSON.
            digest: returns that of the files that a version was loaded from, by label; empty
                before.
            telling: tells the operator, and hooks.
            clock: seconds since 1970.
        """
        self._controller, self._gateways = controller, gateways
        self._digest, self._telling, self._clock = digest, telling, clock
        #: Replaced, so that who reads needs no lock.
        self._watched: dict[tuple[str, int], Watched] = {}
        self._seen: dict[tuple[str, int], Seen] = {}
        #: What each was loaded from, and asked for: of another one nothing is known.
        self._loaded: dict[tuple[str, int], tuple[str, Config]] = {}
        #: Since when there are alarms, of each version whose reference is in the database.
        self._kept: dict[tuple[str, int], list[tuple[Key, float | None]]] = {}
        self._looked_at = 0.0
        self._looking = threading.Lock()
        self._stirred = threading.Event()
        self._closed = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)

    def open(self) -> None:
        """Watch from now on, once there is an engine that can be asked."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._stirred.set()

    def all(self) -> dict[tuple[str, int], Watched]:
        """Return what is known of all versions that are watched, by model and number."""
        return self._watched

    def anew(self, model: str, version: int, who: str) -> None:
        """Take a version's next rows as its reference, for somebody who says so.

        Raises:
            Unwanted: it is not watched. StateInvalid, Deposed: nothing was changed.
        """
        with self._looking:
            if (model, version) not in self._watched:
                raise Unwanted(
                    f"{model}/{version} is not watched: versions are that are loaded, and whose "
                    "model.yaml has `drift`"
                )
            self._controller.store.references.forget(model, version)
            self._kept.pop((model, version), None)
            self._watched = {**self._watched, (model, version): Watched()}
        label = f"{model}/{version}"
        self._telling.say(f"drift of {label}: the next rows are its reference, {who} says")

    def _run(self) -> None:
        with self._controller.events.followed(self._stirred.set):
            next_at = time.monotonic() + LOOK_S
            while not self._closed:
                # Where nothing is watched, and nothing happens, nobody wakes up.
                left_s = max(0.0, next_at - time.monotonic()) if self._configs() else None
                woken = self._stirred.wait(left_s)
                self._stirred.clear()
                if self._closed or (woken and time.monotonic() < next_at):
                    continue
                next_at = time.monotonic() + LOOK_S
                try:
                    self.look()
                # Whatever was not foreseen: who watches must not be gone without a word.
                except Exception:
                    self._say_once(f"drift: {traceback.format_exc()}")

    def _configs(self) -> dict[tuple[str, int], Config]:
        held = (one.version for one in self._controller.held())
        return {(one.model, one.number): one.config.drift for one in held if one.config.drift}

    def look(self) -> None:
        """Take what gateways have counted since the last look, and say what follows."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        configs, now = self._configs(), self._clock()
        passed_s, self._looked_at = max(0.0, now - (self._looked_at or now)), now
        loaded = {key: (self._digest(f"{key[0]}/{key[1]}"), one) for key, one in configs.items()}
        same = {key for key, one in loaded.items() if self._loaded.get(key) == one}
        self._watched = {key: one for key, one in self._watched.items() if key in same}
        self._kept = {key: one for key, one in self._kept.items() if key in same}
        self._loaded = loaded
        for key in {*configs} - same:
            self._remember(key)
        self._seen = {key: self._seen.get(key) or Seen() for key in configs}
        rows, came = dict.fromkeys(configs, 0), {key: added({}, {}) for key in configs}
        for one in self._told():
            key = one.model, one.version
            if key in configs:
                new, profile = self._seen[key].take(one)
                rows[key] += new
                came[key] = added(came[key], profile)
        for key, config in configs.items():
            before = self._watched.get(key, Watched())
            after = before.then(policy(config), rows[key], came[key], passed_s, now)
            self._watched = {**self._watched, key: after}
            self._keep(key, after)
            self._tell(key, before, after)

    def _told(self) -> list[Profiled]:
        found = []
        for text in self._gateways(self._scores()):
            try:
                found += profiled(text)
            except ValueError as error:
                self._say_once(f"drift: what a gateway has counted cannot be read: {error}")
        return found

    def _of(self, key: tuple[str, int]) -> Of:
        digest, config = self._loaded[key]
        return Of(*key, digest, config.model_dump(mode="json"))

    def _remember(self, key: tuple[str, int]) -> None:
        """Go on with what is kept of a version that was loaded from the same files."""
        try:
            of = self._of(key)
            found = self._controller.store.references.read(of) if of.digest else None
        except (HeadraceError, KeyError, TypeError, ValueError) as error:
            self._say_once(f"drift: the reference of {key[0]}/{key[1]} cannot be read: {error}")
            return
        if found is not None:
            self._watched = {**self._watched, key: found}
            self._kept[key] = _alarms(found)

    def _keep(self, key: tuple[str, int], watched: Watched) -> None:
        """Write down what a start is to go on with, where it is not; what fails is tried again."""
        digest, config = self._loaded[key]
        if not digest or watched.rows < config.reference_rows:
            return
        alarms = _alarms(watched)
        if self._kept.get(key) != alarms:
            try:
                self._controller.store.references.write(self._of(key), watched)
                self._kept[key] = alarms
            except HeadraceError as error:
                self._say_once(f"drift: the reference of {key[0]}/{key[1]} is not kept: {error}")

    def _tell(self, key: tuple[str, int], before: Watched, after: Watched) -> None:
        label = f"{key[0]}/{key[1]}"
        began = sorted({*after.drifted} - {*before.drifted})
        if began or (before.drifted and not after.drifted):
            self._telling.tell(of_drift(*key, self._loaded[key][0], after, began))
        if began:
            found = ", ".join(f"{tensor} {feature}" for tensor, feature in began)
            self._telling.say(
                f"drift of {label}: {found}: `headrace drift {key[0]}` has the numbers"
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
            for (model, number), one in self._watched.items()
            for (tensor, feature), alarm in one.alarms.items()
        ]
        return json.dumps(rows[:MOST_SCORES])

    def _say_once(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self._telling.say(text)


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
