"""Kill and stop the processes of a server under load, at random, and see what callers notice.

    .venv/bin/python -m tests.chaos --kills 100 --seed 1 --picture chaos.png

The same seed strikes the same processes in the same order. Ends with 1 if a bound was broken.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

from tests.chaos.attack import attack
from tests.chaos.report import table, write
from tests.chaos.victims import DECK, SHORT, plan


def main() -> int:
    """Read the command line, attack, report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ports", type=int, default=28_400, help="the first of four")
    parser.add_argument("--short", action="store_true", help="one strike of each kind")
    parser.add_argument("--json", type=Path, help="write everything that was seen there")
    parser.add_argument("--picture", type=Path, help="draw it; needs the extra `chaos`")
    parser.add_argument("--state", type=Path, help="keep the server's state and log there")
    wanted = parser.parse_args()
    deck = SHORT if wanted.short else DECK
    strikes = plan(wanted.seed, len(deck) if wanted.short else wanted.kills, deck)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        state = (wanted.state or Path(folder)) / "state"
        state.parent.mkdir(parents=True, exist_ok=True)
        outcome = attack(state, wanted.ports, wanted.seed, strikes, partial(print, flush=True))
    print(table(outcome))
    if wanted.json:
        write(outcome, wanted.json)
    if wanted.picture:
        from tests.chaos.picture import draw

        draw(outcome, wanted.picture)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
