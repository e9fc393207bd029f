"""What the kernel tells about the attacked process."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
LISTENS: Final = "0A"
KIB_A_MIB: Final = 1024
#: Between two looks at another process.
LOOK_S: Final = 0.02


def until(reached: Callable[[], bool], limit_s: float) -> bool:
    """Look until something is so; False when it is not after `limit_s`."""
    end = time.monotonic() + limit_s
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_S)  # noqa: TID251 - bounded, for another process
    return True


def listener(port: int) -> int | None:
    """Return who listens on a port of this machine, as far as this user may see."""
    inodes = set()
    for table in ("net/tcp", "net/tcp6"):
        for line in (PROC / table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    return _opener(inodes) if inodes else None


def _opener(links: set[str]) -> int | None:
    for folder in PROC.glob("[0-9]*/fd"):
        with suppress(OSError):
            for descriptor in folder.iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in links:
                        return int(folder.parts[2])
    return None


def open_files(pid: int) -> int:
    """Return how many descriptors a process has open."""
    try:
        return sum(1 for _ in (PROC / f"{pid}/fd").iterdir())
    except FileNotFoundError:
        return 0  # it has died


def _memory_mib(pid: int, line: str) -> int:
    with suppress(FileNotFoundError):
        for text in (PROC / f"{pid}/status").read_text().splitlines():
            if text.startswith(line):
                return int(text.split()[1]) // KIB_A_MIB
    return 0  # it has died


def memory_mib(pid: int) -> int:
    """Return the resident memory."""
    return _memory_mib(pid, "VmRSS:")


def forget_peak(pid: int) -> None:
    """Let the peak of the resident memory begin anew."""
    (PROC / f"{pid}/clear_refs").write_text("5")


def peak_mib(pid: int) -> int:
    """Return the highest resident memory since it was forgotten."""
    return _memory_mib(pid, "VmHWM:")
