"""A client of neither side: compares answers with what was sent, and writes gRPC requests.

Runs in the environment that set_up.sh made, for it needs tritonclient and NumPy. compare.py starts
it and talks to it: for each line on standard input it makes one call and prints "equal", or what
is wrong. The calls take turns: HTTP and gRPC, both models, one row and three.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.grpc import service_pb2

MODELS = {"identity": (16,), "image": (3, 224, 224)}
#: A server that answers nothing for so long is broken.
LIMIT_S = 30.0


def write_requests(folder: Path) -> None:
    """Write MODEL.grpc for each model: a gRPC message with a request of one row."""
    for model, row in MODELS.items():
        values = np.random.default_rng(0).random((1, *row), np.float32)
        request = service_pb2.ModelInferRequest(model_name=model)
        request.inputs.add(name="x", datatype="FP32", shape=values.shape)
        request.raw_input_contents.append(values.tobytes())
        message = request.SerializeToString()
        # gRPC over HTTP/2: not compressed, the length, the message.
        (folder / f"{model}.grpc").write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)


def calls(http: str, grpc: str) -> Iterator[Callable[[], str]]:
    """Yield the calls to make, without end."""
    over_http = tritonclient.http.InferenceServerClient(http, network_timeout=LIMIT_S)
    over_grpc = tritonclient.grpc.InferenceServerClient(grpc)
    ways: list[tuple[ModuleType, Callable[..., Any]]] = [
        (tritonclient.http, over_http.infer),
        (tritonclient.grpc, partial(over_grpc.infer, client_timeout=LIMIT_S)),
    ]
    for rows, model, (library, infer) in itertools.cycle(itertools.product((1, 3), MODELS, ways)):
        yield partial(fault, library, infer, model, rows)


def fault(library: ModuleType, infer: Callable[..., Any], model: str, rows: int) -> str:
    """Send random numbers; return what is wrong with the answer, or nothing."""
    sent = np.random.default_rng().random((rows, *MODELS[model]), np.float32)
    tensor = library.InferInput("x", list(sent.shape), "FP32")
    tensor.set_data_from_numpy(sent)
    where = f"{library.__name__}, {model}, {rows} rows"
    try:
        came = infer(model, [tensor]).as_numpy("y")
    except Exception as error:  # tritonclient raises what gevent, urllib3 and gRPC raise, too
        return f"{where}: {type(error).__name__} {error}"
    same = came is not None and came.dtype == sent.dtype and np.array_equal(came, sent)
    return "" if same else f"{where}: the answer is not what was sent"


def main() -> None:
    """Write the requests, or answer line by line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=Path, metavar="FOLDER", help="write requests there")
    parser.add_argument("--watch", nargs=2, metavar=("HTTP", "GRPC"), help="call this server")
    arguments = parser.parse_args()
    if arguments.requests:
        write_requests(arguments.requests)
    if arguments.watch:
        for _, call in zip(sys.stdin, calls(*arguments.watch), strict=False):
            print(" ".join(call().split()) or "equal", flush=True)


if __name__ == "__main__":
    main()
