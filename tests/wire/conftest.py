"""One server with a model per datatype, spoken to by Triton's own clients."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tritonclient.grpc
import tritonclient.http
from tests.ports import free_ports

DATATYPES = (
    "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES BF16".split()
)

ECHO = """
    from headrace import Batch, Context, Model, Tensor

    class Echo(Model):
        inputs = [Tensor("x", "{datatype}", [-1, 2])]
        outputs = [Tensor("y", "{datatype}", [-1, 2])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            return {{"y": batch["x"]}}
"""

PAIR = """
    from headrace import Batch, Context, Model, Tensor

    class Pair(Model):
        inputs = [Tensor("a", "INT32", [4]), Tensor("b", "INT32", [4])]
        outputs = [Tensor("sum", "INT32", [4]), Tensor("difference", "INT32", [4])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            if (batch["a"] == 666).any():
                raise ValueError("the number of the beast")
            return {"sum": batch["a"] + batch["b"], "difference": batch["a"] - batch["b"]}
"""

COUNT = """
    import time

    import numpy as np
    from headrace import Context, Model, Tensor

    class Count(Model):
        inputs = [Tensor("n", "INT64", [1]), Tensor("pause", "FP32", [1])]
        outputs = [Tensor("token", "INT64", [1])]

        def load(self, context: Context) -> None: ...

        def stream(self, batch):
            for token in range(int(batch["n"][0, 0])):
                if token == 666:
                    raise ValueError("the number of the beast")
                time.sleep(float(batch["pause"][0, 0]))
                yield {"token": np.array([[token]])}
"""


@dataclass(frozen=True)
class Server:
    """Where the server under test listens."""

    http: str
    grpc: str
    metrics: str

    def get(self, path: str, address: str | None = None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(
                f"http://{address or self.http}{path}", timeout=30
            ) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def write_model(repository: Path, name: str, source: str, yaml: str) -> None:
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(textwrap.dedent(source))
    (repository / name / "model.yaml").write_text(textwrap.dedent(yaml))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test once for each ``datatype``, or ``json_datatype``: those that JSON can say."""
    if "datatype" in metafunc.fixturenames:
        metafunc.parametrize("datatype", DATATYPES)
    if "json_datatype" in metafunc.fixturenames:
        metafunc.parametrize("json_datatype", [d for d in DATATYPES if d not in ("FP16", "BF16")])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("repository")
    for datatype in DATATYPES:
        write_model(
            repository,
            f"echo_{datatype.lower()}",
            ECHO.format(datatype=datatype),
            "batching: {max_rows: 8}\n",
        )
    write_model(repository, "pair", PAIR, "batching: {max_rows: 8}\n")
    write_model(repository, "count", COUNT, "streams: true\nbatching: {max_rows: 8}\n")
    state = tmp_path_factory.mktemp("state")
    port = free_ports()
    log = state / "serve.log"
    command = [sys.executable, "-m", "headrace", "serve", str(repository), "--engine", "local"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--ports", str(port), "--state", str(state), "--limit", "client_regions=4"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    found = Server(*(f"127.0.0.1:{port + at}" for at in range(3)))
    deadline = time.monotonic() + 60
    while True:
        try:
            if found.get("/v2/health/ready")[0] == 200:
                break
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the server did not get ready:\n{log.read_text()}")
        time.sleep(0.05)  # noqa: TID251 - waits for another process
    yield found
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, log.read_text()


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[tritonclient.http.InferenceServerClient]:
    with tritonclient.http.InferenceServerClient(server.http) as client:
        yield client


@pytest.fixture(scope="session")
def grpc(server: Server) -> Iterator[tritonclient.grpc.InferenceServerClient]:
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        yield client
