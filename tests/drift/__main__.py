"""Send real photos to a server that watches them, then the same darkened, blurred and rotated.

    .venv/bin/python -m tests.drift

Ends with 1 unless each change raises an alarm, and the photos that stay as they are none. Beside
it the usual index, PSI, with its usual thresholds, of the same windows.
"""

import argparse
import tempfile
from pathlib import Path

from tests.drift.promise import Found, begin, watch, write_models
from tests.local.conftest import ready


def main() -> int:
    """Read the command line, call, watch, judge."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.drift", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rate", type=float, default=20, help="photos a second, of each kind")
    parser.add_argument("--reference", type=int, default=2000, help="photos")
    parser.add_argument("--window", type=int, default=200, help="photos; a look takes 10 s of them")
    parser.add_argument("--quiet", type=int, default=12, help="windows before photos change")
    parser.add_argument("--changed", type=int, default=6, help="windows since")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drift-") as name:
        folder = Path(name)
        models = write_models(folder / "models", wanted.reference, wanted.window)
        with ready(models, folder / "state") as server:
            callers = begin(server, wanted.rate, wanted.seed)
            found = watch(server, callers, wanted.quiet, wanted.changed)
            for caller in callers:
                caller.done = True
    right = True
    for caller, one in zip(callers, found, strict=True):
        right &= one.alarms[0] is None
        right &= (one.alarms[1] is None) == (caller.change == "unchanged")
        print(f"{caller.change}: {said(one)}")
    print("as promised" if right else "not as promised")
    return 0 if right else 1


def said(one: Found) -> str:
    """Return what became of a version, in a line."""
    before, since = one.alarms
    alarm = "no alarm" if since is None else f"alarm after {since} photos ({', '.join(one.by)})"
    false = "" if before is None else f", a false one after {before}"
    index = "; ".join(
        f"PSI above {threshold} in {counts[0]} of {one.windows[0]} windows before, "
        f"{counts[1]} of {one.windows[1]} since"
        for threshold, counts in one.psi.items()
    )
    return f"{alarm}{false}. {index}"


if __name__ == "__main__":
    raise SystemExit(main())
