"""What the processes of a server hold."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.chaos.server import HOSTS, Server


def by_kind(server: Server) -> dict[str, float]:
    """Return MiB (PSS: what is shared is shared out) of gateways, hosts, and all of Ray's own."""
    kinds = {pid: "gateway" for name in ("gateway", "standby") for pid in server.find(name)}
    kinds |= {pid: "host" for name in HOSTS for pid in server.find(name)}
    kinds |= {server.process.pid: "headrace serve"}
    held: Counter[str] = Counter()
    for pid in server.below() | {server.process.pid}:
        with suppress(OSError):  # it may just have ended
            held[kinds.get(pid, "Ray")] += _pss_kib(pid)
    return {kind: kib / 1024 for kind, kib in held.items()}


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
