#!/usr/bin/env python3
"""Measure batching on a server that serves `load_tests/batching/models`.

headrace serve load_tests/batching/models &
python load_tests/batching/measure.py pull goodput --json target/batching.json
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import scenarios
import streams

from headrace_load.target import Target


def main() -> int:
    """Run the scenarios that are named; print and write their figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="+", choices=["pull", "goodput", "shapes", "stream"])
    parser.add_argument("--url", default="grpc://127.0.0.1:8001")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rates", type=float, nargs="+", default=[160.0, 1280.0], help="of shapes")
    parser.add_argument(
        "--times", type=float, nargs="+", default=[0.5, 1.0, 2.0, 4.0], help="capacity, of goodput"
    )
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    target, seconds = Target.of(options.url), options.seconds
    figures: dict[str, Any] = {}
    for name in options.scenarios:
        if name == "pull":
            figures[name] = scenarios.pull(target, seconds)
        elif name == "stream":
            figures[name] = [
                streams.stream(target, clients, seconds, slow=slow)
                for clients, slow in ((1, 0), (8, 0), (8, 4), (32, 0))
            ]
        elif name == "shapes":
            figures[name] = [
                scenarios.shapes(target, "shapes", rate, seconds) for rate in options.rates
            ]
        else:
            figures[name] = [
                scenarios.goodput(target, times, seconds, guarded=guarded)
                for guarded in (True, False)
                for times in options.times
            ]
        print(json.dumps({name: figures[name]}, indent=2), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
