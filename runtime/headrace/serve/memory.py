"""What the system says of memory."""

import contextlib
import re
from pathlib import Path
from typing import Final

#: Counts, by file, of processes that the kernel killed for want of memory: of the whole machine.
MACHINE: Final = Path("/proc/vmstat")
CGROUPS: Final = Path("/sys/fs/cgroup")
#: Which of them this process belongs to.
OWN: Final = Path("/proc/self/cgroup")


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory.

    Of this process's own control group, or else of the machine; 0 where neither tells.
    """
    for path in (*_own_groups(), MACHINE):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
            if found:
                return int(found.group(1))
    return 0


def _own_groups() -> list[Path]:
    """Return where this process's group counts: version 2 of control groups, and version 1."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = OWN.read_text().splitlines()
        paths = {kind: path for _, kind, path in (line.split(":", 2) for line in lines)}
        found = []
        for kind, below, name in (
            ("", "", "memory.events"),
            ("memory", "memory", "memory.oom_control"),
        ):
            # The root's group counts nothing of its own.
            if paths.get(kind, "/") != "/":
                found.append(CGROUPS / below / paths[kind].lstrip("/") / name)
        return found
    return []
