"""A model behind `headrace serve`, loaded over gRPC by h2load."""

import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: What Python is to run: another program may wrap the command.
HEADRACE: Final = ("-m", "headrace")
METHOD: Final = "inference.GRPCInferenceService/ModelInfer"
FINISHED: Final = re.compile(r"finished in [\d.]+s, ([\d.]+) req/s")
FAILED: Final = re.compile(r"(\d+) failed, (\d+) errored, (\d+) timeout")


def framed(message: bytes) -> bytes:
    """Return a message as gRPC sends it."""
    return struct.pack(">BI", 0, len(message)) + message


@contextmanager
def served(
    models: Path,
    port: int,
    state: Path,
    *more: str,
    engine: str = "local",
    program: Sequence[str] = HEADRACE,
) -> Iterator[None]:
    """Serve a folder of models, with ``more`` options, until the block ends."""
    command = [sys.executable, *program, "serve", str(models), "--engine", engine]
    command += ["--ports", str(port), "--state", str(state), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        said = iter(server.stdout or ())
        if not any(line.startswith("headrace is ready") for line in said):
            raise SystemExit("the server did not get ready")
        try:
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            # It has words for its end, too.
            for line in said:
                print(line, end="")


def loaded(port: int, body: Path, in_flight: int, seconds: float) -> float:
    """Return the requests a second that the server answers."""
    if shutil.which("h2load") is None:
        raise SystemExit("h2load was not found: it comes with nghttp2 (Debian: nghttp2-client)")
    command = ["h2load", "-t1", "-c8", f"-m{max(1, in_flight // 8)}", f"-D{seconds:g}"]
    command += ["--warm-up-time=1", "-d", str(body), "-H", "content-type: application/grpc"]
    command += ["-H", "te: trailers", f"http://127.0.0.1:{port}/{METHOD}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finished, failed = FINISHED.search(said), FAILED.search(said)
    if finished is None or failed is None or any(int(one) for one in failed.groups()):
        raise SystemExit(f"not all requests were answered:\n{said}")
    return float(finished[1])


def in_turns(
    rounds: int, bare: Callable[[], float], behind: Callable[[], float], unit: str
) -> None:
    """Print what a bare loop does a second, what is served, and the ratio, in turns."""
    ratios = []
    for _ in range(rounds):
        loop, rate = bare(), behind()
        ratios.append(rate / loop)
        print(f"bare loop {loop:,.0f} {unit}/s; served {rate:,.0f} {unit}/s: {ratios[-1]:.2f}")
    print(f"median of the ratios: {statistics.median(ratios):.2f}")
