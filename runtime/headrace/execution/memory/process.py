"""Which process is meant: numbers of processes are given again."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process of this machine since it was started, or of one that it was before."""

    #: Of the machine's start.
    boot: str
    pid: int
    #: When it began, in ticks since that.
    began: int


def process(pid: int) -> Process | None:
    """Return who has this number now; None where nobody lives who has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # Behind the name, which may hold anything: the state first, and the start as the twentieth.
    state, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":
        # Only its parent has not asked for it yet: its devices are given back.
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Process(boot, pid, int(fields[18]))


def current() -> Process:
    """Return who asks."""
    mine = process(os.getpid())
    if mine is None:
        raise RuntimeError("/proc/PID/stat of this process cannot be read: is /proc mounted?")
    return mine
