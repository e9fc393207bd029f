#!/usr/bin/env python3
"""Compare what `headrace serve` answers with a bare loop over the same compiled network.

A ResNet (random weights; what is timed does not know) on uint8 pictures is exported as a net.pt2.
The loop runs it on full batches that lie on the device already. The server gets the pictures in
requests that name system shared memory, so that no socket carries them. Both in turns; printed are
images a second, their ratios and the median of these. Needs torchvision, tritonclient and h2load
(nghttp2).

    load_tests/bare/resnet.py --device cuda
    load_tests/bare/resnet.py --device cuda --engine ray
    load_tests/bare/resnet.py --device cpu --depth 18 --rows 4 --request-rows 2 --in-flight 4

Exit code 2: no such device here.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torchvision
import tritonclient.grpc
from served import HEADRACE, framed, in_turns, loaded, served
from tritonclient.grpc import service_pb2

from headrace.execution import threads
from headrace.execution.opening import context, open_model
from headrace.repository.folder import Version, find

SIDE: Final = 224
IMAGE_BYTES: Final = 3 * SIDE * SIDE
#: The region, as the server and the system know it.
REGION: Final = "pictures"
CONFIG: Final = """
batching: {{max_rows: {rows}, allowed_rows: [{rows}], queue_rows: {queue}}}
placement: {{gpus: {gpus}}}
torch: {{compile: default, memory_format: channels_last{autocast}}}
inputs: [{{name: pictures, datatype: UINT8, shape: [3, 224, 224]}}]
outputs: [{{name: score, datatype: FP32, shape: [1000]}}]
"""


class Pictures(torch.nn.Module):
    """The network behind what makes floats of bytes."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.net = torchvision.models.get_model(f"resnet{depth}", weights=None)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        score: torch.Tensor = self.net((pictures.float() - 116.0) / 58.0)
        return score


def written(models: Path, asked: argparse.Namespace) -> Version:
    """Return the version of a repository that has it."""
    version = models / "resnet" / "1"
    version.mkdir(parents=True)
    torch.manual_seed(0)
    axis = torch.export.Dim("rows", min=1, max=max(2, asked.rows))
    example = (torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8),)
    net = Pictures(asked.depth).eval()
    program = torch.export.export(net, example, dynamic_shapes=({0: axis},))
    torch.export.save(program, version / "net.pt2")
    gpu = asked.device == "cuda"
    text = CONFIG.format(
        rows=asked.rows,
        queue=max(2048, 2 * asked.rows),
        gpus=1 if gpu else 0,
        autocast=", autocast: bfloat16" if gpu else "",
    )
    (version.parent / "model.yaml").write_text(text)
    (found,) = find(models)
    return found


def bare(run: Any, pictures: torch.Tensor, seconds: float) -> float:
    """Return the images a second of a loop, the last batch being done."""
    began, runs = time.perf_counter(), 0
    with torch.inference_mode():
        while time.perf_counter() - began < seconds:
            run([pictures])
            runs += 1
            if runs % 8 == 0:
                # Launches are not to run away from what is measured.
                _finish(pictures)
        _finish(pictures)
    return runs * len(pictures) / (time.perf_counter() - began)


def _finish(pictures: torch.Tensor) -> None:
    if pictures.is_cuda:
        torch.cuda.synchronize()


def register(address: str, key: str, count: int) -> None:
    with tritonclient.grpc.InferenceServerClient(address) as client:
        client.register_system_shared_memory(REGION, key, count)


def message(rows: int) -> bytes:
    """Return a request as gRPC frames it, whose pictures are in the region."""
    request = service_pb2.ModelInferRequest(model_name="resnet")
    tensor = request.inputs.add(name="pictures", datatype="UINT8", shape=[rows, 3, SIDE, SIDE])
    tensor.parameters["shared_memory_region"].string_param = REGION
    tensor.parameters["shared_memory_byte_size"].int64_param = rows * IMAGE_BYTES
    return framed(request.SerializeToString())


def options(description: str) -> argparse.ArgumentParser:
    """Return what the network, its requests and their number are chosen by."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--depth", type=int, default=50, help="of the network: 18, 34, 50, ...")
    parser.add_argument("--rows", type=int, default=64, help="of a batch")
    parser.add_argument("--request-rows", type=int, default=8, help="of a request")
    parser.add_argument("--in-flight", type=int, default=64, help="requests at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run")
    parser.add_argument("--port", type=int, default=18_690, help="the first of four")
    return parser


def refuse_without(device: str) -> None:
    """End the process where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here that PyTorch finds; --device cpu measures the same on the CPU")
        sys.exit(2)


@contextmanager
def behind(
    version: Version, scratch: Path, asked: argparse.Namespace, program: Sequence[str] = HEADRACE
) -> Iterator[Path]:
    """Serve it until the block ends, which gets the file of a request."""
    body = scratch / "request"
    body.write_bytes(message(asked.request_rows))
    key = f"headrace-resnet-{os.getpid()}"
    memory = Path("/dev/shm") / key
    count = asked.request_rows * IMAGE_BYTES
    memory.write_bytes(np.zeros(count, np.uint8).tobytes())
    try:
        models, more = version.folder.parents[1], ("--limit", "client_regions=1")
        with served(
            *(models, asked.port, scratch / "state", *more), engine=asked.engine, program=program
        ):
            register(f"127.0.0.1:{asked.port + 1}", f"/{key}", count)
            yield body
    finally:
        memory.unlink()


def main() -> None:
    parser = options(__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    asked = parser.parse_args()
    refuse_without(asked.device)
    share = threads.plan(threads.cpus(), [threads.Lanes("resnet/1", 1)]).share
    threads.use(share, share)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        version = written(scratch / "models", asked)
        model: Any = open_model(version)
        model.load(context(version))
        pictures = torch.zeros(asked.rows, 3, SIDE, SIDE, dtype=torch.uint8, device=asked.device)
        with behind(version, scratch, asked) as body:
            in_turns(
                asked.rounds,
                lambda: bare(model.forward, pictures, asked.seconds),
                lambda: (
                    asked.request_rows
                    * loaded(asked.port + 1, body, asked.in_flight, asked.seconds)
                ),
                "images",
            )


if __name__ == "__main__":
    main()
