"""Label many predictions of a real server, late, twice, forged and in any order.

    .venv/bin/python -m tests.feedback --predictions 100000 --door gateway

Ends with 1 unless what is shown of each version is exactly what its callers saw.
"""

import argparse
import tempfile
from pathlib import Path

from tests.feedback.promise import arms, call, halve, label, write_models
from tests.local.conftest import ready


def main() -> int:
    """Read the command line, call, label, compare."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.feedback", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--door", choices=("console", "gateway"), default="console")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feedback-") as name:
        folder = Path(name)
        with ready(write_models(folder / "models"), folder / "state") as server:
            halve(server)
            answered = call(server, wanted.predictions, wanted.seed)
            url = server.console if wanted.door == "console" else f"http://{server.http}"
            told = label(server, answered, wanted.seed, url)
            print(server.command("feedback", "show", "m"))
    sent = sum(told.outcomes.values())
    print(f"{len(answered)} predictions; {sent} labels: {told.outcomes}")
    print(f"{sent / told.seconds:.0f} labels a second; {told.disk_bytes / 1e6:.1f} MB of database")
    exact = (told.outcomes, arms(told.shown)) == (told.expected["outcomes"], told.expected["arms"])
    print("exact" if exact else f"expected {told.expected}")
    return 0 if exact else 1


if __name__ == "__main__":
    raise SystemExit(main())
