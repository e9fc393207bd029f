"""Versions whose tensors are watched: gateways are asked every ten seconds, alarms are said."""

import json
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from headrace.config.drift import Drift as Config
from headrace.control.controller import Controller
from headrace.monitoring.drift import Policy, Watched, added
from headrace.monitoring.profiles import Profiled, Seen, profiled

#: Between two looks at what gateways have counted, while a version is watched.
LOOK_S: Final = 10.0
#: What the metrics page shows, at most.
MOST_SCORES: Final = 4096


class Drift:
    """Of all versions. Any thread may call any of this.

    What is known ends with this process: after a start a version's first rows are its reference.
    """

    def __init__(
        self,
        controller: Controller,
        gateways: Callable[[str], Sequence[str]],
        say: Callable[[str], None],
        digest: Callable[[str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Watch nothing yet.

        Args:
            controller: of the versions.
            gateways: takes what metrics pages are to show, and returns what each gateway that
                answers has counted, both as JSON.
            say: says a line to the operator.
            digest: returns that of the files that a version was loaded from, by label.
            clock: seconds since 1970.
        """
        self._controller, self._gateways, self._say = controller, gateways, say
        self._digest, self._clock = digest, clock
        #: Replaced, so that who reads needs no lock.
        self._watched: dict[tuple[str, int], Watched] = {}
        self._seen: dict[tuple[str, int], Seen] = {}
        #: What each was loaded from, and asked for: of another one nothing is known.
        self._loaded: dict[tuple[str, int], tuple[str, Config]] = {}
        self._looked_at = 0.0
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

    def of(self, model: str) -> dict[int, Watched]:
        """Return what is known of a model's versions that are watched, by number."""
        return {number: one for (name, number), one in self._watched.items() if name == model}

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
        configs, now = self._configs(), self._clock()
        passed_s, self._looked_at = max(0.0, now - (self._looked_at or now)), now
        loaded = {key: (self._digest(f"{key[0]}/{key[1]}"), one) for key, one in configs.items()}
        same = {key for key, one in loaded.items() if self._loaded.get(key) == one}
        self._watched = {key: one for key, one in self._watched.items() if key in same}
        self._loaded = loaded
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
            self._tell(key, before, after)

    def _told(self) -> list[Profiled]:
        found = []
        for text in self._gateways(self._scores()):
            try:
                found += profiled(text)
            except ValueError as error:
                self._say_once(f"drift: what a gateway has counted cannot be read: {error}")
        return found

    def _tell(self, key: tuple[str, int], before: Watched, after: Watched) -> None:
        label = f"{key[0]}/{key[1]}"
        began = sorted({*after.drifted} - {*before.drifted})
        if began:
            found = ", ".join(f"{tensor} {feature}" for tensor, feature in began)
            self._say(f"drift of {label}: {found}: `headrace drift {key[0]}` has the numbers")
        elif before.drifted and not after.drifted:
            self._say(f"drift of {label} is over: its tensors are as they were")

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
            self._say(text)


def policy(config: Config) -> Policy:
    """Return what is asked of a version's tensors, as its model.yaml has it."""
    return Policy(
        config.reference_rows,
        config.window_rows,
        config.false_alarms_per_day,
        config.least_score,
    )
