#!/usr/bin/env python3
"""Load and unload a version again and again: what stays behind of it, on the host and its GPUs.

  load_tests/reloads.py                       100 times a small model, in one process
  load_tests/reloads.py --models FOLDER --model photos --cycles 100
  load_tests/reloads.py --engine ray          in a process of its own, or a shared one

Version 1 serves all the time; a copy of it is loaded and unloaded as version 2. After every tenth
time a line tells what all processes of the server hold, their threads and files, and what each GPU
that the driver knows has taken. Exits with 1 if memory grows by more than --kib a cycle in the
second half of them, or if the last third has a thread or a file more than the first, or more than
--gpu-mib of a GPU. Run it with the interpreter that has Headrace; nobody else may use the GPUs.
"""

import argparse
import itertools
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import processes
from footprint import started
from headrace_core import gpu_memory

from headrace.cli.console_client import get, post
from headrace.cli.deciding import path

HERE: Final = Path(__file__).resolve().parent
LIMIT_S: Final = 300.0
#: What is kept of the first loads, such as compiled code and the allocator's arenas, is there then.
WARM: Final = 10


@dataclass(frozen=True)
class Held:
    """What a server holds."""

    kib: int
    threads: int
    files: int
    #: MiB of each GPU, of all processes.
    gpus: tuple[int, ...]

    def __str__(self) -> str:
        gpus = "".join(f", GPU {at} {mib} MiB" for at, mib in enumerate(self.gpus))
        return f"{self.kib / 1024:.1f} MiB, {self.threads} threads, {self.files} files{gpus}"


def held(root: int) -> Held:
    """Return what a process and all below it hold."""
    kib = threads = files = 0
    for pid in processes.tree(root):
        with suppress(OSError):
            place = processes.PROC / str(pid)
            rollup = dict(
                line.split(":", 1) for line in (place / "smaps_rollup").read_text().splitlines()[1:]
            )
            kib += int(rollup["Pss"].split()[0])
            threads += len(list((place / "task").iterdir()))
            files += len(list((place / "fd").iterdir()))
    return Held(kib, threads, files, tuple(gpus()))


def gpus() -> list[int]:
    """Return MiB that are taken of each GPU that the driver knows."""
    found: list[int] = []
    while (one := gpu_memory(str(len(found)))) is not None:
        _, total, free = one
        found.append((total - free) >> 20)
    return found


def cycle(console: str, model: str) -> None:
    """Load version 2 and unload it, and wait for both."""

    def states() -> dict[int, str]:
        models = get(console, "/api/status")["models"]
        return {row["version"]: row["state"] for one in models for row in one["versions"]}

    post(console, path("load", {"model": model, "version": "2", "why": "a test of what stays"}))
    if not processes.until(lambda: states().get(2) in {"ready", "failed"}, LIMIT_S):
        sys.exit(f"{model}/2 is not ready after {LIMIT_S:g} s: {states()}")
    if states()[2] == "failed":
        sys.exit(f"{model}/2 could not be loaded: `headrace status` says why")
    post(console, path("unload", {"model": model, "version": "2"}))
    if not processes.until(lambda: 2 not in states(), LIMIT_S):
        sys.exit(f"{model}/2 is not gone after {LIMIT_S:g} s: {states()}")


def grown(seen: Sequence[Held], options: argparse.Namespace) -> list[str]:
    """Return what the least of the last third is more than the most of the first, if too much.

    What an allocator keeps goes up and down; what is never given back goes up alone. Memory by the
    slope of Theil (1950) and Sen (1968), the median of all pairs': a single step is no growth.
    """
    third = len(seen) // 3
    first, last = seen[:third], seen[-third:]
    found = []
    slope = statistics.median(
        (later.kib - earlier.kib) / (WARM * (j - i))
        for (i, earlier), (j, later) in itertools.combinations(enumerate(seen[len(seen) // 2 :]), 2)
    )
    if slope > options.kib:
        found.append(f"{slope:.0f} KiB a cycle")
    for name in ("threads", "files"):
        more = min(getattr(one, name) for one in last) - max(getattr(one, name) for one in first)
        if more > 0:
            found.append(f"{more} {name}")
    for at in range(len(first[0].gpus)):
        mib = min(one.gpus[at] for one in last) - max(one.gpus[at] for one in first)
        if mib > options.gpu_mib:
            found.append(f"{mib} MiB of GPU {at}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=HERE / "peers" / "models")
    parser.add_argument("--model", default="identity")
    parser.add_argument("--engine", choices=["ray", "local"], default="local")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--kib", type=float, default=20.0, help="of memory a cycle, at most")
    parser.add_argument("--gpu-mib", type=int, default=2, help="of each GPU, at most, in all")
    parser.add_argument("--ports", type=int, default=28_800)
    options = parser.parse_args()
    if options.cycles < 3 * WARM:
        parser.error(f"--cycles: expected {3 * WARM} at least, for two thirds are compared")
    console = f"http://127.0.0.1:{options.ports + 3}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / options.model
        shutil.copytree(options.models / options.model, folder, symlinks=False)
        with started(Path(scratch), options.engine, options.ports) as server:
            processes.until(lambda: bool(get(console, "/api/status")["ready"]), LIMIT_S)
            shutil.copytree(folder / "1", folder / "2", symlinks=False)
            seen: list[Held] = []
            for done in range(1, WARM + options.cycles + 1):
                cycle(console, options.model)
                if done % WARM == 0:
                    seen.append(held(server.process.pid))
                    print(f"{done} cycles: {seen[-1]}", flush=True)
    more = grown(seen, options)
    print(f"more than at first: {', '.join(more)}" if more else "nothing stays behind")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
