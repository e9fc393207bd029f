"""The servers that are compared: Headrace, which runs already, and Triton, which is run here."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import processes
from loads import Failed

HERE: Final = Path(__file__).resolve().parent
START_S: Final = 60.0
END_S: Final = 15.0


class Witness:
    """A process with tritonclient in it, which compares answers of one server with what it sent."""

    def __init__(self, python: Path, http: str, grpc: str) -> None:
        self._process = subprocess.Popen(
            [python, HERE / "witness.py", "--watch", http, grpc],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def check(self, calls: int = 1) -> None:
        """Make some calls.

        Raises:
            Failed: an answer is wrong, or there is none.
        """
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        for _ in range(calls):
            with contextlib.suppress(BrokenPipeError):
                print(file=asked, flush=True)
            said = told.readline().strip()
            if said != "equal":
                raise Failed(said or "the witness has ended")

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    name: str
    http: str
    grpc: str
    #: The process that all others of the server are below.
    pid: int
    witness: Witness

    def successes(self, model: str) -> int:
        """Return how many requests the server says it has answered well."""
        url = f"http://{self.http}/v2/models/{model}/stats"
        with urllib.request.urlopen(url, timeout=10) as answer:
            versions = json.load(answer)["model_stats"]
        return sum(int(one["inference_stats"]["success"]["count"]) for one in versions)


def headrace(python: Path, http: str, grpc: str) -> Server:
    """Return the Headrace that listens there, on this machine.

    Raises:
        Failed: nobody does.
    """
    pid = processes.listener(int(http.rpartition(":")[2]))
    if pid is None:
        models = HERE / "models"
        raise Failed(f"nobody listens on {http} here; start it: headrace serve {models}")
    return Server("Headrace", http, grpc, processes.whole_server(pid), Witness(python, http, grpc))


class Triton:
    """Triton on free ports; started again when it has died."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.deaths = 0
        self._folder = folder
        self._log = scratch / "triton.log"
        self._start()

    def revived(self) -> bool:
        """Start it again if it is dead; False when it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Who hears of a death first may be the caller whose connection it closed.
            self._process.wait(2)
            self.deaths += 1
            self.end()
            self._start()
            return True
        return False

    def end(self) -> None:
        """End it and what it started."""
        self.server.witness.end()
        _end(self._process)

    def _start(self) -> None:
        ports = _free_ports(3)
        with self._log.open("w") as log:
            process = self._process = _tritonserver(self._folder, ports, log)
        ready = f"http://127.0.0.1:{ports[0]}/v2/health/ready"
        try:
            processes.until(lambda: _answers(ready) or process.poll() is not None, START_S)
            if not _answers(ready):
                raise Failed(f"Triton does not get ready: {self._log.read_text()[-1000:]}")
        except BaseException:
            _end(process)
            raise
        addresses = f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"
        witness = Witness(python_of(self._folder), *addresses)
        self.server = Server("Triton", *addresses, process.pid, witness)


def python_of(folder: Path) -> Path:
    """Return the interpreter that has Triton's client."""
    return folder / "tri/bin/python"


class ExplicitTriton:
    """Triton with a repository of its own, which loads what it is told to."""

    def __init__(self, folder: Path, repository: Path, model: str, scratch: Path) -> None:
        ports = _free_ports(3)
        self.http = f"127.0.0.1:{ports[0]}"
        self._model = model
        self._log = (scratch / "triton.log").open("w")
        explicit = "--model-control-mode=explicit", f"--load-model={model}"
        self._process = _tritonserver(folder, ports, self._log, repository, *explicit)
        processes.until(lambda: _answers(f"http://{self.http}/v2/health/ready"), START_S)

    def load(self) -> None:
        """Have it load its model anew: the highest version takes the place of the one before."""
        url = f"http://{self.http}/v2/repository/models/{self._model}/load"
        with urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=START_S) as answer:
            answer.read()

    def end(self) -> None:
        """End it and what it started."""
        _end(self._process)
        self._log.close()


def _tritonserver(
    folder: Path,
    ports: list[int],
    log: IO[str],
    repository: Path = HERE / "triton_models",
    *options: str,
) -> subprocess.Popen[bytes]:
    site = next((folder / "tri/lib").glob("python3.*/site-packages"))
    command: list[str | Path] = [
        site / "pytriton/tritonserver/bin/tritonserver",
        *(f"--model-repository={repository}", f"--backend-directory={folder / 'tb'}", *options),
        *(f"--http-port={ports[0]}", f"--grpc-port={ports[1]}", f"--metrics-port={ports[2]}"),
        *("--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--exit-timeout-secs=2"),
    ]
    surroundings = {
        "LD_LIBRARY_PATH": str(site / "nvidia_pytriton.libs"),
        "PYTHONPATH": str(site),
        "PATH": f"{folder / 'tri/bin'}:{os.environ['PATH']}",
        # Its backend's Python would write into the model repository.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        command, env=os.environ | surroundings, stdout=log, stderr=log, start_new_session=True
    )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    # Its backend's processes, too: they outlive a server that crashed.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
