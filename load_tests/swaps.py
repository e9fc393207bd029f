#!/usr/bin/env python3
"""Swap a model's version again and again under load: who fails, who waits, what stays behind.

  load_tests/swaps.py                               100 swaps of a small model, on Ray
  load_tests/swaps.py --models examples --model photos --data examples/photos/cat.jpg --rate 4
  load_tests/swaps.py --pause 3                     with 3 s from swap to swap
  load_tests/swaps.py --engine local
  load_tests/swaps.py --triton FOLDER               how soon each answers anew, in turns with Triton

The model's version is copied under a new number for each swap, and loaded with `headrace load
--swap`. Callers come over HTTP and gRPC at fixed rates, whatever the server does (an open loop), at
first while nothing happens and then while versions come and go. "Answers anew" counts from the
command to the first answer of the new version. Run it with the interpreter that has Headrace;
FOLDER is where load_tests/peers/set_up.sh has put Triton. What else runs disturbs the figures.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import processes
from footprint import Started
from servers import ExplicitTriton

from headrace.cli.benching import Load, measure
from headrace.cli.console_client import get, post
from headrace.cli.deciding import path

HERE: Final = Path(__file__).resolve().parent
LIMIT_S: Final = 120.0
#: Each look is work for the server that is measured.
LOOK_S: Final = 0.1


class Server:
    """A `headrace serve` of one model in a folder of its own."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.model = options.model
        self.folder = scratch / "models" / options.model
        shutil.copytree(options.models / options.model, self.folder, symlinks=False)
        self._output = (scratch / "output").open("w")
        self._started = Started(scratch / "models", options.engine, options.ports, self._output)
        self.http = f"127.0.0.1:{options.ports}"
        self.grpc = f"127.0.0.1:{options.ports + 1}"
        self.console = f"http://127.0.0.1:{options.ports + 3}"
        processes.until(lambda: get(self.console, "/api/status")["ready"], LIMIT_S)

    def end(self) -> None:
        self._started.end()
        self._output.close()

    @property
    def rows(self) -> dict[int, Any]:
        """What is carried, by version."""
        models = get(self.console, "/api/status")["models"]
        return {row["version"]: row for one in models for row in one["versions"]}

    def has_all(self, number: int) -> bool:
        """True once this version has all traffic."""
        return bool(self.rows.get(number, {}).get("share_percent") == 100)

    def carries(self, number: int) -> bool:
        """True once it carries this version and no other."""
        return set(self.rows) == {number}

    def memory(self) -> int:
        """Bytes that all processes of versions hold."""
        held = get(self.console, "/api/status")["memory_bytes"]
        return sum(size for name, size in held.items() if name != "gateway")

    def add(self, number: int) -> None:
        """Put one more version beside the first."""
        shutil.copytree(self.folder / "1", self.folder / str(number), symlinks=False)

    def swap(self, number: int) -> float:
        """Swap to a version; return the seconds until it had all traffic."""
        self.add(number)
        began = time.monotonic()
        query = {"model": self.model, "version": str(number), "swap": "1", "why": "a benchmark"}
        post(self.console, path("load", query))
        processes.until(partial(self.has_all, number), LIMIT_S, LOOK_S)
        took = time.monotonic() - began
        processes.until(partial(self.carries, number), LIMIT_S, LOOK_S)
        if number > 2:
            shutil.rmtree(self.folder / str(number - 1))
        return took


def call(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Call a model for so long; return what came of it."""
    load = Load(
        options.model,
        options.rate,
        # At an even pace two callers would meet always or never, by the chance of a moment.
        "poisson",
        (),
        options.data,
        None,
        None,
        False,
        options.seconds,
        512,
        1,
    )
    ((_, record),) = measure(load, [url], 1)
    return record


@contextmanager
def callers(server: Server, options: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Call over both protocols for so long; what came of it is there once the block has ended."""
    records: list[dict[str, Any]] = []
    # Processes, for each has an event loop that knows of no other.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        urls = (f"http://{server.http}", f"grpc://{server.grpc}")
        calls = [pool.submit(call, url, options) for url in urls]
        yield records
        records.extend(one.result() for one in calls)


def told(what: str, records: list[dict[str, Any]]) -> float:
    """Print what came of a phase; return the worse of the two p99, in milliseconds."""
    for protocol, record in zip(("HTTP", "gRPC"), records, strict=True):
        latency = record["latency_ms"]
        failed = sum(record["errors"].values())
        print(
            f"{what}, {protocol}: {record['answered']} of {record['due']} answered, "
            f"{failed} failed {record['errors'] or ''}, p50 {latency['p50']:.2f}, "
            f"p99 {latency['p99']:.2f}, longest {latency['max']:.1f} ms",
            flush=True,
        )
    return max(float(record["latency_ms"]["p99"]) for record in records)


def swapping(options: argparse.Namespace, scratch: Path) -> int:
    """Compare callers' latencies with and without swaps; return how many calls failed."""
    server = Server(options, scratch)
    try:
        with callers(server, options) as calm:
            pass
        still, moving = [told("calm", calm)], []
        memory, done, took = server.memory(), 1, []
        failed = 0
        while done <= options.swaps:
            with callers(server, options) as moved:
                ends = time.monotonic() + options.seconds
                while done <= options.swaps and time.monotonic() < ends - 5:
                    done += 1
                    took.append(server.swap(done))
                    threading.Event().wait(options.pause)
            moving.append(told(f"with swaps, {done - 1} so far", moved))
            failed += sum(sum(record["errors"].values()) for record in moved)
            failed += sum(int(record["dropped"]) for record in moved)
        with callers(server, options) as calm:
            pass
        still.append(told("calm again", calm))
        print(
            f"{len(took)} swaps: {failed} calls failed; a new version has all traffic after "
            f"{statistics.median(took):.2f} s (median; longest {max(took):.2f}); p99 of phases "
            f"with swaps {statistics.median(moving) / statistics.mean(still):.2f} times those "
            f"without (their median and mean); memory of hosts "
            f"{memory / 2**20:.0f} MiB before, {server.memory() / 2**20:.0f} MiB after"
        )
        return failed
    finally:
        server.end()


def answered_anew(http: str, model: str, body: bytes, version: str) -> bool:
    """True once a request that names no version is answered by this one."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{http}/v2/models/{model}/infer", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(json.load(answer)["model_version"] == version)
    except OSError:
        return False


def beside_triton(options: argparse.Namespace, scratch: Path) -> int:
    """Time how soon a new version of the same files answers, in turns with Triton."""
    options.models = HERE / "peers" / "triton_models"
    body = json.dumps(
        {"inputs": [{"name": "x", "shape": [1, 16], "datatype": "FP32", "data": [0.0] * 16}]}
    ).encode()
    server = Server(options, scratch)
    theirs = scratch / "theirs"
    shutil.copytree(options.models / options.model, theirs / options.model)
    triton = ExplicitTriton(options.triton, theirs, options.model, scratch)
    took: dict[str, list[float]] = {"Headrace": [], "Triton": []}

    def timed(name: str, http: str, number: int, load: Callable[[], object]) -> None:
        began = time.monotonic()
        loading = threading.Thread(target=load)
        loading.start()
        answers = partial(answered_anew, http, options.model, body, str(number))
        processes.until(answers, LIMIT_S)
        took[name].append(time.monotonic() - began)
        loading.join()

    try:
        for number in range(2, options.swaps + 2):
            server.add(number)
            query = {"model": server.model, "version": str(number), "swap": "1"}
            load = partial(post, server.console, path("load", query))
            timed("Headrace", server.http, number, load)
            processes.until(partial(server.carries, number), LIMIT_S)
            folder = theirs / options.model
            shutil.copytree(folder / "1", folder / str(number))
            timed("Triton", triton.http, number, triton.load)
            threading.Event().wait(options.pause)
        ours, others = took.values()
        ratio = statistics.median(b / a for a, b in zip(ours, others, strict=True))
        for name, times in took.items():
            print(f"{name}: {statistics.median(times):.2f} s, longest {max(times):.2f}")
        print(f"Triton takes {ratio:.2f} times as long (median of {len(ours)} pairs)")
        return 0
    finally:
        triton.end()
        server.end()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=HERE / "peers" / "models")
    parser.add_argument("--model", default="identity")
    parser.add_argument("--data", type=Path, action="append", default=[], help="what is sent")
    parser.add_argument("--engine", choices=["ray", "local"], default="ray")
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=100.0, help="of each protocol, a second")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds from swap to swap")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase")
    parser.add_argument("--ports", type=int, default=28_800)
    parser.add_argument("--triton", type=Path, help="where Triton is; only how soon it answers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = beside_triton if options.triton else swapping
        return 1 if run(options, Path(scratch)) else 0


if __name__ == "__main__":
    sys.exit(main())
