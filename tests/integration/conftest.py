"""Whole servers on Ray: started as a user starts them, and watched from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.integration.models import BROKEN, IDENTITY, RUDE
from tests.integration.proc import parent, state
from tests.ports import free_ports

from headrace.serve.keeper import descendants

#: Bounds, not expectations: a machine of two cores that builds something meanwhile is four times
#: slower than one that does not.
START_S: Final = 120.0
END_S: Final = 30.0


def write_model(repository: Path, name: str, source: str, yaml: str = "", version: int = 1) -> None:
    folder = repository / name / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(textwrap.dedent(source))
    (repository / name / "model.yaml").write_text(textwrap.dedent(yaml))


class Run:
    """One `headrace serve`, its addresses, what it said and the processes below it."""

    def __init__(
        self,
        repository: Path,
        state: Path,
        port: int,
        drain_s: float | None = None,
        terminal: int | None = None,
    ) -> None:
        self.http, self.grpc, self.metrics, self.console = (
            f"127.0.0.1:{port + at}" for at in range(4)
        )
        self.log = state.with_suffix(".log")
        self.state = state
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                command(repository, state, port)
                if drain_s is None
                else hurried(repository, state, port, drain_s),
                stdout=output if terminal is None else terminal,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "HOME": str(state.parent)},
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text()

    def get(self, url: str) -> Any:
        with urllib.request.urlopen(f"http://{url}", timeout=10) as reply:
            return json.loads(reply.read() or b"null")

    def page(self, url: str) -> str:
        with urllib.request.urlopen(f"http://{url}", timeout=10) as reply:
            text: str = reply.read().decode()
        return text

    def status(self) -> Any:
        return self.get(f"{self.console}/api/status")

    def pids(self, label: str) -> list[int]:
        """Processes of a replica: `gateway`, `identity/1`."""
        found: list[int] = self.status()["processes"].get(label, [])
        return found

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run another command of headrace against this server; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "headrace", *arguments],
            env=os.environ | {"HEADRACE_URL": f"http://{self.console}"},
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout + done.stderr

    def infer(self, model: str, *values: float, timeout_s: float = 30) -> tuple[int, Any]:
        """Send one row of four numbers over a connection of its own."""
        row = [*values, 0.0, 0.0, 0.0, 0.0][:4]
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": row}
        request = urllib.request.Request(
            f"http://{self.http}/v2/models/{model}/infer",
            json.dumps({"inputs": [tensor]}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def answers(self, model: str, timeout_s: float = 15) -> bool:
        try:
            return self.infer(model, 0.0, timeout_s=timeout_s)[0] == 200
        except OSError:
            return False

    def listens(self) -> bool:
        host, _, port = self.http.rpartition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def version(self, model: str) -> Any:
        """What the status says of a model's only version."""
        (found,) = [one for one in self.status()["models"] if one["name"] == model]
        (version,) = found["versions"]
        return version

    def accepted(self, model: str) -> int:
        """Calls of a model that wait or run."""
        (found,) = [one for one in self.status()["models"] if one["name"] == model]
        return sum(int(one["waiting"]) + int(one["in_flight"]) for one in found["versions"])

    def below(self) -> set[int]:
        """Every process that this run started."""
        return descendants(self.process.pid)

    def named(self, words: str) -> list[int]:
        """Processes of this run whose command line holds ``words``.

        Of one that has just forked the child has the same, until it becomes another program.
        """
        found = {pid for pid in self.below() if words in command_line(pid)}
        return [pid for pid in found if parent(pid) not in found]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S)


def command(repository: Path, state: Path, port: int) -> list[str]:
    serve = [sys.executable, "-m", "headrace", "serve", str(repository)]
    return [*serve, "--ports", str(port), "--state", str(state)]


def hurried(repository: Path, state: Path, port: int, drain_s: float) -> list[str]:
    """As `command`, of a server whose end has another bound than a user can choose."""
    program = f"""
        import sys
        from pathlib import Path
        from headrace.config.options import ServeOptions
        from headrace.serve import run

        options = ServeOptions(
            Path({str(repository)!r}), first_port={port}, state=Path({str(state)!r}),
            drain_s={drain_s},
        )
        sys.exit(run(options))
    """
    return [sys.executable, "-c", textwrap.dedent(program)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie does not."""
    return {pid for pid in pids if state(pid) not in ("", "Z")}


def stop(pid: int) -> None:
    """Stop a process, and return when it has: for a moment it still answers."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state(pid) == "T", 30, "it stands still")


def until(reached: Callable[[], Any], limit_s: float, what: str) -> float:
    """Wait for something outside this process; return how many seconds it took."""
    began = time.monotonic()
    while not reached():
        if time.monotonic() - began > limit_s:
            raise AssertionError(f"{what}: not within {limit_s:g} s")
        time.sleep(0.02)  # noqa: TID251 - bounded, for another process
    return time.monotonic() - began


def serving(run: Run) -> list[int]:
    """The gateways that listen: of all that know the port only these have a socket for it."""
    port = f":{int(run.http.rpartition(':')[2]):04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "0A"}
    return [pid for pid in run.pids("gateway") if inodes & open_files(pid)]


def open_files(pid: int) -> set[str]:
    links = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.add(str(entry.readlink()))
        except OSError:
            continue  # closed meanwhile
    return links


Serve = Callable[..., Run]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers, waits until they are ready, and sees to it that they end.

    One that is to begin where an earlier one ended is given its state folder.
    """
    runs: list[Run] = []

    def start(
        repository: Path,
        *,
        wait: bool = True,
        port: int = 0,
        drain_s: float | None = None,
        terminal: int | None = None,
        state: Path | None = None,
    ) -> Run:
        state = state or tmp_path_factory.mktemp("run") / "state"
        run = Run(repository, state, port or free_ports(), drain_s, terminal)
        runs.append(run)
        if wait:
            until(lambda: ready(run), START_S, "the server is ready")
        return run

    def ready(run: Run) -> bool:
        assert run.process.poll() is None, run.said()
        # Whether or not all of its models could be loaded.
        return "listening: HTTP" in run.said()

    yield start
    for run in runs:
        if run.process.poll() is None:
            try:
                run.end()
            finally:
                run.process.kill()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that behave, are slow, are rude, and do not load."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "identity", IDENTITY.format(pause=0))
    write_model(folder, "slow", IDENTITY.format(pause=3), "batching: {max_rows: 1}\n")
    write_model(folder, "rude", RUDE)
    write_model(folder, "broken", BROKEN)
    return folder


def error_id(text: str) -> str:
    """The id in an error's text that `headrace errors` knows."""
    found = re.search(r"\[error id (e-[0-9a-f]+)\]", text)
    assert found, text
    return found.group(1)
