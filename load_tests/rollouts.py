#!/usr/bin/env python3
"""Try versions by rollouts of real traffic: each has to end as the version has earned.

  load_tests/rollouts.py photos                   examples/photos on Ray, some ten minutes
  load_tests/rollouts.py triton FOLDER            Triton's version is the baseline, ours come
  load_tests/rollouts.py triton FOLDER --engine local

Of the photo model a good version is promoted; the others go back: one whose pixels are broken by
agreement, one that takes 20 ms more by latency, one that raises at 2 % of its batches by errors,
and one that ends its process by crashes. Of Triton (FOLDER is load_tests/peers/set_up.sh's) the
baseline stays where it is, behind an upstream.yaml: a good version of ours is promoted, one that
answers otherwise and one that is slow go back. Run it with the interpreter that has Headrace.
"""

import argparse
import json
import random
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from shutil import copytree
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import numpy as np
import processes
from footprint import Started
from servers import ExplicitTriton
from tests.drift.photos import pictures

from headrace.cli.console_client import get, post
from headrace.cli.deciding import path

ROOT: Final = Path(__file__).resolve().parents[1]
LIMIT_S: Final = 600.0
CALLERS: Final = 2
PHOTOS: Final = ROOT / "examples/photos"
#: What the photo model says, and what a version says in its place.
SAYS: Final = 'return {"score": self.network(batch.tensor("pixels").permute(0, 3, 1, 2))}'
PHOTOS_PLAN: Final = """
rollouts:
  default:
    steps_percent: [50]
    judge:
      errors: {max_increase_points: 0.5}
      p50: {max_ratio: 1.2}
      agreement: {min_percent: 90, mirror_percent: 20}
    minimum: {units: 50, minutes: 0}
    max_crashes: 1
    max_hours: 0.5
"""
OURS: Final = """
import time
from headrace import Batch, Context, Model, Tensor

class Ours(Model):
    inputs = [Tensor("x", "FP32", [16])]
    outputs = [Tensor("y", "FP32", [16])]

    def load(self, context: Context) -> None: ...

    def predict(self, batch: Batch):
        {does}
"""
TRITON_PLAN: Final = """
repeatable: true
rollouts:
  default:
    steps_percent: [50]
    judge:
      errors: {max_increase_points: 1}
      p99: {max_ratio: 2}
      agreement: {min_percent: 90, mirror_percent: 20}
    minimum: {units: 50, minutes: 0}
    max_hours: 0.5
"""


@dataclass(frozen=True)
class Candidate:
    """A version that is tried.

    Attributes:
        does: instead of what the model of the folder does.
        end, why: of its rollout; `why` is in what is said of that.
    """

    what: str
    does: str
    end: str
    why: str


def back(what: str, does: str, why: str) -> Candidate:
    """Return one that has to go back."""
    return Candidate(what, does, "rolled back", why)


GOOD: Final = "no metric is worse than allowed"
OF_PHOTOS: Final = (
    back("broken pixels", SAYS.replace('"pixels")', '"pixels").mul(128).add(127)'), "agreement: "),
    back("20 ms more", f"import time; time.sleep(0.02); {SAYS}", "p50: "),
    back(
        "raises at 2 %",
        f'import random; assert random.random() > 0.02, "by chance"; {SAYS}',
        "errors: ",
    ),
    back(
        "crashes",
        "import os; self.ran = getattr(self, 'ran', 0) + 1; self.ran < 60 or os._exit(3); " + SAYS,
        " crashed ",
    ),
    Candidate("good", SAYS, "promoted", GOOD),
)
OF_TRITON: Final = (
    back("answers otherwise", 'return {"y": -batch["x"]}', "agreement: "),
    back("100 ms more", 'time.sleep(0.1); return {"y": batch["x"]}', "p99: "),
    Candidate("good", 'return {"y": batch["x"]}', "promoted", GOOD),
)


@dataclass
class Trial:
    """A server with a model of which version 1 has the traffic, and the versions that are tried.

    Attributes:
        write: puts a version into a folder that is to be.
        bodies: of requests, without an end.
        think_s: on average, between an answer and its caller's next request. While all callers
            think copies are made for agreement.
    """

    model: str
    candidates: tuple[Candidate, ...]
    write: Callable[[Path, Candidate], object]
    bodies: Iterator[bytes]
    kind: str
    think_s: float
    answered: Counter[int] = field(default_factory=Counter)

    def play(self, folder: Path, options: argparse.Namespace) -> int:
        """Serve a folder and try each version; return how many ended otherwise."""
        console = f"http://127.0.0.1:{options.ports + 3}"
        wrong = 0
        with (folder / "output").open("w") as output:
            server = Started(folder / "models", options.engine, options.ports, output)
            try:
                with self._traffic(options.ports):
                    for version, candidate in enumerate(self.candidates, 2):
                        if options.only and candidate.what not in options.only:
                            continue
                        self.write(folder / "models" / self.model / str(version), candidate)
                        wrong += not self._tried(console, version, candidate)
            finally:
                server.end()
        print(f"{wrong} ended otherwise; answers {dict(self.answered)}")
        return wrong

    def _tried(self, console: str, version: int, candidate: Candidate) -> bool:
        began = time.monotonic()
        asked = {"model": self.model, "version": str(version)}

        def rollout() -> Mapping[str, Any]:
            found: Mapping[str, Any] = get(console, f"/api/rollouts/{number}")
            return found

        post(console, path("load", asked))
        number = post(console, path("rollout/start", asked))["number"]
        processes.until(lambda: rollout()["end"] is not None, LIMIT_S)
        end, why = (found := rollout())["end"], found["said"][-1]["why"]
        units = {one["name"]: one["candidate"]["units"] for one in found["metrics"]}
        right = end == candidate.end and candidate.why in why
        print(
            f"{'' if right else 'WRONG '}{candidate.what}: {end} after "
            f"{time.monotonic() - began:.0f} s, {units}: {why}",
            flush=True,
        )
        if end == "rolled back":
            post(console, path("unload", asked))
        return right

    @contextmanager
    def _traffic(self, port: int) -> Iterator[None]:
        stop, lock = threading.Event(), threading.Lock()

        def call() -> None:
            with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                while not stop.wait(random.expovariate(1 / self.think_s)):
                    with lock:
                        body = next(self.bodies)
                    try:
                        where = f"/v2/models/{self.model}/infer"
                        connection.request("POST", where, body, {"Content-Type": self.kind})
                        answer = connection.getresponse()
                        answer.read()
                        self.answered[answer.status] += 1
                    except (HTTPException, OSError):
                        connection.close()

        callers = [threading.Thread(target=call) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            stop.set()
            for caller in callers:
                caller.join()


def photos(options: argparse.Namespace, folder: Path) -> int:
    """Try versions of the photo model."""
    home = folder / "models/photos"
    source = (PHOTOS / "1/model.py").read_text()
    assert SAYS in source

    def write(place: Path, candidate: Candidate) -> None:
        copytree(PHOTOS / "1", place)
        (place / "model.py").write_text(source.replace(SAYS, candidate.does))

    write(home / "1", OF_PHOTOS[-1])
    (home / "model.yaml").write_text((PHOTOS / "model.yaml").read_text() + PHOTOS_PLAN)
    seen = pictures(np.random.default_rng(1), "unchanged")
    trial = Trial("photos", OF_PHOTOS, write, seen, "image/jpeg", think_s=0.04)
    return trial.play(folder, options)


def triton(options: argparse.Namespace, folder: Path) -> int:
    """Try versions of ours beside Triton's."""
    home = folder / "models/identity"

    def write(place: Path, candidate: Candidate) -> None:
        place.mkdir()
        (place / "model.py").write_text(OURS.format(does=candidate.does))

    repository = ROOT / "load_tests/peers/triton_models"
    server = ExplicitTriton(options.folder, repository, "identity", folder)
    try:
        (home / "1").mkdir(parents=True)
        (home / "1/upstream.yaml").write_text(f"url: http://{server.http}\n")
        (home / "model.yaml").write_text(TRITON_PLAN)
        kind = "application/json"
        trial = Trial("identity", OF_TRITON, write, _rows(), kind, think_s=0.005)
        return trial.play(folder, options)
    finally:
        server.end()


def _rows() -> Iterator[bytes]:
    dice = np.random.default_rng(1)
    while True:
        row = dice.random(16).tolist()
        tensor = {"name": "x", "shape": [1, 16], "datatype": "FP32", "data": row}
        yield json.dumps({"inputs": [tensor]}).encode()


def main() -> int:
    """Do what the command line says; 1 where a version had another end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = parser.add_subparsers(required=True)
    for word in (photos, triton):
        one = words.add_parser(word.__name__, help=textwrap.shorten(word.__doc__ or "", 80))
        one.set_defaults(play=word)
        one.add_argument("--engine", choices=("ray", "local"), default="ray")
        one.add_argument(
            "--only", nargs="*", help="of the versions; their words are in what is told"
        )
        one.add_argument("--ports", type=int, default=18600, help="the first of four")
        if word is triton:
            one.add_argument("folder", type=Path, help="where Triton is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return int(options.play(options, Path(scratch)) > 0)


if __name__ == "__main__":
    sys.exit(main())
