"""Ends what stands still: a stopped process (SIGSTOP) answers nobody, and its sockets do not tell.

Others would notice too, but later: Serve asks a gateway through Python, and gateways ask the link
of a host that has calls and is silent. The kernel knows at once.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: Between two looks, some 5 µs a process each: there is no news of it that one could wait for.
LOOK_S: Final = 0.25


@dataclass(frozen=True)
class Remedy:
    """What is done about a process that stands still for so long."""

    after_s: float
    signal: signal.Signals


#: The one that stands by serves within milliseconds, and all callers wait meanwhile.
GATEWAY: Final = Remedy(1.0, signal.SIGKILL)
#: A new one needs a second or two; who waits for it does so for ten.
REPLACED: Final = Remedy(3.0, signal.SIGKILL)
#: Without it all of Ray ends, and no request needs it: it is woken.
NEEDED: Final = Remedy(3.0, signal.SIGCONT)

#: A pid, what it is, and what to do.
Watched = Mapping[int, tuple[str, Remedy]]


def watched(replicas: Mapping[str, Sequence[int]], ray: Mapping[str, int]) -> Watched:
    """Return what may not stand still: processes of gateways and hosts by label, and Ray's."""
    found: dict[int, tuple[str, Remedy]] = {}
    for label, pids in replicas.items():
        remedy = GATEWAY if label == "gateway" else REPLACED
        found |= dict.fromkeys(pids, (label, remedy))
    for name, pid in ray.items():
        found[pid] = (name, NEEDED if name in {"keeper", "raylet"} else REPLACED)
    return found


def due(
    since: Mapping[int, float], stopped: Mapping[int, Remedy], now: float
) -> tuple[dict[int, float], set[int]]:
    """Return since when each stopped process stands still, and those that did so for too long."""
    standing = {pid: since.get(pid, now) for pid in stopped}
    return standing, {pid for pid, began in standing.items() if now - began >= stopped[pid].after_s}


class Process:
    """A process as the kernel tells of it, and no other that gets its number after it."""

    def __init__(self, pid: int, folder: str = "/proc") -> None:
        """Begin to look at it.

        Raises:
            OSError: there is no such process.
        """
        self._stat = os.open(f"{folder}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)

    def state(self) -> bytes:
        """Return the letter of its state: `T` when a signal stopped it, nothing when it is gone."""
        with contextlib.suppress(OSError):
            # The command in parentheses may hold parentheses itself.
            return os.pread(self._stat, 512, 0).rpartition(b") ")[2][:1]
        return b""

    def close(self) -> None:
        """Look no more."""
        os.close(self._stat)


class Standstill:
    """A thread that looks at the run's processes, as long as there are any."""

    def __init__(self, watched: Callable[[], Watched], tell: Callable[[str], None]) -> None:
        """Begin; both functions are called on its thread."""
        self._watched = watched
        self._tell = tell
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="standstill", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        since: dict[int, float] = {}
        known: dict[int, Process] = {}
        while not self._ended.wait(LOOK_S):
            watched = self._watched()
            _follow(known, watched)
            stopped = {pid: watched[pid][1] for pid, one in known.items() if one.state() == b"T"}
            since, late = due(since, stopped, time.monotonic())
            for pid in late:
                self._act(pid, *watched[pid])

    def _act(self, pid: int, name: str, remedy: Remedy) -> None:
        done = "woken" if remedy.signal is signal.SIGCONT else "ended"
        with contextlib.suppress(OSError):
            os.kill(pid, remedy.signal)
            self._tell(f"{name} (process {pid}) stood still for {remedy.after_s:g} s: {done}")


def _follow(known: dict[int, Process], watched: Watched) -> None:
    """Look at those that are watched, and at no others."""
    for pid in known.keys() - watched.keys():
        known.pop(pid).close()
    for pid in watched.keys() - known.keys():
        with contextlib.suppress(OSError):
            known[pid] = Process(pid)
