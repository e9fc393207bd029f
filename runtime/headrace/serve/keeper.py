"""The process between `headrace serve` and Ray: ends everything when that ends, however it ends.

It runs as a script on a bare interpreter (10 MB, 20 ms) and is a child subreaper: a process below
it cannot escape by daemonizing, and its own environment or title do not matter. (A marker in the
environment would: Ray's workers overwrite theirs in /proc when they set their titles.)

It also brings Ray's GCS back on its storage when that dies, well before Ray gives up (60 s).
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Final

PR_SET_CHILD_SUBREAPER: Final = 36
#: GCS restarts within one run; a GCS that dies more often is broken, and Ray's own limit ends the
#: run.
GCS_RESTARTS: Final = 5


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies.

    Raises:
        OSError: the kernel refused.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def descendants(pid: int) -> set[int]:
    """Return the processes below `pid`, zombies included."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs this process 10 ms of imports
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                # The command in parentheses may hold spaces and parentheses itself.
                parent = int(stat.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    frontier = [pid]
    while frontier:
        for child in children.get(frontier.pop(), []):
            if child not in found:
                found.add(child)
                frontier.append(child)
    return found


def reap() -> list[int]:
    """Collect children that ended, and return their pids."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            ended.append(pid)
    return ended


def end_descendants(limit_s: float = 10.0) -> bool:
    """SIGKILL everything below this process and wait for it; True when nothing is left.

    Call `adopt_orphans` first: the loop ends when this process has no children, and a grandchild
    becomes one as soon as its parent is gone. A process that forks meanwhile is met in the next
    round.
    """
    until = time.monotonic() + limit_s
    me = os.getpid()
    while time.monotonic() < until:
        below = descendants(me)
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        if not below:
            return True
        time.sleep(0.01)  # noqa: TID251 - the kernel tells of no grandchild's death
    return False


class Gcs:
    """The GCS process as it was started, so that it can be started again."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.restarts = 0
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            self.command = file.read().rstrip(b"\0").split(b"\0")
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if entry)
            self.environment = {key: value for key, _, value in pairs}

    def restart(self) -> bool:
        """Start it again; False when it has died too often."""
        if self.restarts >= GCS_RESTARTS:
            return False
        self.restarts += 1
        quiet = subprocess.DEVNULL
        self.pid = subprocess.Popen(
            self.command, env=self.environment, stdin=quiet, stdout=quiet, stderr=quiet
        ).pid
        return True


def keep(parent: int, folder: str, command: list[str]) -> int:
    """Run `command`, which starts Ray and prints a JSON line; then watch until `parent` is gone.

    The line goes on to this process's standard output. Stdin is the orderly way to ask for the
    end: it closes.
    """
    adopt_orphans()
    watch = select.poll()
    watch.register(os.pidfd_open(parent), select.POLLIN)
    if os.getppid() != parent:
        return 1
    wake, wake_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    watch.register(wake, select.POLLIN)
    watch.register(0, select.POLLIN)

    starter = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if starter.stdout is None:
        raise RuntimeError("the starter has no standard output")
    watch.register(starter.stdout.fileno(), select.POLLIN)
    gcs: Gcs | None = None
    raylet = 0
    try:
        while True:
            ready = {fd for fd, _ in watch.poll()}
            if starter.stdout.fileno() in ready:
                line = starter.stdout.readline()
                watch.unregister(starter.stdout.fileno())
                if not line:
                    return 1
                started = json.loads(line)
                gcs, raylet = Gcs(started["gcs_pid"]), started["raylet_pid"]
                os.write(1, line)
            if wake in ready:
                os.read(wake, 4096)
                ended = reap()
                if raylet in ended:
                    return 1
                if gcs is not None and gcs.pid in ended and not gcs.restart():
                    return 1
            if ready - {wake, starter.stdout.fileno()}:
                return 0
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Take the parent's pid, the folder to remove at the end, and the command that starts Ray."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for passed_over in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Not SIG_IGN: every process below would inherit it, and a model's `terminate()` would do
        # nothing.
        signal.signal(passed_over, lambda *_: None)
    return keep(int(sys.argv[1]), sys.argv[2], sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
