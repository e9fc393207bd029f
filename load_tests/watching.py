#!/usr/bin/env python3
"""Measure what it costs callers that a model is watched: evidence, ids for labels, and drift.

  load_tests/watching.py                              1,000 requests a second, on Ray
  load_tests/watching.py --engine local --rate 200 --seconds 5 --turns 1

One server has the same model twice, each with two versions that have half of the traffic. Of the
one nothing is watched. Of the other a rollout is going on, which counts evidence of errors and of
p99, every answer has an id by which a label may come, and requests are sampled for drift. Callers
come over HTTP at random moments at a fixed rate, whatever the server does (an open loop), to the
one and to the other in turns. Run it with the interpreter that has Headrace. What else runs
disturbs the figures.
"""

import argparse
import statistics
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import processes
from footprint import Started

from headrace.cli.benching import Load, measure
from headrace.cli.console_client import get, post
from headrace.cli.deciding import path

LIMIT_S: Final = 120.0
MODEL: Final = """
    from headrace import Batch, Context, Model, Tensor

    class Same(Model):
        inputs = [Tensor("x", "FP32", [16])]
        outputs = [Tensor("y", "FP32", [16])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            return {"y": batch["x"]}
"""
#: Its rollout goes on for as long as this lasts.
WATCHED: Final = """
    feedback: {output: y}
    drift: {inputs: [x], outputs: [y]}
    rollouts:
      default:
        steps_percent: [50]
        judge: {errors: {max_increase_points: 1}, p99: {max_ratio: 100}}
        minimum: {units: 100, minutes: 600}
"""
MODELS: Final = {"plain": "", "watched": WATCHED}


def write(folder: Path) -> None:
    """Write the model twice, of two versions each."""
    for name, config in MODELS.items():
        for version in "12":
            (folder / name / version).mkdir(parents=True)
            (folder / name / version / "model.py").write_text(textwrap.dedent(MODEL))
        (folder / name / "model.yaml").write_text(textwrap.dedent(config))


def phase(url: str, model: str, rate: float, seconds: float) -> dict[str, Any]:
    """Call a model for so long; return what came of it."""
    load = Load(model, rate, "poisson", (), (), None, None, False, seconds, 512, 1)
    ((_, record),) = measure(load, [url], 1)
    return record


def begin(options: argparse.Namespace, console: str, url: str) -> None:
    """Divide the traffic of both, of the one by a rollout, once it knows its baseline's latency."""
    post(console, path("split", {"model": "plain", "shares": "1=50,2=50"}))
    post(console, path("split", {"model": "watched", "shares": "1=100"}))
    post(console, path("rollout/start", {"model": "watched", "version": "2"}))
    while not get(console, "/api/rollouts/1")["step"]:
        phase(url, "watched", options.rate, 2.0)


def compared(options: argparse.Namespace, console: str, url: str) -> int:
    """Take turns, and print what came of them; return how many calls failed."""
    p50: dict[str, list[float]] = {name: [] for name in MODELS}
    p99: dict[str, list[float]] = {name: [] for name in MODELS}
    failed = 0
    for name in [*MODELS] * options.turns:
        record = phase(url, name, options.rate, options.seconds)
        latency = record["latency_ms"]
        p50[name].append(float(latency["p50"]))
        p99[name].append(float(latency["p99"]))
        failed += sum(record["errors"].values()) + int(record["dropped"])
        print(
            f"{name}: {record['answered']} of {record['due']} answered, p50 {latency['p50']:.2f}, "
            f"p99 {latency['p99']:.2f}, longest {latency['max']:.1f} ms",
            flush=True,
        )
    (rollout,) = get(console, "/api/rollouts")["rollouts"]
    counted = {one["name"]: one["candidate"]["units"] for one in rollout["metrics"]}
    print(f"rollout: {rollout['end'] or 'goes on'}, units of the candidate {counted}")
    for what, of in (("p50", p50), ("p99", p99)):
        plain, watched = (statistics.median(of[name]) for name in MODELS)
        print(f"{what} {plain:.2f} ms, watched {watched:.2f} (medians)")
    print(f"{failed} calls failed")
    return failed


def main() -> int:
    """Do what the command line says; 1 where a call failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("ray", "local"), default="ray")
    parser.add_argument("--ports", type=int, default=18700, help="the first of four")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn")
    parser.add_argument("--turns", type=int, default=5, help="of each of the two")
    options = parser.parse_args()
    console, url = (f"http://127.0.0.1:{options.ports + at}" for at in (3, 0))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "models")
        with (Path(folder) / "output").open("w") as output:
            server = Started(Path(folder) / "models", options.engine, options.ports, output)
            try:
                processes.until(lambda: get(console, "/api/status")["ready"], LIMIT_S)
                begin(options, console, url)
                return int(compared(options, console, url) > 0)
            finally:
                server.end()


if __name__ == "__main__":
    sys.exit(main())
