#!/usr/bin/env python3
"""Count the instructions that a small request costs the core: repeatable where times are not.

The server is the core without Python: a gateway with its ports and a host behind a link
(`echo_server` of `runtime/core/bench`), run in callgrind twice with different numbers of requests,
one after the other on one connection. What the second run costs more, divided by the requests it
had more, is the cost of one. Needs valgrind and h2load.

    load_tests/instructions.py                  # one model in the table
    load_tests/instructions.py --models 1000    # a thousand
    load_tests/instructions.py --judged         # one, of which evidence is counted
    load_tests/instructions.py --profiled       # one, of which requests are sampled for drift
    load_tests/instructions.py --identified     # one, whose answers have ids for labels
"""

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FEW, MANY = 1000, 4000
#: What the server is told to watch of the model.
WORDS: Final = {
    "judged": "count evidence of the model",
    "profiled": "sample its requests for drift",
    "identified": "give its answers ids for labels",
}
TOTAL: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Request:
    """How h2load sends one small inference."""

    port: int
    path: str
    body: bytes
    options: tuple[str, ...]


def _json() -> bytes:
    tensor = {
        "name": "x",
        "shape": [1, 16],
        "datatype": "FP32",
        "data": [float(n) for n in range(16)],
    }
    return json.dumps({"inputs": [tensor]}).encode()


def _protobuf() -> bytes:
    """Encode a ModelInferRequest: fields 1 (model), 5 (input: name, datatype, shape), 7 (raw)."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    tensor = field(1, b"x") + field(2, b"FP32") + field(3, bytes([1, 16]))
    message = field(1, b"echo") + field(5, tensor) + field(7, struct.pack("<16f", *range(16)))
    return b"\0" + struct.pack(">I", len(message)) + message


def requests(http: int, grpc: int) -> dict[str, Request]:
    """Return one request for each protocol."""
    trailers = ("-H", "content-type: application/grpc", "-H", "te: trailers")
    return {
        "HTTP JSON": Request(http, "v2/models/echo/infer", _json(), ("--h1",)),
        "gRPC": Request(grpc, "inference.GRPCInferenceService/ModelInfer", _protobuf(), trailers),
    }


def build() -> Path:
    """Build the server with the settings of a release; return its path."""
    manifest = str(ROOT / "runtime/core/bench/Cargo.toml")
    command = ["cargo", "build", "--release", "--manifest-path", manifest, "--bin", "echo_server"]
    said = subprocess.run(
        [*command, "--message-format", "json"], check=True, stdout=subprocess.PIPE, text=True
    )
    artifacts = map(json.loads, said.stdout.splitlines())
    return Path(next(made["executable"] for made in artifacts if made.get("executable")))


def run(
    server: Path, request: Request, count: int, options: argparse.Namespace, folder: Path
) -> int:
    """Serve so many requests in callgrind; return the instructions of the whole run.

    Raises:
        SystemExit: the server did not start, or a request failed.
    """
    out, body = folder / f"callgrind.{count}", folder / "body"
    body.write_bytes(request.body)
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--fair-sched=yes"]
    command = [
        *valgrind,
        str(server),
        str(options.port),
        str(options.port + 1),
        str(options.models),
        *(word for word in WORDS if getattr(options, word)),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as served:
        if not served.stdout or served.stdout.readline() != "ready\n":
            sys.exit("the server did not start: are the two ports free, and is valgrind installed?")
        url = f"http://127.0.0.1:{request.port}/{request.path}"
        load = ["h2load", "-n", str(count), "-c1", "-m1", "-d", str(body), *request.options, url]
        said = subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True).stdout
        served.communicate()
    if f"{count} succeeded, 0 failed, 0 errored" not in said:
        sys.exit(f"not every request was answered: {said}")
    total = TOTAL.search(out.read_text())
    return int(total[1]) if total else sys.exit(f"{out} has no total")


def main() -> None:
    """Count, and print a line for each protocol."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=1, help="models in the table (default 1)")
    for word, what in WORDS.items():
        parser.add_argument(f"--{word}", action="store_true", help=what)
    parser.add_argument(
        "--port", type=int, default=8900, help="the first of two free ports (default 8900)"
    )
    parser.add_argument(
        "--server", type=Path, help="an echo_server that is built already, to compare with"
    )
    options = parser.parse_args()
    server = options.server or build()
    with tempfile.TemporaryDirectory() as folder:
        for name, request in requests(options.port, options.port + 1).items():
            few, many = (
                run(server, request, count, options, Path(folder)) for count in (FEW, MANY)
            )
            each = (many - few) / (MANY - FEW)
            print(
                f"{name}, {options.models} models: {each:,.0f} instructions a request", flush=True
            )


if __name__ == "__main__":
    main()
