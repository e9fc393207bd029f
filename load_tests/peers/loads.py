"""The pieces of work to measure, and the load generators that do them: wrk and h2load."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
MS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3}
METHOD: Final = "inference.GRPCInferenceService/ModelInfer"


class Failed(Exception):
    """A server did not answer, or not rightly; no figure of it counts."""


@dataclass(frozen=True)
class Work:
    """One line of the table."""

    name: str
    model: str
    protocol: str
    connections: int = 1
    #: In flight on each connection.
    streams: int = 1

    @property
    def alone(self) -> bool:
        """One call at a time: what counts is how long it takes."""
        return self.connections * self.streams == 1


@dataclass(frozen=True)
class Figures:
    """What a load generator saw."""

    answers: int
    rate: float
    latency_ms: float

    def of(self, work: Work) -> float:
        """Return the figure that the work is judged by."""
        return self.latency_ms if work.alone else self.rate


WORK: Final = [
    Work("small HTTP JSON, 64 in flight, requests/s", "identity", "http", 64),
    Work("small gRPC, 64 in flight, requests/s", "identity", "grpc", 8, 8),
    Work("image gRPC, 16 in flight, requests/s", "image", "grpc", 8, 2),
    Work("small HTTP JSON alone, p50 ms", "identity", "http"),
    Work("small gRPC alone, mean ms", "identity", "grpc"),
    Work("image gRPC alone, mean ms", "image", "grpc"),
]


def start(work: Work, address: str, seconds: int, requests: Path) -> subprocess.Popen[str]:
    """Start the load; `requests` is the folder that the witness has written."""
    if work.protocol == "http":
        command = [
            *("wrk", "-t1", f"-c{work.connections}", f"-d{seconds}", "--latency"),
            *("-s", str(HERE / "small.lua"), f"http://{address}/v2/models/{work.model}/infer"),
        ]
    else:
        command = [
            *("h2load", "-t1", f"-c{work.connections}", f"-m{work.streams}", f"-D{seconds}"),
            *("-d", str(requests / f"{work.model}.grpc")),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{address}/{METHOD}",
        ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def figures(work: Work, load: subprocess.Popen[str]) -> Figures:
    """Wait for the load's end and read what it printed.

    Raises:
        Failed: a request did, or none was answered.
    """
    said = load.communicate()[0]
    read = _wrk if work.protocol == "http" else _h2load
    found = read(said)
    if load.returncode or found is None or not found.answers:
        raise Failed(f"{work.name}: the load generator says {said[-600:].strip()}")
    return found


def _wrk(said: str) -> Figures | None:
    answers = re.search(r"(\d+) requests in ", said)
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    half = re.search(r"^ +50% +([\d.]+)(us|ms|s)$", said, re.MULTILINE)
    if not (answers and rate and half) or re.search("Non-2xx|Socket errors", said):
        return None
    return Figures(int(answers[1]), float(rate[1]), float(half[1]) * MS[half[2]])


def _h2load(said: str) -> Figures | None:
    answers = re.search(r"(\d+) succeeded, 0 failed, 0 errored", said)
    rate = re.search(r"finished in .*, ([\d.]+) req/s", said)
    mean = re.search(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms|s)", said)
    if not (answers and rate and mean):
        return None
    return Figures(int(answers[1]), float(rate[1]), float(mean[1]) * MS[mean[2]])
