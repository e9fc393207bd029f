#!/usr/bin/env python3
"""Measure a running Headrace against Triton, in turns, on this machine.

FOLDER is what set_up.sh filled. Headrace must run already, with the models that lie beside this
script; Triton is started and ended here, with the same models for its Python backend:

  headrace serve load_tests/peers/models &
  load_tests/peers/compare.py FOLDER

The load comes from wrk and h2load, which neither side wrote. Before each round tritonclient sends
random tensors and compares what comes back; after it, it does so while the same load runs again.
h2load calls every HTTP 200 a success: how many were is asked of the server. A line gives, for one
piece of work, the medians, how many times as good Headrace is, and the CPU time that all processes
of each server used for a request. Other work on the machine disturbs the figures: let none run.
"""

import argparse
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Final

import loads
import processes
import servers
from loads import Failed, Work
from servers import Server, Triton

#: Calls that go once through all that the witness varies.
ALL_CALLS: Final = 8
#: A Triton that dies this often in one piece of work is not measured.
DEATHS: Final = 10
HEADER: Final = ("", "Headrace", "Triton", "times as good", "CPU us/request", "Triton's CPU")


@dataclass(frozen=True)
class Settings:
    """How long, how often, and where the requests lie."""

    rounds: int
    seconds: int
    scratch: Path


@dataclass(frozen=True)
class Turn:
    """What one round of one server gave."""

    figure: float
    cpu_us: float


def turn(work: Work, server: Server, settings: Settings) -> Turn:
    """Measure a server once, with its answers checked before, by its counts, and under load.

    Raises:
        Failed: an answer was missing or wrong.
        OSError: the server does not say its counts.
    """
    address = server.http if work.protocol == "http" else server.grpc
    server.witness.check(ALL_CALLS)
    counted = server.successes(work.model)
    before = processes.cpu_s(processes.tree(server.pid))
    load = loads.start(work, address, settings.seconds, settings.scratch)
    found = loads.figures(work, load)
    used_s = sum(processes.cpu_since(before, server.pid).values())

    # The server may count an answer a moment after it was read.
    def all_counted() -> bool:
        return server.successes(work.model) - counted >= found.answers

    if not processes.until(all_counted, limit_s=1.0):
        successes = server.successes(work.model) - counted
        raise Failed(f"{work.name}: of {found.answers} answers {successes} were successes")
    under_load(work, address, server, settings)
    return Turn(found.of(work), used_s / found.answers * 1e6)


def under_load(work: Work, address: str, server: Server, settings: Settings) -> None:
    """Run the load again, its figures unused, and compare answers until it ends."""
    with loads.start(work, address, settings.seconds, settings.scratch) as load:
        server.witness.check()
        if load.poll() is not None:
            raise Failed(f"{work.name}: no answer was compared before the load ended")
        while load.poll() is None:
            server.witness.check()
        loads.figures(work, load)


def triton_turn(work: Work, triton: Triton, settings: Settings) -> Turn:
    """Measure Triton; 2.51 sometimes dies when h2load hangs up on calls in flight: then again."""
    for _ in range(DEATHS):
        try:
            return turn(work, triton.server, settings)
        except (Failed, OSError) as error:
            if not triton.revived():
                raise Failed(f"Triton: {error}") from error
    raise Failed(f"{work.name}: Triton died {DEATHS} times")


def compare(work: Work, headrace: Server, triton: Triton, settings: Settings) -> list[str]:
    """Return a line of the table."""
    ours: list[Turn] = []
    theirs: list[Turn] = []
    for _ in range(settings.rounds):
        theirs.append(triton_turn(work, triton, settings))
        try:
            ours.append(turn(work, headrace, settings))
        except (Failed, OSError) as error:
            raise Failed(f"Headrace: {error}") from error
    us, them = (statistics.median(one.figure for one in turns) for turns in (ours, theirs))
    cpu, their_cpu = (statistics.median(one.cpu_us for one in turns) for turns in (ours, theirs))
    better = them / us if work.alone else us / them
    digits = 3 if work.alone else 0
    figures = (f"{us:.{digits}f}", f"{them:.{digits}f}", f"{better:.2f}")
    return [work.name, *figures, f"{cpu:.1f}", f"{their_cpu:.1f}"]


def plain(cells: list[str]) -> str:
    """Return a line for a terminal."""
    return f"{cells[0]:42}" + "".join(f"{cell:>15}" for cell in cells[1:])


def markdown(cells: list[str]) -> str:
    """Return a line of a Markdown table; after the header, the line below it too."""
    line = f"| {' | '.join(cells)} |"
    return line if cells[0] else f"{line}\n|---{'|--:' * (len(cells) - 1)}|"


def read_arguments() -> argparse.Namespace:
    """Return what was asked for; end the process where it cannot be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--http", default="127.0.0.1:8000", help="Headrace's (%(default)s)")
    parser.add_argument("--grpc", default="127.0.0.1:8001", help="Headrace's (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (%(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="a turn's length (%(default)s)")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="lines that hold one of these: image,HTTP"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    found = parser.parse_args()
    found.work = [one for one in loads.WORK if any(w in one.name for w in found.only.split(","))]
    if not found.work:
        parser.error("no line holds that; there are: " + "; ".join(one.name for one in loads.WORK))
    if found.rounds < 1 or found.seconds < 1:
        parser.error("--rounds and --seconds begin at 1")
    found.folder = found.folder.resolve()
    if not servers.python_of(found.folder).exists():
        parser.error(f"{found.folder} is not set up: {servers.HERE / 'set_up.sh'} {found.folder}")
    if not (shutil.which("wrk") and shutil.which("h2load")):
        parser.error("wrk and h2load are needed: apt-get install wrk nghttp2-client")
    return found


def measure(asked: argparse.Namespace, line: Callable[[list[str]], str]) -> int:
    """Print the table, line by line as it comes; return how often Triton died."""
    python = servers.python_of(asked.folder)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run([python, servers.HERE / "witness.py", "--requests", scratch], check=True)
        headrace = servers.headrace(python, asked.http, asked.grpc)
        stack.callback(headrace.witness.end)
        triton = Triton(asked.folder, scratch)
        stack.callback(triton.end)
        print(line(list(HEADER)), flush=True)
        for work in asked.work:
            settings = Settings(asked.rounds, asked.seconds, scratch)
            print(line(compare(work, headrace, triton, settings)), flush=True)
        return triton.deaths


def main() -> None:
    """Measure what the command line asks for."""
    asked = read_arguments()
    # A Triton that was started is ended, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        deaths = measure(asked, markdown if asked.markdown else plain)
    except Failed as error:
        sys.exit(f"compare.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"\nMedians; rounds: {asked.rounds}, seconds: {asked.seconds}.")
    if deaths:
        print(f"Triton died meanwhile and was started again; deaths: {deaths}.")


if __name__ == "__main__":
    main()
