"""`headrace serve --engine local` as a process, for the tests of this folder."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.local.consoles import Begin
from tests.ports import free_ports
from tests.unit.desk import Desk

from headrace.console.logbook import Logbook
from headrace.console.server import Console
from headrace.console.sources import Sources

#: A busy machine starts slowly; what is measured has bounds of its own.
PATIENCE_S = 120.0


#: Misbehaves by the first number that it is sent.
MOODY = """
what = int(batch["x"][0, 0])
if what == 1: raise ValueError("one is none")
if what == 2: sys.exit("two ends it")
if what == 3: return {"z": batch["x"]}
if what == 4: return {"y": batch["x"].astype(np.float64)}
if what == 5: return {"y": batch["x"][:0]}
if what == 6: return 6
if what == 7: batch.reject(0, "seven is refused")
if what == 10: batch.reject(0, "ten is \\ud800 refused")
if what == 8: batch["x"][0, 0] = 9
if what == 9: raise KeyboardInterrupt
return {"y": batch["x"]}
"""

#: A server whose end has another bound than a user can choose.
HURRIED = """
import sys
from pathlib import Path
from headrace.config.options import ServeOptions
from headrace.local import run
sys.exit(run(ServeOptions(
    Path("{}"), engine="local", first_port={}, state=Path("{}"), drain_s={},
)))
"""

#: Returns the view that it kept of the batch before.
KEEPER = """
kept, self.kept = getattr(self, "kept", batch["x"]), batch["x"]
return {"y": kept[:1].repeat(batch.rows, 0)}
"""


@dataclass
class LocalServer:
    """A server of a folder of models."""

    process: subprocess.Popen[bytes]
    models: Path
    port: int
    state: Path
    log: Path

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.port + 1}"

    @property
    def console(self) -> str:
        return f"http://127.0.0.1:{self.port + 3}"

    def output(self) -> str:
        return self.log.read_text()

    def get(self, url: str) -> tuple[int, Any]:
        return self.send(urllib.request.Request(url))

    def post(
        self, model: str, x: Any, rows: int = 1, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        body = {"inputs": [{"name": "x", "shape": [rows, 4], "datatype": "FP32", "data": x}]}
        url = f"http://{self.http}/v2/models/{model}/infer"
        said = {"Content-Type": "application/json"} | (headers or {})
        return self.send(urllib.request.Request(url, json.dumps(body).encode(), said))

    def send(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        return status, json.loads(body) if body else None

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run another command of headrace against this server; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "headrace", *arguments],
            env=os.environ | {"HEADRACE_URL": self.console},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            cwd=self.state,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout + done.stderr

    def end(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def wait_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        # Whether or not all of its models could be loaded.
        while "listening: HTTP" not in self.output():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the server did not get ready:\n{self.output()}")
            time.sleep(0.02)  # noqa: TID251 - waits for another process


def start(
    models: Path,
    state: Path,
    *options: str,
    drain_s: float | None = None,
    port: int | None = None,
) -> LocalServer:
    """Start a server; it may not be ready yet."""
    state.mkdir(parents=True, exist_ok=True)
    log = state / "output"
    port = port or free_ports()
    command = [sys.executable, "-m", "headrace", "serve", str(models), "--engine", "local"]
    command += ["--ports", str(port), "--state", str(state), *options]
    if drain_s is not None:
        command = [sys.executable, "-c", HURRIED.format(models, port, state, drain_s)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return LocalServer(process, models, port, state, log)


@contextmanager
def ready(models: Path, state: Path, *options: str) -> Iterator[LocalServer]:
    """A server of these models, ready; it has to end well, and is gone afterwards."""
    running = start(models, state, *options)
    try:
        running.wait_ready()
        yield running
        assert running.end() == 0, running.output()
    finally:
        running.process.kill()
        running.process.wait()


@contextmanager
def serving(folder: Path, name: str, source: str) -> Iterator[LocalServer]:
    """A server of one model, ready; it is gone afterwards, whatever became of the test."""
    version = folder / "models" / name / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(source)
    one = start(folder / "models", folder / "state")
    try:
        one.wait_ready()
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def write_model(models: Path, name: str, body: str, yaml: str = "") -> None:
    """Write a model with x FP32[4] → y FP32[4] and the given lines of predict()."""
    folder = models / name / "1"
    folder.mkdir(parents=True)
    indented = "\n".join("        " + line for line in body.strip().split("\n"))
    (folder / "model.py").write_text(
        "import os, sys, time\nimport numpy as np\n"
        "from headrace import Batch, Context, Model, Tensor\n\n"
        "class One(Model):\n"
        '    inputs = [Tensor("x", "FP32", [4])]\n'
        '    outputs = [Tensor("y", "FP32", [4])]\n'
        "    def load(self, context):\n"
        f'        print("{name} loads")\n'
        "        self.context = context\n"
        f"    def predict(self, batch):\n{indented}\n"
    )
    (folder.parent / "model.yaml").write_text(yaml)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Models that work, and models that misbehave when they are told to."""
    models = tmp_path_factory.mktemp("models")
    write_model(models, "good", 'print("predicts"); return {"y": batch["x"] * 2}')
    write_model(models, "moody", MOODY)
    write_model(models, "keeper", KEEPER)
    write_model(models, "broken", "return {}")
    running = start(models, tmp_path_factory.mktemp("state"))
    running.wait_ready()
    yield running
    assert running.end() == 0, running.output()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., LocalServer]]:
    """Starts servers of one's own; what still runs at the end is killed."""
    started: list[LocalServer] = []

    def begin(
        models: Path,
        drain_s: float | None = None,
        port: int | None = None,
        state: Path | None = None,
    ) -> LocalServer:
        state = state or tmp_path / f"state-{len(started)}"
        started.append(start(models, state, drain_s=drain_s, port=port))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model below a folder of one's own, and returns that folder."""

    def one(name: str, body: str, yaml: str = "") -> Path:
        write_model(tmp_path / "models", name, body, yaml)
        return tmp_path / "models"

    return one


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    book = Logbook(tmp_path / "logs", None)
    one = Desk(tmp_path, book, m=[1])
    yield one
    one.close()
    book.close()


@pytest.fixture
def sources(desk: Desk) -> Sources:
    return desk.sources


@pytest.fixture
def begin(sources: Sources) -> Iterator[Begin]:
    """Starts a console and returns its port."""
    with ExitStack() as held:

        def start(given: Sources = sources, host: str = "127.0.0.1") -> int:
            port = free_ports()
            console = Console(host, port, given)
            held.callback(console.close)
            console.start()
            return port

        yield start
