"""A version that another server carries, as a run of this one sees it."""

import json
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, Protocol

from headrace.config.upstream import load
from headrace.errors import HeadraceError
from headrace.execution.hangs import Hang
from headrace.execution.voices import Sink, legible, line
from headrace.models import Tensor
from headrace.models.lifecycle import BEGIN, Standing, State
from headrace.repository.digest import digest
from headrace.repository.folder import FILES, Version

#: For the first try. After it the version waits for its server, and others are loaded.
FIRST_TRY_S: Final = 6.0
#: As long as it takes; the core's own clock does not go beyond.
EVER_S: Final = 1e8
#: Of a server that is away the core says anew why, where that changes.
UNTRIED: Final = ""


class CoreUpstream(Protocol):
    """The connection to a server, as the core has it."""

    def wait(self, past: str, timeout_s: float) -> str: ...
    def close(self, timeout_s: float) -> bool: ...


#: Has the gateway send a version's requests to a server, given as JSON.
Dial = Callable[[str], CoreUpstream]


class UpstreamRunner:
    """In the place of a `Runner`: it loads nothing, and waits until its server is there.

    Once it was reached the gateway itself knows whether the server is there.
    """

    #: On this machine.
    threads = 0
    lanes = 0

    def __init__(
        self, version: Version, dial: Dial, sink: Sink, moved: Callable[[Standing], None]
    ) -> None:
        self.version = version
        self.digest = ""
        self.standing = BEGIN
        self.since = monotonic()
        #: What a row of the model's inputs is, once the server has said so; empty without rows.
        self.inputs: Sequence[Tensor] = ()
        self._dial = dial
        self._sink = sink
        self._moved = moved
        self._upstream: CoreUpstream | None = None
        self._ends = False
        self._lock = threading.Lock()

    def start(self, expected: str = "") -> bool:
        """Connect; False where the server is away: it is waited for then, in a thread of its own.

        ``expected``: the digest that the version's file must have; empty if it may be any.
        """
        file = self.version.folder / FILES[self.version.backend]
        try:
            told = load(file)
            self.digest = digest(self.version.folder)
            self._move(State.LOADING, f"connecting to {told.url}")
            settings = {
                "url": told.url,
                "upstream_model": told.model or self.version.model,
                "upstream_version": told.version,
                "model": self.version.model,
                "version": self.version.number,
                "rows_in_flight": told.rows_in_flight,
            }
            self._upstream = self._dial(json.dumps(settings))
        except (HeadraceError, OSError, ValueError) as error:
            if self.standing.state is not State.LOADING:
                self._move(State.LOADING, str(file))
            self._move(State.FAILED, f"{type(error).__name__}: {error}")
            return False
        if self._take(json.loads(self._upstream.wait(UNTRIED, FIRST_TRY_S))):
            return True
        waiting = threading.Thread(target=self._await, name=self.version.label, daemon=True)
        waiting.start()
        return False

    def stop(self, limit_s: float) -> bool:
        """Send nothing more; False when a request is still unanswered after ``limit_s``."""
        with self._lock:
            self._ends = True
            served = self.standing.state is State.READY
            if served:
                self._move(State.DRAINING, "finishing what was accepted")
        clean = self._upstream is None or self._upstream.close(limit_s)
        if served:
            unfinished = f"its server had not answered all after {limit_s:g} s"
            self._move(State.GONE, "drained" if clean else unfinished)
        return clean

    def change(self, version: Version) -> None:
        """Do nothing: model.yaml is for versions that run here."""

    def say_where_it_hangs(self, hang: Hang) -> None:
        """Do nothing: no batch of it runs here."""

    def give_up(self, hang: Hang) -> None:
        """Do nothing: no batch of it runs here."""

    def _await(self) -> None:
        past = UNTRIED
        while self._upstream is not None and not self._ends:
            told = json.loads(self._upstream.wait(past, EVER_S))
            if self._take(told) or told["state"] == "over":
                return
            past = told["reason"]

    def _take(self, told: dict[str, Any]) -> bool:
        """Take how the connection stands; True where the version serves."""
        with self._lock:
            if self._ends:
                return False
            if told["state"] != "up":
                reason = told.get("reason") or f"no answer within {FIRST_TRY_S:g} s"
                self.standing = Standing(State.LOADING, legible(f"waits for its server: {reason}"))
                self._say("log", self.standing.reason)
                self._moved(self.standing)
                return False
            if not told["unbatched"]:
                self.inputs = [
                    Tensor(one["name"], one["datatype"], one["shape"]) for one in told["inputs"]
                ]
            self._move(State.WARMING, "its server has told its tensors")
            self._move(State.READY, f"its server is there, with platform {told['platform']!r}")
            return True

    def _say(self, stream: str, text: str) -> None:
        self._sink(line(self.version.label, stream, text))

    def _move(self, state: State, reason: str) -> None:
        self.standing = self.standing.move(state, legible(reason))
        self.since = monotonic()
        self._say("err" if state is State.FAILED else "log", f"{state.value}: {reason}")
        self._moved(self.standing)
