"""A Ray of our own: started through the keeper, joined, and ended with everything below it."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any, Final

from headrace.errors import HeadraceError
from headrace.serve import keeper, workers
from headrace.serve.head import encode
from headrace.serve.places import Places
from headrace.serve.private import RAYLET_PID, HeadOptions
from headrace.serve.standstill import Process

#: An address of the loopback that Ray takes as it is; it rewrites 127.0.0.1 to the network card's,
#: and a laptop that changes networks would lose its cluster.
NODE_IP: Final = "127.0.0.2"
END_S: Final = 15.0


class RayFailed(HeadraceError):
    """Ray could not be started."""


class Cluster:
    """The keeper's process and the head node below it."""

    def __init__(self, places: Places, environment: dict[str, str], cpus: int) -> None:
        """Start the head node, of so many CPUs; returns at once, `address` waits for it.

        Raises:
            RayFailed: its process cannot be started.
        """
        os.environ.pop("RAY_ADDRESS", None)
        os.environ.update(environment)
        # If the keeper itself is killed, what it kept falls to this process.
        keeper.adopt_orphans()
        self._log = places.logs / "ray-start.log"
        #: Of Ray itself; replaced, never changed.
        self._head: dict[str, Any] = {}
        self._controller: tuple[int, Process] | None = None
        options = HeadOptions(
            ip=NODE_IP,
            temp=places.ray,
            sockets=places.ray_sockets,
            cpus=cpus,
            gpus=None,
        )
        command = [
            sys.executable,
            "-P",
            "-m",
            "headrace.serve.head",
            encode(options),
            str(os.getpid()),
            str(places.sockets),
        ]
        try:
            with self._log.open("wb") as log:
                self._keeper = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise RayFailed(
                f"Ray cannot be started ({error}): is {self._log.parent} writable, and may this "
                "user start more processes?"
            ) from error

        # Ray's driver exits without a word when its raylet is gone, which it takes process 1 for if
        # that is its parent, as under systemd; but this process is to say how a run ends. Only now,
        # for the processes below have a raylet to look after.
        os.environ[RAYLET_PID] = str(os.getpid())

    def address(self) -> str:
        """Wait for the head node and return its GCS address.

        Raises:
            RayFailed: it did not start; the message ends with what it said.
        """
        line = _of(self._keeper.stdout).readline()
        if not line:
            said = self._log.read_text(errors="replace").strip().splitlines()[-3:]
            raise RayFailed(
                f"Ray did not start (all of it: {self._log}): {' '.join(said) or 'no word'}"
            )
        self._head = json.loads(line)
        address = str(self._head["address"])
        # Ray and Serve join a cluster by themselves when asked something before or after their
        # time; without this they would start one, or join a stranger's.
        os.environ["RAY_ADDRESS"] = address
        return address

    def processes(self) -> dict[str, int]:
        """Return what Ray consists of besides its workers, by name; one thread may ask."""
        head = self._head
        if not head:
            return {}
        found = {"keeper": self._keeper.pid, "gcs": head["gcs_pid"], "raylet": head["raylet_pid"]}
        if self._controller is not None and not self._controller[1].state():
            self._controller[1].close()
            self._controller = None
        if self._controller is None and (pid := workers.controller(head["raylet_pid"])) is not None:
            with contextlib.suppress(OSError):
                self._controller = pid, Process(pid)
        return found if self._controller is None else found | {"controller": self._controller[0]}

    def keep_spares(self, count: int) -> None:
        """Have so many processes wait for a host to come; called when none is on its way."""
        missing = count - workers.waiting(self._head["raylet_pid"])
        if missing > 0:
            workers.begin_more(missing)

    def gpus(self) -> float:
        """Return how many GPUs Ray has; once it was joined."""
        import ray

        return float(ray.cluster_resources().get("GPU", 0.0))

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once, on another thread, when Ray or its keeper ended. After `address`."""

        def wait() -> None:
            for line in _of(self._keeper.stdout):
                self._head = self._head | json.loads(line)
            gone()

        threading.Thread(target=wait, name="keeper", daemon=True).start()

    def end(self) -> bool:
        """End every process of the cluster; True when none is left."""
        _of(self._keeper.stdin).close()
        try:
            self._keeper.wait(END_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
        return keeper.end_descendants()


def _of(stream: IO[Any] | None) -> IO[Any]:
    if stream is None:
        raise RuntimeError("the keeper was started without pipes")
    return stream
