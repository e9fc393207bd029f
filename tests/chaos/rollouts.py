"""Kills processes while rollouts go on, and looks whether each ends as it would have otherwise.

  python -m tests.chaos.rollouts --rollouts 50 --seed 1
  python -m tests.chaos.rollouts --rollouts 50 --seed 1 --calm       without a blow, to compare with
  python -m tests.chaos.rollouts --engine ray --rollouts 12

Several models of a server under load have a rollout each at the same time, and then the next. Half
of the candidates are as good as their baseline; the others raise at one batch in five, or take
50 ms more. Meanwhile processes are killed, at moments and in an order that the dice say: `headrace
serve` itself, after which the same command is started again, and on Ray also hosts, gateways and
Serve's controller. Every rollout has to end, promoted or sent back for the reason that its
candidate has, and traffic has to be with whom that says.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.chaos.server import Server
from tests.integration.conftest import alive, until, write_model
from tests.integration.models import IDENTITY
from tests.local.conftest import LocalServer
from tests.local.conftest import start as start_local
from tests.ports import free_ports

#: What a candidate does before it answers, and how its rollout has to end: promoted, or sent back
#: with this at the beginning of why.
KINDS: Final = {
    "good": ("pass", "promoted", "no metric is worse than allowed"),
    "raises": ('if random.random() < 0.2: raise ValueError("by chance")', "rolled back", "errors:"),
    "slow": ("time.sleep(0.05)", "rolled back", "p50:"),
}
#: Half of them are good.
DEALT: Final = ("good", "raises", "good", "slow")
VICTIMS: Final = {
    "local": ("serve",),
    "ray": ("serve", "host", "gateway", "standby", "controller"),
}
#: Small steps, and few units: hundreds of requests are minutes of a busy machine. Whoever shares a
#: process dies with it, and that is nobody's fault here.
CONFIG: Final = """
    placement: {isolation: shared}
    rollouts:
      default:
        steps_percent: [20, 50, 100]
        judge: {errors: {max_increase_points: 5}, p50: {max_ratio: 3}}
        minimum: {units: 100, minutes: 0}
        max_crashes: 100
        max_hours: 1
"""
WHOLE_S: Final = 180.0
ENDED_S: Final = 400.0
PAUSE_S: Final = 0.004


@dataclass(frozen=True)
class Judged:
    """A rollout that has ended.

    Attributes:
        gateways: that have counted for it; one more for each that was killed meanwhile.
        blows: that fell while it went on.
    """

    model: str
    kind: str
    end: str
    why: str
    gateways: int
    blows: int

    @property
    def is_right(self) -> bool:
        """Whether it ended as its candidate has earned."""
        _, end, why = KINDS[self.kind]
        return self.end == end and self.why.startswith(why)

    def __str__(self) -> str:
        wrong = "" if self.is_right else "  WRONG"
        told = f"{self.gateways} gateways, {self.blows} blows"
        return f"{self.model:<4} {self.kind:<7} {self.end:<12} {told}: {self.why[:100]}{wrong}"


class Struck:
    """A server that is killed and begun again."""

    def __init__(self, folder: Path, engine: str, models: int, rounds: int, seed: int) -> None:
        self.engine, self.dice = engine, random.Random(seed)
        self.names = [f"m{at}" for at in range(models)]
        self.blows: list[tuple[float, str]] = []
        self._models, self._state = folder / "models", folder / "state"
        for at, name in enumerate(self.names):
            for version in range(1, rounds + 2):
                does = KINDS[self.kind(at, version) if version > 1 else "good"][0]
                source = IDENTITY.format(pause=0).replace("import os", "import random, os")
                source = source.replace("time.sleep(0)", does)
                write_model(self._models, name, source, CONFIG, version)
        self.port = free_ports()
        self._server: LocalServer | Server = self._begin()

    @staticmethod
    def kind(at: int, version: int) -> str:
        """Return the kind of a model's candidate."""
        return DEALT[(at + version) % len(DEALT)]

    def _begin(self) -> LocalServer | Server:
        if self.engine == "ray":
            server = Server(self._state, self.port, self._models)
            until(lambda: "listening: HTTP" in server.said(), WHOLE_S, "the server is ready")
            return server
        local = start_local(self._models, self._state, port=self.port)
        local.wait_ready()
        return local

    def end(self) -> None:
        """End the server."""
        self._server.end()

    def strike(self) -> None:
        """Kill one of those that may be; begin again what has to be begun by hand."""
        victim = self.dice.choice(VICTIMS[self.engine])
        if not (found := self._find(victim)):
            return
        below = self._server.below() if isinstance(self._server, Server) else set[int]()
        with suppress(ProcessLookupError):
            os.kill(self.dice.choice(found), signal.SIGKILL)
        self.blows.append((time.monotonic(), victim))
        if victim == "serve":
            self._server.process.wait()
            until(lambda: not alive(below), WHOLE_S, "everything is gone")
            self._server = self._begin()

    def _find(self, victim: str) -> list[int]:
        if victim == "serve" or not isinstance(self._server, Server):
            return [self._server.process.pid]
        with suppress(OSError):
            if victim != "host":
                return self._server.find(victim)
            processes = self._server.status()["processes"]
            return [pid for name in processes if name != "gateway" for pid in processes[name]]
        return []

    def get(self, what: str) -> Any:
        """Return what the console tells, as soon as somebody does."""
        return self._asked(urllib.request.Request(self._url(what)))

    def post(self, command: str, **query: Any) -> Any:
        """Say a word, again and again until it was heard; what is refused was heard before."""
        url = self._url(f"{command}?{urlencode(query)}")
        headers = {"Headrace-Client": "the chaos"}
        return self._asked(urllib.request.Request(url, method="POST", headers=headers))

    def _url(self, what: str) -> str:
        return f"http://127.0.0.1:{self.port + 3}/api/{what}"

    @staticmethod
    def _asked(request: urllib.request.Request) -> Any:
        ends = time.monotonic() + WHOLE_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                return {"refused": json.loads(error.read())["error"]}
            except (OSError, ValueError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)  # noqa: TID251 - nobody is there for the moment


@contextmanager
def traffic(struck: Struck) -> Iterator[Counter[int]]:
    """Call each model for as long as the block lasts; how often callers had which status."""
    stop, answered = threading.Event(), Counter[int]()
    row = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}
    body = json.dumps({"inputs": [row]})

    def call(model: str) -> None:
        with closing(HTTPConnection("127.0.0.1", struck.port, timeout=30)) as connection:
            while not stop.wait(PAUSE_S):
                try:
                    connection.request("POST", f"/v2/models/{model}/infer", body)
                    answer = connection.getresponse()
                    answer.read()
                    answered[answer.status] += 1
                except (HTTPException, OSError):
                    connection.close()

    callers = [threading.Thread(target=call, args=(one,)) for one in struck.names for _ in "ab"]
    for caller in callers:
        caller.start()
    try:
        yield answered
    finally:
        stop.set()
        for caller in callers:
            caller.join()


def play(struck: Struck, version: int, every_s: tuple[float, float] | None) -> list[Judged]:
    """Have each model's version tried at once, under blows; return how each of them ended.

    Raises:
        AssertionError: one never ended.
    """
    began = time.monotonic()
    for name in struck.names:
        struck.post("rollout/start", model=name, version=version)
    next_s = began + (struck.dice.uniform(*every_s) if every_s else ENDED_S)
    ends: dict[str, float] = {}
    while True:
        last = {one["model"]: one for one in struck.get("rollouts")["rollouts"]}
        mine = [last[name] for name in struck.names]
        assert all(one["candidate"] == version for one in mine), mine
        for one in mine:
            if one["end"] is not None:
                ends.setdefault(one["model"], time.monotonic())
        if len(ends) == len(struck.names):
            break
        assert time.monotonic() < began + ENDED_S, mine
        if every_s and time.monotonic() > next_s:
            struck.strike()
            next_s = time.monotonic() + struck.dice.uniform(*every_s)
        time.sleep(0.2)  # noqa: TID251 - for another process, bounded
    judged = []
    for at, one in enumerate(mine):
        model = one["model"]
        blows = sum(began < when < ends[model] for when, _ in struck.blows)
        kind, why = struck.kind(at, version), one["said"][-1]["why"]
        judged.append(Judged(model, kind, one["end"], why, one["gateways"], blows))
        if one["end"] == "promoted":
            struck.post("rollout/rollback", number=one["number"], why="the next is tried")
    return judged


def run(options: argparse.Namespace, folder: Path) -> Sequence[Judged]:
    """Play all rounds; print each rollout."""
    rounds = -(-options.rollouts // options.models)
    struck = Struck(folder, options.engine, options.models, rounds, options.seed)
    judged: list[Judged] = []
    try:
        for name in struck.names:
            struck.post("split", model=name, shares="1=100")
        with traffic(struck) as answered:
            for version in range(2, rounds + 2):
                judged += (
                    played := play(struck, version, None if options.calm else options.every_s)
                )
                print(*played, sep="\n", flush=True)
        print(
            f"answers by status {dict(answered)}; blows {Counter(who for _, who in struck.blows)}"
        )
    finally:
        struck.end()
    return judged


def main() -> int:
    """Do what the command line says; 1 where a rollout did not end as it has to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--rollouts", type=int, default=50, help="in all, at least")
    parser.add_argument("--models", type=int, default=10, help="that have one at the same time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", action="store_true", help="strike nobody")
    parser.add_argument(
        "--every-s", type=float, nargs=2, default=(4.0, 12.0), help="between two blows"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        judged = run(options, Path(folder))
    wrong = [one for one in judged if not one.is_right]
    struck = sum(one.blows > 0 for one in judged)
    print(f"{len(judged)} rollouts, {struck} of them struck: {len(wrong)} ended otherwise")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
