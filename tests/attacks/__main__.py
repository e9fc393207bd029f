"""Attack a server of this machine and say how it stood.

    headrace serve load_tests/peers/models
    python -m tests.attacks                                  all, on :8000 (HTTP) to :8003 (console)
    python -m tests.attacks --only rapid_reset --only half_bodies
    python -m tests.attacks --server triton --url http://127.0.0.1:8100 --markdown

The server needs the models `identity` and `image` of load_tests/peers. For Triton's,
load_tests/peers/triton_models has the same.
"""

import argparse
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.attacks import everything, process
from tests.attacks.catalogue import ATTACKS, Attack
from tests.attacks.judge import Verdict, judge
from tests.attacks.target import Target


def main() -> int:
    """Run the attacks that were named; return 0 if the server stood all."""
    options = _options()
    everything.load()
    unknown = sorted(set(options.only) - set(ATTACKS))
    if unknown:
        sys.exit(f"no attack {', '.join(unknown)}; there are {', '.join(ATTACKS)}")
    target = _target(options)
    stood = True
    for attack in ATTACKS.values():
        if options.only and attack.name not in options.only:
            continue
        began = time.monotonic()
        verdict = judge(target, attack)
        print(_row(attack, verdict, time.monotonic() - began, options.markdown), flush=True)
        stood = stood and verdict.stood
        if not verdict.lives:
            if options.restart is None:
                return 1
            target = _again(options)
    return 0 if stood else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where it speaks HTTP")
    parser.add_argument("--server", choices=("headrace", "triton"), default="headrace")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, as in the tests")
    parser.add_argument("--markdown", action="store_true", help="rows of a table")
    parser.add_argument(
        "--restart", type=Path, help="a program that starts a server that died, and returns"
    )
    return parser.parse_args()


def _target(options: argparse.Namespace) -> Target:
    url = urlsplit(options.url)
    host, port = url.hostname or "127.0.0.1", url.port or 8000
    pid = process.listener(port)
    if pid is None:
        sys.exit(f"nobody listens on port {port} of this machine, as far as this user may see")
    is_headrace = options.server == "headrace"
    return Target(
        host=host,
        port=port,
        grpc_port=port + 1,
        metrics_port=port + 2,
        console_port=port + 3 if is_headrace else 0,
        pid=pid,
        full=not options.quick,
        strict=is_headrace,
    )


def _again(options: argparse.Namespace) -> Target:
    import subprocess

    subprocess.run([options.restart], check=True)
    return _target(options)


def _row(attack: Attack, verdict: Verdict, took_s: float, markdown: bool) -> str:
    alive = "alive" if verdict.lives else "DEAD"
    good = "answers" if verdict.serves else "DOES NOT ANSWER"
    memory = f"{verdict.peak_mib:+} / {verdict.left_mib:+} MiB"
    cells = [attack.name, alive, good, memory, f"{took_s:.1f} s", "; ".join(verdict.wrong)]
    return f"| {' | '.join(cells)} |" if markdown else "  ".join(cells)


if __name__ == "__main__":
    sys.exit(main())
