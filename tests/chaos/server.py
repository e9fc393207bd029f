"""The server that is struck: its processes by what they are for, and whether it is whole."""

import os
import select
import signal
import socket
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families
from tests.chaos.ledger import RIGHT, STATUS, Scrape
from tests.integration.conftest import Run, alive, command_line, stop

REPOSITORY: Final = Path(__file__).parent / "models"
HOSTS: Final = {"quick/1": 2, "slow/1": 1, "wide/1": 1}
GATEWAYS: Final = 2
#: Processes of Ray's, by a word of their command lines.
_RAYS: Final = {
    "controller": "ray::ServeController",
    "gcs": "gcs/gcs_server",
    "raylet": "raylet/raylet",
    "agent": "/cat",
    "keeper": "serve/keeper.py",
}


class Deaths:
    """When processes ended, as the kernel tells."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self._waited_for: set[int] = set()

    def watch(self, pid: int) -> None:
        """Note when a process ends; once is enough, until another one has its number."""
        if pid in self._waited_for:
            return
        self.at.pop(pid, None)
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            self._waited_for.add(pid)
            threading.Thread(target=self._wait, args=(pid, descriptor), daemon=True).start()

    def _wait(self, pid: int, descriptor: int) -> None:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        ended.poll()
        self.at[pid] = time.monotonic()
        self._waited_for.remove(pid)
        os.close(descriptor)


class Server(Run):
    """A `headrace serve` of three models."""

    def __init__(self, state: Path, port: int, repository: Path = REPOSITORY) -> None:
        super().__init__(repository, state, port)
        self.deaths = Deaths()
        #: Every process that was ever seen below, and when it began: numbers are used again.
        self._seen: set[tuple[int, str]] = set()

    def find(self, victim: str) -> list[int]:
        """Return the processes that answer to a name, the youngest last."""
        if victim == "serve":
            return [self.process.pid]
        if victim in HOSTS:
            return sorted(self.pids(victim))
        if victim in ("gateway", "standby"):
            holds, waits = self._turns()
            return sorted(holds if victim == "gateway" else waits)
        below = sorted(self.below())
        return [pid for pid in below if _RAYS[victim] in command_line(pid)]

    def missing(self) -> str:
        """Return what is not as it should be; nothing where all could take the next blow."""
        try:
            status = self.status()
        except (OSError, ValueError) as error:
            return f"the console: {error}"
        if lacks := says_missing(status):
            return lacks
        # The board may not have heard yet of one that has just ended.
        pids = {pid for mine in status["processes"].values() for pid in mine}
        if dead := pids - alive(pids):
            return f"processes {dead}"
        for name in ("controller", "gcs", "raylet", "keeper"):
            if len(found := self.find(name)) != 1:
                return f"{name}: there are {found}"
        holds, waits = self._turns()
        if (len(holds), len(waits)) != (1, GATEWAYS - 1):
            return f"gateways: {holds} serve, {waits} stand by"
        self.note()
        return ""

    def note(self) -> None:
        """Remember the processes that there are now."""
        self._seen |= {(pid, began(pid)) for pid in self.below()}
        for pid in self.pids("gateway"):
            self.deaths.watch(pid)

    def left(self) -> set[int]:
        """Return those that were ever seen below and still run."""
        return {pid for pid, since in self._seen if began(pid) == since and alive({pid})}

    def scrape(self) -> Scrape:
        """Read the metrics page.

        Raises:
            OSError: nobody serves it.
        """
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        born, requests, refused, rows = 0.0, dict[tuple[str, str], int](), dict[str, int](), {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                # The parser puts a _total behind every counter, Triton's too.
                name, value = sample.name.removesuffix("_total"), sample.value
                model = sample.labels.get("model", "")
                if name == "process_start_time_seconds":
                    born = value
                elif name == "nv_inference_request_success":
                    requests[model, RIGHT] = int(value)
                elif name == "nv_inference_count":
                    rows[model] = int(value)
                elif name == "headrace_request_failures":
                    key = model, STATUS[sample.labels["kind"]]
                    requests[key] = requests.get(key, 0) + int(value)
                elif name == "headrace_requests_refused":
                    status = STATUS[sample.labels["kind"]]
                    refused[status] = refused.get(status, 0) + int(value)
        return Scrape(born, requests, refused, rows)

    def sockets(self) -> Path:
        """Return the folder of this run's sockets.

        Raises:
            LookupError: there is no raylet now.
        """
        for raylet in self.find("raylet"):
            for option in command_line(raylet).split():
                if option.startswith("--raylet_socket_name="):
                    return Path(option.partition("=")[2]).parent.parent
        raise LookupError("no raylet")

    def _turns(self) -> tuple[list[int], list[int]]:
        """Return who has the turn to serve and who waits for it, as the kernel lists locks."""
        try:
            inode = f":{(self.sockets() / 'turn').stat().st_ino}"
        except (LookupError, OSError):
            return [], []
        # 7: FLOCK ADVISORY WRITE pid device:inode 0 EOF; who waits has an arrow before the kind.
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        mine = [words for words in locks if any(word.endswith(inode) for word in words)]
        waits = [int(words[5]) for words in mine if words[1] == "->"]
        return [int(words[4]) for words in mine if words[1] == "FLOCK"], waits


def began(pid: int) -> str:
    """Return when a process began, in ticks; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def says_missing(status: Any) -> str:
    """Return what the console says is not there: versions that serve, hosts, two gateways."""
    for model in status["models"]:
        for version in model["versions"]:
            if version["state"] != "ready" or version["hosts"] != version["hosts_wanted"]:
                return f"{model['name']}: {version}"
    for label, wanted in (HOSTS | {"gateway": GATEWAYS}).items():
        if len(found := status["processes"].get(label, ())) != wanted:
            return f"{label}: processes {found}, not {wanted}"
    return "" if len(status["models"]) == len(HOSTS) else f"models: {status['models']}"


def strike(pid: int, number: signal.Signals) -> float:
    """Send a signal and return a moment after which the process answers nobody.

    One that is killed runs no more, and others may take its place at once; to stop takes a moment.
    """
    if number is signal.SIGSTOP:
        stop(pid)
    else:
        os.kill(pid, number)
    return time.monotonic()


def is_free(port: int) -> bool:
    """True when a listener could have the port at once."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def shared_memory() -> set[str]:
    """Return the names in /dev/shm that this user's programs made."""
    return {path.name for path in Path("/dev/shm").iterdir() if path.stat().st_uid == os.getuid()}
