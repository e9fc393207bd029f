"""What the kernel says of processes."""

from pathlib import Path


def state(pid: int) -> str:
    """The letter of a process's state; nothing when it is gone."""
    return _stat(pid)[0]


def parent(pid: int) -> int:
    """A process's parent; 0 when it is gone."""
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "0"]
