"""What the kernel tells about processes: who they are, what they use, who listens."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
#: A socket's state in /proc/net/tcp.
LISTENS: Final = "0A"
#: How long to wait between two looks; times that come from looking are this coarse.
LOOK_S: Final = 0.005
MIB_KIB: Final = 1024


@dataclass(frozen=True)
class Memory:
    """MiB: a process's share of what it maps, and what nobody else maps and it has written."""

    pss: float
    private_dirty: float


def until(reached: Callable[[], bool], limit_s: float, look_s: float = LOOK_S) -> bool:
    """Look each `look_s` until something is so; False when it is not after `limit_s`."""
    end = time.monotonic() + limit_s
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(look_s)  # noqa: TID251 - bounded, for another process
    return True


def tree(pid: int) -> list[int]:
    """Return `pid` and every process below it."""
    found = [pid]
    for one in found:
        for task in PROC.glob(f"{one}/task/*/children"):
            with suppress(OSError):
                found.extend(map(int, task.read_text().split()))
    return found


def cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """Return the CPU seconds that each process has used, to the nanosecond; without who is gone."""
    used = {}
    for pid in pids:
        with suppress(OSError):
            # What clock_getcpuclockid(3) gives for another process: the number inverted, and 2.
            used[pid] = time.clock_gettime(~pid << 3 | 2)
    return used


def cpu_since(before: dict[int, float], root: int) -> dict[int, float]:
    """Return what each process below `root` has used since `before`."""
    return {pid: used - before.get(pid, 0.0) for pid, used in cpu_s(tree(root)).items()}


def memory(pid: int) -> Memory:
    """Return what a process holds now.

    Raises:
        OSError: it is gone.
    """
    lines = (line.split() for line in (PROC / f"{pid}/smaps_rollup").read_text().splitlines()[1:])
    kib = {words[0]: int(words[1]) for words in lines}
    return Memory(kib["Pss:"] / MIB_KIB, kib["Private_Dirty:"] / MIB_KIB)


def arguments(pid: int) -> list[str]:
    """Return the command line; nothing when the process is gone."""
    with suppress(OSError):
        return (PROC / f"{pid}/cmdline").read_text(errors="replace").rstrip("\0 ").split("\0")
    return []


def name(pid: int) -> str:
    """Return what a person calls the process: the title of a Ray worker, or the program."""
    title = arguments(pid) or ["gone"]
    if title[0].startswith("ray::"):
        # ray::ServeReplica:host-identity-1:host, ray::ServeController.listen_for_change
        parts = title[0].removeprefix("ray::").split(":")
        return parts[1] if len(parts) > 1 else parts[0].partition(".")[0]
    words = [word for word in title[1:] if not word.startswith("-")]
    program = Path(title[0]).name
    return Path(words[0]).name if program.startswith("python") and words else program


def listening(ports: Iterable[int]) -> dict[int, str]:
    """Return those of `ports` that somebody listens on, and the socket's inode."""
    wanted, found = set(ports), {}
    for table in ("net/tcp", "net/tcp6"):
        for line in (PROC / table).read_text().splitlines()[1:]:
            words = line.split()
            port = int(words[1].rpartition(":")[2], 16)
            if words[3] == LISTENS and port in wanted:
                found[port] = words[9]
    return found


def listener(port: int) -> int | None:
    """Return who listens on a port of this machine, as far as this user may see."""
    socket = f"socket:[{listening([port]).get(port)}]"
    for descriptor in PROC.glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(descriptor.readlink()) == socket:
                return int(descriptor.parts[2])
    return None


def whole_server(pid: int) -> int:
    """Return the `headrace serve` that a process is part of; itself where there is none."""
    found, above = pid, pid
    while above > 1:
        words = arguments(above)
        if "serve" in words and any(Path(word).name == "headrace" for word in words):
            found = above
        # The command in parentheses may hold spaces and parentheses itself.
        stat = (PROC / f"{above}/stat").read_text()
        above = int(stat.rpartition(")")[2].split()[1])
    return found
