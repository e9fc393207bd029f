"""The whole of it: a server comes up, is struck under load, and ends in two ways."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.campaign import Campaign, Record
from tests.chaos.ledger import CUT, Call
from tests.chaos.load import Load
from tests.chaos.server import Server, is_free, shared_memory
from tests.chaos.victims import Strike
from tests.integration.conftest import START_S

#: From SIGTERM to the end: what runs is finished, and nothing runs longer than a second.
TERM_S: Final = 25.0
#: From SIGKILL of `headrace serve` until nothing of it is left.
KILL_S: Final = 20.0
LOOK_S: Final = 0.02


@dataclass(frozen=True)
class Ending:
    """How the server ended once, and what it left."""

    how: str
    took_s: float
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """Everything that was seen."""

    seed: int
    #: One-minute load average of the machine, when it began and when it ended.
    machine: tuple[float, float]
    began: float
    records: list[Record]
    endings: list[Ending]
    calls: list[Call]

    @property
    def faults(self) -> list[str]:
        """All that should not have been."""
        struck = [f"{one.strike}: {fault}" for one in self.records for fault in one.faults]
        return struck + [f"{one.how}: {fault}" for one in self.endings for fault in one.faults]


def attack(
    state: Path, port: int, seed: int, strikes: Sequence[Strike], say: Callable[[str], None]
) -> Outcome:
    """Do it; the state folder and the ports serve three servers one after the other."""
    machine, shared = os.getloadavg()[0], shared_memory()
    server = started(state, port)
    load = Load(server.http, server.grpc, seed)
    endings: list[Ending] = []
    #: Where the sockets of each server were.
    folders: list[Path] = []
    try:
        campaign = Campaign(server, load, say)
        load.start()
        campaign.run(strikes)
        # One that has ended by itself has said so among the strikes.
        if server.process.poll() is None:
            endings.append(_ending("SIGTERM under load", server, shared, folders, load))
    finally:
        load.stop()
        server.process.kill()
    for how in ("SIGKILL of keeper and headrace serve", "SIGKILL of headrace serve"):
        server = started(state, port)
        try:
            endings.append(_ending(how, server, shared, folders))
        finally:
            server.process.kill()
    return Outcome(
        seed,
        (machine, os.getloadavg()[0]),
        campaign.began,
        campaign.records,
        endings,
        load.calls(),
    )


def started(state: Path, port: int) -> Server:
    """Start a server and wait until it is whole.

    Raises:
        RuntimeError: it does not come up.
    """
    server = Server(state, port)
    if not _within(START_S, lambda: server.process.poll() is not None or not server.missing()):
        server.process.kill()
    if server.process.poll() is not None:
        raise RuntimeError(f"the server did not come up:\n{server.said()}")
    return server


def _ending(
    how: str, server: Server, shared: set[str], folders: list[Path], load: Load | None = None
) -> Ending:
    server.note()
    folders.append(server.sockets())
    began = time.monotonic()
    if load is not None:
        server.process.send_signal(signal.SIGTERM)
    else:
        if "keeper" in how:
            os.kill(server.find("keeper")[0], signal.SIGKILL)
        server.process.kill()
    limit_s = KILL_S if load is None else TERM_S
    faults = []

    def left() -> list[str]:
        found = [f"process {pid}" for pid in server.left()]
        found += [f"port {port}" for port in _ports(server) if not is_free(port)]
        found += [f"shared memory {name}" for name in shared_memory() - shared]
        # Nobody is left to remove it where both are killed: the next server does.
        removed = folders[:-1] if "keeper" in how else folders
        return found + [str(folder) for folder in removed if folder.exists()]

    ended = _within(limit_s, lambda: server.process.poll() is not None and not left())
    took_s = time.monotonic() - began
    if not ended:
        faults.append(f"after {limit_s:g} s there are {', '.join(left()) or 'no exit code'}")
    if load is not None:
        if server.process.poll() != 0:
            faults.append(f"exit code {server.process.poll()}")
        accepted = [one for one in load.calls() if one.began < began - 0.1 < began < one.ended]
        lost = sum(one.outcome == CUT for one in accepted)
        faults += [f"{lost} of {len(accepted)} accepted calls were cut off"] if lost else []
    return Ending(how, took_s, faults)


def _ports(server: Server) -> list[int]:
    addresses = (server.http, server.grpc, server.metrics, server.console)
    return [int(address.rpartition(":")[2]) for address in addresses]


def _within(limit_s: float, reached: Callable[[], bool]) -> bool:
    until = time.monotonic() + limit_s
    while not reached():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_S)  # noqa: TID251 - bounded, for other processes
    return True
