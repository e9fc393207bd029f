"""Load a server for an hour, restart its hosts, and see whether memory and latency stay flat.

    .venv/bin/python -m tests.soak --minutes 60 --picture soak.png

Ends with 1 if something grew, an answer was wrong, or a call failed while nobody was killed.
"""

import argparse
import json
import os
import signal
import tempfile
import threading
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.chaos.attack import started
from tests.chaos.ledger import LEFT, RIGHT, WRONG
from tests.chaos.load import Habit, Load
from tests.chaos.server import HOSTS, Server
from tests.soak import pressure
from tests.soak.memory import by_kind
from tests.soak.verdict import Minute, faults

#: Of what the server answers when nobody waits.
SHARE: Final = 0.7
MINUTE_S: Final = 60
CAPACITY_S: Final = 10
#: A host is killed so many seconds into every third minute; the next minute counts as struck, too.
KILL_AT_S: Final = 10
EVERY: Final = 3
#: Those who leave, connect anew, hurry and ask for what is wrong, beside the steady load.
HABITS: Final = tuple(
    habit
    for protocol in ("http", "grpc")
    for habit in (
        Habit("quick", protocol, 0.05, asks_wrongly=0.05, asks_nobody=0.05, leaves=0.2),
        Habit("slow", protocol, 0.05, hurries=0.1, leaves=0.3),
        Habit(
            "wide", protocol, 0.2, leaves=0.1, leaves_within_body=0.1 if protocol == "http" else 0.0
        ),
    )
)


def main() -> int:
    """Read the command line, load, report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--ports", type=int, default=28_500, help="the first of four")
    parser.add_argument("--json", type=Path, help="write everything that was seen there")
    parser.add_argument("--picture", type=Path, help="draw it; needs the extra `chaos`")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        server = started(Path(folder) / "state", wanted.ports)
        load = Load(server.http, server.grpc, 1, HABITS)
        try:
            minutes = _soak(server, load, Path(folder), wanted.minutes)
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(MINUTE_S)
        finally:
            load.stop()
            server.process.kill()
    if wanted.json:
        wanted.json.write_text(json.dumps([asdict(minute) for minute in minutes]) + "\n")
    if wanted.picture:
        from tests.soak.picture import draw

        draw(minutes, wanted.picture)
    found = [*load.faults, *faults(minutes)]
    print(*(f"FAULT {fault}" for fault in found), sep="\n")
    return 1 if found else 0


def _soak(server: Server, load: Load, folder: Path, minutes: int) -> list[Minute]:
    pressure.write_requests(folder)
    load.start()
    most = pressure.press(server, folder, CAPACITY_S, None)
    rates = {protocol: SHARE * seen.rate for protocol, seen in most.items()}
    print(
        "answers a second when nobody waits:", {name: round(one.rate) for name, one in most.items()}
    )
    seen: list[Minute] = []
    taken = len(load.calls())
    for number in range(minutes):
        struck = _kill_soon(server, number) if number % EVERY == 0 else None
        figures = pressure.press(server, folder, MINUTE_S, rates)
        calls = load.calls(taken)
        taken += len(calls)
        told = Counter(
            f"{call.model} {call.outcome}" for call in calls if call.outcome not in (RIGHT, LEFT)
        )
        seen.append(
            Minute(
                figures=figures,
                memory=by_kind(server),
                struck=struck or ("it comes back" if number % EVERY == 1 else ""),
                told=dict(sorted(told.items())),
                wrong=sum(call.outcome == WRONG for call in calls),
            )
        )
        print(_line(number, seen[-1]), flush=True)
    return seen


def _kill_soon(server: Server, number: int) -> str:
    victim = sorted(HOSTS)[number // EVERY % len(HOSTS)]
    pid = server.find(victim)[0]
    timer = threading.Timer(KILL_AT_S, os.kill, (pid, signal.SIGKILL))
    timer.daemon = True
    timer.start()
    return victim


def _line(number: int, minute: Minute) -> str:
    parts = [f"{number:3}"]
    for protocol, seen in minute.figures.items():
        failed = f", {seen.failed} FAILED" if seen.failed else ""
        parts.append(
            f"{protocol} {seen.rate:6.0f}/s p50 {seen.p50_ms:5.2f}, "
            f"p99 {seen.p99_ms:6.2f} ms{failed}"
        )
    parts.append(
        " ".join(f"{kind} {mib:.0f}" for kind, mib in sorted(minute.memory.items())) + " MiB"
    )
    if minute.struck:
        parts.append(minute.struck)
    return "  ".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
