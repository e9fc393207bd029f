#!/usr/bin/env python3
"""Serve many small models in shared processes: what the start, memory and a request cost.

  load_tests/scale.py                                 1, then 200 in memory of 1,000, in one process
  load_tests/scale.py --engine ray --declared 50 --loaded 10
  load_tests/scale.py --declared 200 --loaded 200

Every model is the same class of two tensors, in a folder of its own. Requests go one after the
other over one HTTP connection, to the models in memory in turns: what is measured is the way to a
model among many, not what the machine does at once. "From standby" is a request for a model that is
not in memory, which pushes another out. Memory is the share of what all processes map (PSS). Times
to ready count from the command. Run it with the interpreter that has Headrace; what else runs
disturbs the figures.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import processes

MODEL: Final = """
from headrace import Model, Tensor


class Doubler(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def predict(self, batch):
        return {"y": batch["x"] * 2}
"""
CONFIG: Final = "placement: {isolation: shared}\nbatching: {max_rows: 4}\n"
BODY: Final = json.dumps(
    {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
)
LIMIT_S: Final = 600.0
#: Requests before those that are counted.
WARM: Final = 500
#: Of what is loaded on demand.
STANDBY: Final = 5


def write(folder: Path, many: int) -> None:
    """Write so many models."""
    for at in range(many):
        version = folder / name(at) / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(MODEL)
        (version.parent / "model.yaml").write_text(CONFIG)


def name(at: int) -> str:
    return f"m{at:05}"


class Server:
    """One `headrace serve` that became ready."""

    def __init__(self, options: argparse.Namespace, models: Path, loaded: int) -> None:
        state = models.with_name("state")
        command = [sys.executable, "-m", "headrace", "serve", str(models), "--state", str(state)]
        command += ["--engine", options.engine, "--ports", str(options.ports)]
        command += ["--limit", f"max_loaded={loaded}"]
        self._port = options.ports
        output = models.with_name("output")
        began = time.perf_counter()
        with output.open("w") as written:
            self.process = subprocess.Popen(command, stdout=written, stderr=written)
        said = processes.until(
            lambda: "listening: " in output.read_text() or self.process.poll() is not None, LIMIT_S
        )
        self.ready_s = time.perf_counter() - began
        if not said or self.process.poll() is not None:
            self.end()
            sys.exit(f"headrace does not get ready: {output.read_text()[-2000:]}")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(LIMIT_S)

    def memory_mib(self) -> float:
        """What all of its processes have in memory."""
        found = 0
        for pid in processes.tree(self.process.pid):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            (line,) = (one for one in rollup.splitlines() if one.startswith("Pss:"))
            found += int(line.split()[1])
        return found / 1024

    def ask(self, connection: HTTPConnection, model: str) -> float:
        """Return the milliseconds that a request takes."""
        began = time.perf_counter()
        connection.request("POST", f"/v2/models/{model}/infer", BODY)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or json.loads(text)["outputs"][0]["data"] != [2, 4, 6, 8]:
            sys.exit(f"{model} answered {answer.status}: {text!r:.300}")
        return 1000 * (time.perf_counter() - began)

    def times(self, models: Sequence[str], many: int) -> list[float]:
        """Return the milliseconds of each of so many requests, to these models in turns."""
        connection = HTTPConnection("127.0.0.1", self._port)
        took = [self.ask(connection, models[at % len(models)]) for at in range(WARM + many)]
        connection.close()
        return took[WARM:]

    def standing(self) -> dict[str, str]:
        """Return the state of each model's version."""
        connection = HTTPConnection("127.0.0.1", self._port + 3)
        connection.request("GET", "/api/status")
        found = json.loads(connection.getresponse().read())
        connection.close()
        return {one["name"]: one["versions"][0]["state"] for one in found["models"]}


@contextmanager
def serving(options: argparse.Namespace, declared: int, loaded: int) -> Iterator[Server]:
    """Serve so many models, and end after."""
    with tempfile.TemporaryDirectory(prefix="headrace-scale-") as scratch:
        models = Path(scratch) / "models"
        write(models, declared)
        server = Server(options, models, loaded)
        try:
            yield server
        finally:
            server.end()


def measure(options: argparse.Namespace, declared: int, loaded: int) -> dict[str, Any]:
    """Return what so many models cost, so many of them in memory."""
    with serving(options, declared, loaded) as server:
        began = time.perf_counter()
        states = server.standing()
        status_ms = 1000 * (time.perf_counter() - began)
        ready = [one for one, state in states.items() if state == "ready"]
        standby = [one for one, state in states.items() if state == "standby"]
        memory = server.memory_mib()
        took = server.times(ready, options.requests)
        connection = HTTPConnection("127.0.0.1", options.ports)
        late = [server.ask(connection, one) for one in standby[:STANDBY]]
        connection.close()
        return {
            "declared": declared,
            "in memory": len(ready),
            "ready s": round(server.ready_s, 2),
            "MiB": round(memory, 1),
            "p50 ms": round(statistics.median(took), 3),
            "p99 ms": round(statistics.quantiles(took, n=100)[98], 3),
            "status ms": round(status_ms, 1),
            "from standby ms": round(statistics.median(late), 1) if late else None,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--declared", type=int, default=1000)
    parser.add_argument("--loaded", type=int, default=200)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--ports", type=int, default=24200)
    options = parser.parse_args()
    for declared, loaded in (
        (1, 1),
        (options.loaded, options.loaded),
        (options.declared, options.loaded),
    ):
        print(json.dumps(measure(options, declared, loaded)), flush=True)


if __name__ == "__main__":
    main()
