"""Real photos, and the example model that names them."""

import io
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "photos"
#: A bound, not an expectation: importing PyTorch takes seconds on a machine that builds something.
START_S: Final = 120.0

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def photo() -> Callable[[str], NDArray[np.uint8]]:
    """Returns scikit-image's photo of a name, as RGB rows."""
    from skimage import data

    def find(name: str) -> NDArray[np.uint8]:
        rows: NDArray[np.uint8] = getattr(data, name)()
        return rows

    return find


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Returns RGB rows as the bytes of a file that Pillow writes."""

    def write(rows: NDArray[np.uint8], kind: str = "JPEG", mode: str = "RGB", **how: Any) -> bytes:
        file = io.BytesIO()
        Image.fromarray(rows).convert(mode).save(file, kind, **how)
        return file.getvalue()

    return write


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serves the example in one process; where HTTP and gRPC listen."""
    state = tmp_path_factory.mktemp("state")
    log = state / "serve.log"
    first = 24_000 + os.getpid() % 1_000 * 4
    found = {"http": f"127.0.0.1:{first}", "grpc": f"127.0.0.1:{first + 1}"}
    command = [sys.executable, "-m", "headrace", "serve", str(EXAMPLE), "--engine", "local"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, "--ports", str(first), "--state", str(state)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_S
    while not ready(found["http"]):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            server.wait()
            raise RuntimeError(f"the server did not get ready:\n{log.read_text()}")
        time.sleep(0.05)  # noqa: TID251 - waits for another process
    yield found
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0, log.read_text()


def ready(http: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{http}/v2/health/ready", timeout=10) as reply:
            return bool(reply.status == 200)
    except OSError:  # an HTTPError is one
        return False
