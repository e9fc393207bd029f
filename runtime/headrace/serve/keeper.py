"""The process between `headrace serve` and Ray: ends everything when that ends, however it ends.

It runs as a script on a bare interpreter (10 MB, 20 ms) and is a child subreaper: a process below
it cannot escape by daemonizing, and its own environment or title do not matter. (A marker in the
environment would: Ray's workers overwrite theirs in /proc when they set their titles.)

GCS and raylet are its own children, for it is what their starter becomes, and the kernel kills them
when it dies, and hosts and gateways when their raylet does. So nothing is left even if this process
and `headrace serve`, which adopts what this one kept, are killed in one moment.

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

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
#: GCS restarts within so many seconds; a GCS that dies more often is broken.
GCS_RESTARTS: Final = 5
GCS_RESTARTS_S: Final = 60.0


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies.

    Raises:
        OSError: the kernel refused.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it is gone.

    It is the calling thread that the kernel remembers this for: it should live as long as the
    process.

    Raises:
        OSError: the kernel refused.
    """
    parent = os.getppid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)  # it was gone before the kernel knew


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


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
        self._restarts: list[float] = []
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            self._command = file.read().rstrip(b"\0").split(b"\0")
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if entry)
            self._environment = {key: value for key, _, value in pairs}

    def restart(self, now: float) -> bool:
        """Start it again; False when it has died too often of late."""
        self._restarts = [at for at in self._restarts if now - at < GCS_RESTARTS_S]
        if len(self._restarts) >= GCS_RESTARTS:
            return False
        self._restarts.append(now)
        quiet = subprocess.DEVNULL
        self.pid = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            preexec_fn=die_with_parent,
        ).pid
        return True


def keep(parent: int, folder: str, head: str) -> int:
    """Say what was started, in JSON lines, and watch over it until `parent` or the raylet is gone.

    Stdin is the orderly way to ask for the end: it closes.
    """
    adopt_orphans()
    wake, wake_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    started = json.loads(head)
    try:
        gcs, raylet = Gcs(started["gcs_pid"]), started["raylet_pid"]
        watch = select.poll()
        for source in (wake, 0, os.pidfd_open(parent)):
            watch.register(source, select.POLLIN)
        if os.getppid() != parent:
            return 1
        _say(started)
        while True:
            ended = reap()
            if raylet in ended:
                return 1
            if gcs.pid in ended:
                if not gcs.restart(time.monotonic()):
                    return 1
                _say({"gcs_pid": gcs.pid})
            if {source for source, _ in watch.poll()} != {wake}:
                return 0
            os.read(wake, 4096)
    finally:
        end_descendants()
        shutil.rmtree(folder, ignore_errors=True)


def _say(facts: dict[str, object]) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def outlive_signals() -> None:
    """Let no signal but SIGKILL end this process; what it starts is as sensitive as any."""
    for passed_over in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Not SIG_IGN: every process below would inherit it, and a model's `terminate()` would do
        # nothing.
        signal.signal(passed_over, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def main() -> int:
    """Take the parent's pid, the folder to remove at the end, and what was started, as JSON."""
    outlive_signals()
    # What the program before this one left open: connections to Ray.
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as above
        if int(descriptor) > 2:
            with contextlib.suppress(OSError):
                os.close(int(descriptor))
    return keep(int(sys.argv[1]), sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    sys.exit(main())
