"""Kills processes while an operator decides, and looks whether that comes about, and who notices.

  python -m tests.chaos.decisions --rounds 50 --seed 1

Each round says one word to a server under load (load, unload, split, swap, undo), and kills one
process at a random moment around it: a host, a gateway, Serve's controller, GCS, or `headrace
serve` itself, after which the same command is started again. Then it waits until the server carries
what the journal's last entry wants, and looks at the journal: every entry begins where the one
before it ended. Callers over both protocols name no version; how long none of them had a right
answer has a bound for each kind of victim.
"""

import argparse
import itertools
import json
import random
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from os import kill
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.chaos.server import GATEWAYS, Server
from tests.integration.conftest import alive, until, write_model
from tests.integration.load import Load
from tests.integration.models import IDENTITY
from tests.ports import free_ports

MODEL: Final = "m"
VERSIONS: Final = range(1, 6)
#: Victim → how long nobody may have a right answer, on a machine of two cores that also calls.
BOUNDS_S: Final = {
    "host": 12.0,
    "gateway": 4.0,
    "standby": 3.0,
    "controller": 3.0,
    "gcs": 3.0,
    "serve": 60.0,
}
WHOLE_S: Final = 120.0
#: Of a version whose host was killed while it loaded: it has failed, and is loaded again.
KILLED: Final = "its process ended while it loaded"


@dataclass
class Round:
    """What was said and struck, and what came of it."""

    number: int
    word: str
    victim: str
    told: str = ""
    silence_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        wrong = f"  WRONG: {'; '.join(self.wrong)}" if self.wrong else ""
        return (
            f"{self.number:3}  {self.word:<22} {self.victim:<10} silence {self.silence_s:5.2f} s  "
            f"{self.told}{wrong}"
        )


class Campaign:
    """A server that is killed and begun again, and the callers that know nothing of that."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._dice = random.Random(seed)
        #: In turns, each order once: a few rounds have all of them.
        self._victims = itertools.chain.from_iterable(
            self._dice.sample(list(BOUNDS_S), len(BOUNDS_S)) for _ in itertools.count()
        )
        self._models, self._state = folder / "models", folder / "state"
        for number in VERSIONS:
            write_model(self._models, MODEL, IDENTITY.format(pause=0), "repeatable: true\n", number)
        self._port = free_ports()
        self.server = self._begin()

    def _begin(self) -> Server:
        server = Server(self._state, self._port, self._models)
        until(lambda: "listening: HTTP" in server.said(), WHOLE_S, "the server is ready")
        return server

    def end(self) -> None:
        """End the server."""
        self.server.end()

    def post(self, command: str, **query: Any) -> str:
        """Say a word; return what was answered, or that nobody did."""
        url = f"http://{self.server.console}/api/{command}?{urlencode(query)}"
        headers = {"Headrace-Client": "the chaos"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, method="POST", headers=headers), timeout=10
            ) as answer:
                return f"done {answer.status}"
        except urllib.error.HTTPError as error:
            return f"refused: {json.loads(error.read())['error']}"
        except OSError as error:
            return f"nobody answers: {type(error).__name__}"

    def journal(self) -> list[dict[str, Any]]:
        """Return every entry of the model, oldest first."""
        found = self.server.get(f"{self.server.console}/api/journal?model={MODEL}&limit=1000")
        entries: list[dict[str, Any]] = found["entries"][::-1]
        return entries

    def word(self) -> tuple[str, dict[str, Any]]:
        """Choose what to say, of what could be done."""
        last = self.journal()[-1]
        now = last["after"]
        loaded = sorted(map(int, now["versions"]))
        absent = sorted(set(VERSIONS) - set(loaded))
        idle = [one for one in loaded if not (now["shares"] or {}).get(str(one))]
        words: list[tuple[str, dict[str, Any]]] = [
            ("undo", {"number": self.journal()[-1]["number"]})
        ]
        if absent:
            words += [("load", {"version": self._dice.choice(absent), "swap": 0})] * 2
            words += [("load", {"version": self._dice.choice(absent), "swap": 1})] * 3
        if idle:
            words += [("unload", {"version": self._dice.choice(idle)})] * 2
        chosen = self._dice.sample(loaded, min(2, len(loaded)))
        cut = self._dice.choice([10, 50, 90]) if len(chosen) == 2 else 100
        parts = zip(chosen, (cut, 100 - cut), strict=False)
        words.append(("split", {"shares": ",".join(f"{one}={part}" for one, part in parts)}))
        return self._dice.choice(words)

    def strike(self, victim: str) -> None:
        """Kill one of those that answer to the name; begin again what has to be begun by hand."""
        if victim == "host":
            processes = self.server.status()["processes"]
            found = [pid for name in processes if name != "gateway" for pid in processes[name]]
        else:
            found = self.server.find(victim)
        if not found:
            return
        below = self.server.below() if victim == "serve" else set()
        with suppress(ProcessLookupError):
            kill(self._dice.choice(found), signal.SIGKILL)
        if victim == "serve":
            self.server.process.wait()
            until(lambda: not alive(below), WHOLE_S, "everything is gone")
            self.server = self._begin()

    def missing(self) -> str:
        """Return what is not as the journal's last entry wants it; nothing once all is."""
        try:
            wanted = self.journal()[-1]["after"]
            status = self.server.status()
            (model,) = status["models"]
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}"
        rows = {str(one["version"]): one for one in model["versions"]}
        if wanted["pending"]:
            return "somebody is still waited for"
        if len(status["processes"].get("gateway", [])) < GATEWAYS:
            return "no gateway stands by"
        if set(rows) != set(wanted["versions"]):
            return f"carried are {sorted(rows)}, wanted {sorted(wanted['versions'])}"
        if killed := [one for one in rows.values() if KILLED in one["reason"]]:
            # Nobody tries again by himself what may end the next process too.
            self.post("load", model=MODEL, version=killed[0]["version"])
        if states := {one["state"] for one in rows.values()} - {"ready"}:
            return f"some are {', '.join(sorted(states))}"
        shares = {number: row["share_percent"] for number, row in rows.items()}
        asked = {one: wanted["shares"].get(one, 0) / 100 for one in rows}
        return "" if shares == asked else f"shares are {shares}, wanted {asked}"

    def broken(self) -> list[str]:
        """Return where the journal does not go on from where it was."""
        entries, told = self.journal(), []
        for one, then in itertools.pairwise(entries):
            if then["before"] != one["after"]:
                told.append(f"entry {then['number']} begins where {one['number']} did not end")
        return told

    def play(self, number: int) -> Round:
        """Play one round."""
        command, query = self.word()
        victim = next(self._victims)
        text = f"{command} {' '.join(str(value) for value in query.values())}"
        played = Round(number, text, victim)
        delay_s = self._dice.uniform(-0.3, 3.0)
        saying = threading.Thread(
            target=lambda: setattr(played, "told", self.post(command, model=MODEL, **query))
        )
        if delay_s >= 0:
            saying.start()
        time.sleep(abs(delay_s))  # noqa: TID251 - the dice say when
        self.strike(victim)
        if delay_s < 0:
            saying.start()
        saying.join()
        why = ""
        ends = time.monotonic() + WHOLE_S
        while (why := self.missing()) and time.monotonic() < ends:
            time.sleep(0.1)  # noqa: TID251 - for another process, bounded
        if why:
            played.wrong.append(f"after {WHOLE_S:g} s {why}")
        played.wrong += self.broken()
        return played


class Callers:
    """Callers over both protocols, who call on whatever happens."""

    def __init__(self, server: Server) -> None:
        self.loads = [
            Load(server, MODEL, "http", 1.0),
            Load(server, MODEL, "grpc", 2.0),
        ]

    def rights(self) -> list[float]:
        """Return when right answers came, in order."""
        ends = [one.ended for load in self.loads for one in list(load.calls) if one.how == "right"]
        return sorted(ends)

    def silence(self, since: float) -> float:
        """Return for how long nobody had a right answer, at most, since a moment."""
        moments = [since, *(at for at in self.rights() if at > since), time.monotonic()]
        return max(then - one for one, then in itertools.pairwise(moments))

    def wrong(self) -> int:
        """Return how many answers were wrong."""
        return sum(load.ended["wrong"] for load in self.loads)


@contextmanager
def calling(server: Server) -> Iterator[Callers]:
    """Have both kinds of callers call for as long as the block lasts."""
    callers = Callers(server)
    with ExitStack() as held:
        for load in callers.loads:
            load.start(20)
            held.callback(load.stop)
        yield callers


def run(rounds: int, seed: int, folder: Path) -> list[Round]:
    """Play so many rounds; print each."""
    campaign = Campaign(folder, seed)
    played: list[Round] = []
    try:
        with calling(campaign.server) as callers:
            for number in range(1, rounds + 1):
                began = time.monotonic()
                one = campaign.play(number)
                one.silence_s = callers.silence(began)
                if one.silence_s > BOUNDS_S[one.victim]:
                    one.wrong.append(f"nobody was answered for {one.silence_s:.1f} s")
                if callers.wrong():
                    one.wrong.append(f"{callers.wrong()} answers were wrong")
                played.append(one)
                print(one, flush=True)
    finally:
        campaign.end()
    return played


def summary(played: list[Round]) -> Mapping[str, float]:
    """Return the longest silence for each kind of victim."""
    return {
        victim: max((one.silence_s for one in played if one.victim == victim), default=0.0)
        for victim in BOUNDS_S
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        played = run(options.rounds, options.seed, Path(folder))
    for victim, silence_s in summary(played).items():
        print(f"{victim:<10} longest silence {silence_s:.2f} s")
    wrong = sum(bool(one.wrong) for one in played)
    print(f"{len(played)} rounds, {wrong} of them wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
