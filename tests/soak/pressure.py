"""A steady load from h2load, which sends at a rate and does not wait for answers to send more."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tests.chaos.load import COLUMNS
from tests.chaos.server import Server
from tritonclient.grpc import service_pb2

MODEL: Final = "quick"
METHOD: Final = "inference.GRPCInferenceService/ModelInfer"
PROTOCOLS: Final = ("http", "grpc")
CONNECTIONS: Final = 8
#: At once on each connection of gRPC; one of HTTP/1.1 has one. With so many callers a server is
#: busy all the time when they do not wait.
STREAMS: Final = 4


@dataclass(frozen=True)
class Figures:
    """What one protocol's load saw in a while."""

    rate: float
    p50_ms: float
    p99_ms: float
    #: Calls that were answered with another status than 200, or not at all.
    failed: int


def write_requests(folder: Path) -> None:
    """Write one request of each protocol, the same row in both."""
    row = [float(number) for number in range(COLUMNS[MODEL])]
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, len(row)], "data": row}
    (folder / "http").write_text(json.dumps({"inputs": [tensor]}))
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="x", datatype="FP32", shape=[1, len(row)])
    request.raw_input_contents.append(np.array(row, np.float32).tobytes())
    message = request.SerializeToString()
    (folder / "grpc").write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)


def press(
    server: Server, folder: Path, seconds: int, rates: dict[str, float] | None
) -> dict[str, Figures]:
    """Load both protocols at once, over connections of their own; without rates, all they can.

    Raises:
        RuntimeError: the load generator could not work.
    """
    running = {
        protocol: subprocess.Popen(
            _command(server, folder, protocol, seconds, rates[protocol] if rates else None),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for protocol in PROTOCOLS
    }
    said = {protocol: load.communicate()[0] for protocol, load in running.items()}
    found = {}
    for protocol, load in running.items():
        log = folder / f"{protocol}.log"
        if load.returncode or not log.stat().st_size:
            raise RuntimeError(f"h2load over {protocol} says {said[protocol][-600:].strip()}")
        found[protocol] = figures(np.loadtxt(log, dtype=np.int64, ndmin=2), seconds)
        log.unlink()
    return found


def figures(rows: NDArray[np.int64], seconds: float) -> Figures:
    """Add up the log of a load: columns are the start, the status (-1: none), microseconds."""
    good = rows[:, 1] == 200
    p50, p99 = np.percentile(rows[good, 2] / 1000, (50, 99)) if good.any() else (np.nan, np.nan)
    return Figures(float(good.sum()) / seconds, float(p50), float(p99), int((~good).sum()))


def _command(
    server: Server, folder: Path, protocol: str, seconds: int, rate: float | None
) -> list[str]:
    command = ["h2load", "-t1", f"-c{CONNECTIONS}", f"-D{seconds}", f"-d{folder / protocol}"]
    command += [f"--log-file={folder / f'{protocol}.log'}"]
    if rate is not None:
        command += [f"--rps={rate / CONNECTIONS:.1f}"]
    if protocol == "http":
        command += ["--h1", "-H", "content-type: application/json"]
        return [*command, f"http://{server.http}/v2/models/{MODEL}/infer"]
    command += [f"-m{STREAMS}", "-H", "content-type: application/grpc", "-H", "te: trailers"]
    return [*command, f"http://{server.grpc}/{METHOD}"]
