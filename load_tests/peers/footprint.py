#!/usr/bin/env python3
"""Measure what it costs to start Headrace and to let it run.

  load_tests/peers/footprint.py             the identity model alone, on each engine
  load_tests/peers/footprint.py --photos    examples/photos, beside Python without Headrace
  load_tests/peers/footprint.py --many 8    so many identity models, with a host each and in one

Run it with the interpreter that has Headrace: the `headrace` command beside it is what is started,
on the ports that --ports names and with a state folder of its own. Times count from the command.
"Ready" is the first 200 of /v2/health/ready; "ports closed" and "ended" count from SIGTERM. Memory
is each process's share of what it maps (PSS), and what it alone has written of it (private dirty).
CPU is what each process used while nothing was asked of the server; the local engine's gateway is
in its only process. What else runs on the machine disturbs the figures: let nothing run.
"""

import argparse
import contextlib
import http.client
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import processes
from processes import Memory

HERE: Final = Path(__file__).resolve().parent
EXAMPLES: Final = HERE.parents[1] / "examples"
HEADRACE: Final = Path(sys.executable).with_name("headrace")
START_S: Final = 120.0
END_S: Final = 60.0
#: What a start leaves to be done, such as the gateway that stands by, is done by then.
SETTLE_S: Final = 6.0
#: The same work without Headrace: the library, and the network with its weights.
BARE: Final = "import torch, network; network.load_network('cpu'); print('loaded', flush=True)"


class Started:
    """One `headrace serve` that became ready."""

    def __init__(self, repository: Path, engine: str, port: int, output: IO[str]) -> None:
        self._ports = range(port, port + 4)
        state = Path(output.name).with_name("state")
        command: list[str | Path] = [
            *(HEADRACE, "serve", repository, "--engine", engine),
            *("--ports", str(port), "--state", state),
        ]
        began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True
        )
        try:
            processes.until(lambda: is_ready(port) or self.process.poll() is not None, START_S)
            self.ready_s = time.perf_counter() - began
            if not is_ready(port):
                sys.exit(f"headrace does not get ready: {Path(output.name).read_text()[-2000:]}")
        except BaseException:
            self.end()
            raise

    def end(self) -> tuple[float, float]:
        """End it; return the seconds until its ports were closed and until it had ended."""
        began = time.perf_counter()
        self.process.terminate()
        processes.until(lambda: not processes.listening(self._ports), END_S)
        closed_s = time.perf_counter() - began
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return closed_s, time.perf_counter() - began


def is_ready(port: int) -> bool:
    """Ask the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == http.client.OK
    return False


@contextlib.contextmanager
def started(repository: Path, engine: str, port: int) -> Iterator[Started]:
    """Start it with a fresh state folder; end it if the body has not."""
    if processes.listening(range(port, port + 4)):
        sys.exit(f"somebody listens on {port} or one of the next three: --ports names others")
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as output:
        server = Started(repository, engine, port, output)
        try:
            yield server
        finally:
            server.end()


def idle(server: Started, seconds: float) -> list[str]:
    """Return a line for each process: its memory, and its CPU time while the server idles."""
    pause(SETTLE_S)
    root = server.process.pid
    before, began = processes.cpu_s(processes.tree(root)), time.monotonic()
    pause(seconds)
    used = processes.cpu_since(before, root)
    wall_s = time.monotonic() - began
    rows = []
    for pid, cpu_s in used.items():
        with contextlib.suppress(OSError):
            rows.append((processes.name(pid), processes.memory(pid), cpu_s / wall_s * 1e3))
    rows.sort(key=lambda row: (row[0] != "gateway", -row[1].pss))
    lines = [f"  {'process':28}{'PSS MiB':>10}{'private dirty MiB':>20}{'idle CPU ms/s':>16}"]
    for name, memory, cpu in rows:
        lines.append(f"  {name:28}{memory.pss:>10.1f}{memory.private_dirty:>20.1f}{cpu:>16.2f}")
    for title, ours in (("gateways", True), ("all others", False)):
        part = [row for row in rows if (row[0] == "gateway") == ours]
        if part and len(part) < len(rows):
            pss, cpu = sum(row[1].pss for row in part), sum(row[2] for row in part)
            lines.append(f"  {title + ' together':28}{pss:>10.1f}{'':20}{cpu:>16.2f}")
    return lines


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)  # noqa: TID251 - that nothing happens is what is measured


def measure_engine(engine: str, asked: argparse.Namespace) -> None:
    """Print what one engine costs with the identity model alone."""
    ready, closed, ended = [], [], []
    lines: list[str] = []
    # The first start warms the caches and is not counted; the last is the one that idles.
    for at in range(asked.starts + 1):
        with started(HERE / "models/identity", engine, asked.ports) as server:
            if at == asked.starts:
                lines = idle(server, asked.idle)
            closed_s, ended_s = server.end()
            if at:
                ready.append(server.ready_s)
                closed.append(closed_s)
                ended.append(ended_s)
    print(f"--engine {engine}, identity alone, medians; starts: {asked.starts}")
    print(f"  ready after {told(ready)}; ports closed after {told(closed)}, ended {told(ended)}")
    print("\n".join(lines), flush=True)


def measure_photos(asked: argparse.Namespace) -> None:
    """Print how much longer the photo model takes to be served than to be loaded."""
    served, bare = [], []
    for at in range(asked.starts + 1):
        with started(EXAMPLES, "local", asked.ports) as server:
            served_s = server.ready_s
        bare_s = load_bare()
        if at:
            served.append(served_s)
            bare.append(bare_s)
    beyond = statistics.median(served) - statistics.median(bare)
    print(f"examples/photos, --engine local, medians; starts: {asked.starts}")
    print(f"  served after {told(served)}; imported and loaded without Headrace in {told(bare)}")
    print(f"  Headrace takes {beyond:.3f} s more; it also runs batches of 1 and of max_rows then")


def is_host(name: str) -> bool:
    """Tell a host, of one version or of some that share it, from Ray's other workers."""
    return name.startswith(("host-", "shared"))


def measure_many(asked: argparse.Namespace) -> None:
    """Print what models cost that have a host each, and what the same in one host do."""
    print(f"{asked.many} identity models on Ray, medians; starts: {asked.starts}")
    for isolation in ("own", "shared"):
        ready: list[float] = []
        hosts: list[Memory] = []
        with tempfile.TemporaryDirectory() as folder:
            for number in range(asked.many):
                copy = Path(folder) / f"identity-{number}"
                shutil.copytree(HERE / "models/identity", copy)
                yaml = f"{(copy / 'model.yaml').read_text()}placement: {{isolation: {isolation}}}\n"
                (copy / "model.yaml").write_text(yaml)
            for at in range(asked.starts + 1):
                with started(Path(folder), "ray", asked.ports) as server:
                    pause(SETTLE_S)
                    pids = processes.tree(server.process.pid)
                    hosts = [processes.memory(one) for one in pids if is_host(processes.name(one))]
                    if at:
                        ready.append(server.ready_s)
        pss = sum(one.pss for one in hosts)
        print(f"  {isolation:8}ready after {told(ready)}; hosts: {len(hosts)}, {pss:.0f} MiB (PSS)")


def load_bare() -> float:
    """Return the seconds that a bare Python takes to import torch and load the network."""
    began = time.perf_counter()
    command = [sys.executable, "-c", BARE]
    folder = EXAMPLES / "photos/1"
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        seconds = time.perf_counter() - began
    if said.strip() != "loaded":
        sys.exit("the photo model does not load: install Headrace with its extra `photos`")
    return seconds


def told(seconds: list[float]) -> str:
    """Return the median, and how far the starts lie apart."""
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("local", "ray"), help="this one only")
    parser.add_argument("--photos", action="store_true", help="measure the photo model instead")
    parser.add_argument("--many", type=int, metavar="N", help="measure N models instead, on Ray")
    parser.add_argument("--starts", type=int, default=3, help="that count (%(default)s)")
    parser.add_argument("--idle", type=float, default=20, help="idle seconds (%(default)s)")
    parser.add_argument("--ports", type=int, default=8100, help="first of four (%(default)s)")
    asked = parser.parse_args()
    if asked.starts < 1 or asked.idle <= 0:
        parser.error("--starts begins at 1, and --idle above 0")
    if not HEADRACE.exists():
        parser.error(f"there is no {HEADRACE}: run this with the Python that has Headrace")
    # A server that was started is ended, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.photos:
        measure_photos(asked)
    elif asked.many:
        measure_many(asked)
    else:
        for engine in (asked.engine,) if asked.engine else ("local", "ray"):
            measure_engine(engine, asked)


if __name__ == "__main__":
    main()
