"""Kills a process at each step that it takes in a spool's folder; says what was left by each.

A line of JSON for each kill: what was accepted, delivered and dropped before it, and what the next
process finds.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.reports import report_of

from headrace.registry.spool import Model, Spool
from headrace.spool import Bounds

KINDS = ("metrics", "verdict", "metrics", "state", "metrics")
BOUNDS = Bounds(count=3)
MOST_STEPS = 200


def work(folder: Path, ledger: int) -> None:
    """Keep five reports where three have room, and deliver two, writing down what was done."""

    def note(what: str, step: int) -> None:
        os.write(ledger, f"{what} {step}\n".encode())

    spool = Spool(folder, BOUNDS, print)
    for step, kind in enumerate(KINDS):
        report = report_of(kind, step)
        gone = spool.add(report)
        note("accepted", step)
        for one in gone:
            note("dropped", one.number - 1)
    for one, told in spool.first({Model(report.place, report.model)}, 2, 1 << 20):
        note("delivered", told.step)
        spool.remove(one)


def die_at(step: int, folder: Path) -> None:
    """Have this process killed right before its ``step``-th action in ``folder``."""
    taken = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.scandir", "os.listdir"):
            taken += str(arguments[0]).startswith(str(folder))
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(home: Path) -> None:
    for step in range(1, MOST_STEPS):
        folder, ledger = home / str(step), home / f"{step}.ledger"
        opened = os.open(ledger, os.O_WRONLY | os.O_CREAT)
        if (pid := os.fork()) == 0:
            die_at(step, folder)
            work(folder, opened)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        told: dict[str, list[int]] = {"accepted": [], "delivered": [], "dropped": []}
        for line in ledger.read_text().splitlines():
            what, number = line.split()
            told[what].append(int(number))
        said: list[str] = []
        again = Spool(folder, BOUNDS, said.append)
        told["dropped"] += [one.number - 1 for one in again.cut()]
        found = [
            report for one in again.pending for _, report in again.first({one.model}, 9, 1 << 20)
        ]
        left = sorted({report.step for report in found})
        files = sorted(path.name for path in folder.iterdir())
        print(json.dumps({**told, "left": left, "files": files, "said": said}))
        if os.WIFEXITED(status):
            return
    raise RuntimeError("it takes more steps than are tried")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
