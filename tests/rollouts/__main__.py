"""Judge simulated rollouts, and draw how often judges were wrong and how fast they were right.

nice python -m tests.rollouts --json target/rollouts.json --pictures docs
"""

import argparse
import json
import os
import time
from pathlib import Path

from tests.rollouts import picture
from tests.rollouts.campaign import SCENARIOS, campaign, lines_of


def main() -> None:
    """Run the scenarios; print and write their figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="of an A/A scenario")
    parser.add_argument("--power-runs", type=int, default=200, help="of each other one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, default=Path("target/rollouts.json"))
    parser.add_argument("--pictures", type=Path, help="a folder")
    options = parser.parse_args()
    found = {}
    for scenario in SCENARIOS:
        began = time.monotonic()
        runs = options.power_runs if scenario.margins else options.runs
        found[scenario.name] = campaign(scenario, runs, options.processes)
        print(f"{scenario.name}: {runs} rollouts in {time.monotonic() - began:.0f} s", flush=True)
        print(*lines_of(found[scenario.name]), sep="\n", flush=True)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found))
    if options.pictures is not None:
        picture.draw(found, options.pictures)


if __name__ == "__main__":
    main()
