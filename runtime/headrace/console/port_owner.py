"""Which process holds a port."""

from pathlib import Path


def owner_of(port: int, proc: Path = Path("/proc")) -> str:
    """Return `` (held by NAME, process PID)``, or nothing where that cannot be seen."""
    inodes = _listening(port, proc)
    if not inodes:
        return ""
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            held = any(str(link.readlink()) in inodes for link in (process / "fd").iterdir())
            if held:
                name = (process / "comm").read_text().strip()
                return f" (held by {name}, process {process.name})"
        except OSError:
            # Another user's, or gone meanwhile.
            continue
    return " (held by a process of another user)"


def _listening(port: int, proc: Path) -> set[str]:
    """Return the sockets that listen on ``port``, as links in ``/proc/PID/fd`` name them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            # 0A is LISTEN.
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
