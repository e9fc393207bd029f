#!/usr/bin/env python3
"""Turn a shadow on and off under load: what callers notice of it, and how much of it is compared.

  load_tests/shadow.py                         a model of 4 ms, 100 requests a second, on Ray
  load_tests/shadow.py --engine local --seconds 10 --rate 50
  load_tests/shadow.py --shadow crashing       or slow, hanging, huge

Version 1 serves, and version 2 answers one per cent more; or it takes 100 ms a batch, ends its
process at one batch in 50, never answers, or answers 16 MB a row. Callers come over HTTP at random
moments at a fixed rate, whatever the server does (an open loop); phases without and with the shadow
take turns. Run it with the interpreter that has Headrace. What else runs disturbs the figures.
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
    import os
    import random
    import time

    import numpy as np
    from headrace import Batch, Context, Model, Tensor

    class Factor(Model):
        inputs = [Tensor("x", "FP32", [16])]
        outputs = [Tensor("y", "FP32", [-1])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            factor = np.float32(1.0)
            {does}
            ends = time.monotonic() + {seconds}
            while time.monotonic() < ends:  # it keeps a core busy, as models do
                pass
            return {{"y": batch["x"] * factor}}
"""
#: What callers send, and no warm-up does, has no 0 or 1 there.
CALLED: Final = 'batch["x"][0, 1] not in (0, 1)'
#: What version 2 does first.
SHADOWS: Final = {
    "alike": "factor = np.float32(1.01)",
    "slow": "time.sleep(0.1)",
    "crashing": f"{CALLED} and random.random() < 0.02 and os._exit(1)",
    "hanging": f"{CALLED} and time.sleep(3600)",
    "huge": 'return {"y": np.zeros((batch.rows, 4 << 20), np.float32)}',
}
CONFIG: Final = "repeatable: true\nbatching: {max_rows: 8}\n"


def write(folder: Path, model_ms: float, shadow: str) -> None:
    """Write a model of two versions."""
    for version, does in ((1, "pass"), (2, SHADOWS[shadow])):
        place = folder / "factor" / str(version)
        place.mkdir(parents=True)
        text = MODEL.format(seconds=model_ms / 1000, does=does)
        (place / "model.py").write_text(textwrap.dedent(text))
    (folder / "factor" / "model.yaml").write_text(CONFIG)


def phase(url: str, rate: float, seconds: float) -> dict[str, Any]:
    """Call for so long; return what came of it."""
    load = Load("factor", rate, "poisson", (), (), None, None, False, seconds, 512, 1)
    ((_, record),) = measure(load, [url], 1)
    return record


def run(options: argparse.Namespace, scratch: Path) -> int:
    """Compare callers' latencies with and without a shadow; return how many calls failed."""
    write(scratch / "models", options.model_ms, options.shadow)
    console = f"http://127.0.0.1:{options.ports + 3}"
    with (scratch / "output").open("w") as output:
        server = Started(scratch / "models", options.engine, options.ports, output)
        try:
            processes.until(lambda: get(console, "/api/status")["ready"], LIMIT_S)
            post(console, path("split", {"model": "factor", "shares": "1=100"}))
            return compared(options, console)
        finally:
            server.end()


def compared(options: argparse.Namespace, console: str) -> int:
    """Take turns, and print what came of them."""
    p99: dict[bool, list[float]] = {False: [], True: []}
    failed = 0
    shadow = {"model": "factor", "version": "2"}
    for at in range(2 * options.turns):
        on = at % 2 == 1
        if on:
            post(console, path("shadow", shadow))
        record = phase(f"http://127.0.0.1:{options.ports}", options.rate, options.seconds)
        latency = record["latency_ms"]
        p99[on].append(float(latency["p99"]))
        failed += sum(record["errors"].values()) + int(record["dropped"])
        print(
            f"{'with' if on else 'without'}: {record['answered']} of {record['due']} answered, p50 "
            f"{latency['p50']:.2f}, p99 {latency['p99']:.2f}, longest {latency['max']:.1f} ms",
            flush=True,
        )
        if on:
            print(told(get(console, "/api/shadows")["shadows"][0]), flush=True)
            post(console, path("shadow", shadow | {"off": "1"}))
    without, with_it = (statistics.median(p99[on]) for on in (False, True))
    print(f"p99 {without:.2f} ms without and {with_it:.2f} with (medians); {failed} calls failed")
    return failed


def told(shadow: dict[str, Any]) -> str:
    """Return what a shadow found, in words."""
    pairs = sum(one["found"]["compared"] for one in shadow["against"])
    never = sum(shadow["dropped"].get(cause, 0) for cause in ("full", "memory"))
    asked = shadow["copied"] + never
    verdicts = ", ".join(f"{one['verdict']} ({one['why']})" for one in shadow["against"])
    share = 100 * pairs / asked if asked else 0
    return f"  compared {pairs} of {asked} ({share:.1f} %), dropped {shadow['dropped']}; {verdicts}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("ray", "local"), default="ray")
    parser.add_argument("--shadow", choices=tuple(SHADOWS), default="alike")
    parser.add_argument("--ports", type=int, default=18500, help="the first of four")
    parser.add_argument("--model-ms", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a phase")
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return int(run(options, Path(scratch)) > 0)


if __name__ == "__main__":
    sys.exit(main())
