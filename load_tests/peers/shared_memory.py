#!/usr/bin/env python3
"""Measure tensors in shared memory on a running Headrace and on Triton, in turns.

FOLDER is what set_up.sh filled. Headrace must run already, with the models that lie beside this
script, and let clients register memory; Triton is started and ended here:

  headrace serve load_tests/peers/models --limit client_regions=64 &
  load_tests/peers/shared_memory.py FOLDER

Callers are threads of one Python process with tritonclient (the extra `load` has it), each of
which sends an image of 602 kB over gRPC and gets it back: in messages, and through memory.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import tritonclient.grpc as triton
import tritonclient.utils.shared_memory as shm
from loads import Failed
from servers import Triton

MODEL: Final = "image"
SHAPE: Final = (1, 3, 224, 224)


@contextmanager
def tensors(
    client: triton.InferenceServerClient, name: str, *, shared: bool
) -> Iterator[tuple[Any, Any]]:
    """Yield an input and an output, which lie in memory of this name if they are ``shared``."""
    told = client.get_model_metadata(MODEL)
    image = np.random.default_rng(1).random(SHAPE, np.float32)
    sent = triton.InferInput(told.inputs[0].name, list(SHAPE), "FP32")
    wanted = triton.InferRequestedOutput(told.outputs[0].name)
    if not shared:
        sent.set_data_from_numpy(image)
        yield sent, wanted
        return
    memory = shm.create_shared_memory_region(name, f"/{name}", 2 * image.nbytes)
    try:
        shm.set_shared_memory_region(memory, [image])
        client.register_system_shared_memory(name, f"/{name}", 2 * image.nbytes)
        sent.set_shared_memory(name, image.nbytes)
        wanted.set_shared_memory(name, image.nbytes, offset=image.nbytes)
        yield sent, wanted
        client.unregister_system_shared_memory(name)
    finally:
        shm.destroy_shared_memory_region(memory)


def rate(address: str, callers: int, seconds: float, *, shared: bool) -> float:
    """Return the images a second that come back to all callers."""
    counts = [0] * callers

    def call(caller: int) -> None:
        name = f"headrace-load-{os.getpid()}-{caller}"
        with (
            triton.InferenceServerClient(address) as client,
            tensors(client, name, shared=shared) as (sent, wanted),
        ):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                client.infer(MODEL, [sent], outputs=[wanted])
                counts[caller] += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if not all(counts):
        raise Failed(f"not every caller of {address} was answered")
    return sum(counts) / seconds


def main() -> None:
    """Print a line for each number of callers, way and server."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--grpc", default="127.0.0.1:8001", help="Headrace's")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with ExitStack() as stack:
        peer = Triton(asked.folder, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(peer.end)
        addresses = {"Headrace": asked.grpc, "Triton": peer.server.grpc}
        for callers in (1, 4):
            for shared in (False, True):
                seen: dict[str, list[float]] = {name: [] for name in addresses}
                for _ in range(asked.rounds):
                    for name, address in addresses.items():
                        seen[name].append(rate(address, callers, asked.seconds, shared=shared))
                way = "shared memory" if shared else "messages"
                told = ", ".join(
                    f"{name} {np.median(rates):,.0f}/s" for name, rates in seen.items()
                )
                print(f"{callers} callers, {way}: {told}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"shared_memory.py: {error}")
