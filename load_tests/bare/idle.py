#!/usr/bin/env python3
"""Tell why a GPU is idle while `headrace serve` answers: copies, launches, or nothing to do.

The server of `resnet.py` traces itself with torch.profiler for half of the time that it is loaded.
The picture has what the device and the host did in some milliseconds out of the middle. Needs what
`resnet.py` needs, and matplotlib for the picture.

    load_tests/bare/idle.py --device cuda --picture docs/gpu-timeline.png
    load_tests/bare/idle.py --device cpu --depth 18 --rows 4 --request-rows 2 --in-flight 4

Exit code 2: no such device here.
"""

import json
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import resnet
from idle_shares import NOTHING, STATES, Span, shares, spans
from served import loaded

TRACED = Path(__file__).with_name("traced.py")


def traced(asker: Connection, trace: Path, load: Future[float], seconds: float) -> Any:
    """Return the events of a trace that began and ended under load."""
    go_on(load, seconds / 4)
    asker.send("begin")
    asker.recv()
    go_on(load, seconds / 2)
    asker.send(str(trace))
    asker.recv()
    load.result()
    return json.loads(trace.read_text())["traceEvents"]


def go_on(load: Future[float], seconds: float) -> None:
    """Let some time of the load go by."""
    if wait([load], timeout=seconds).done:
        load.result()
        raise SystemExit("the load ended before the trace did: give it more --seconds")


def draw(found: list[Span], milliseconds: float, picture: Path) -> None:
    """Draw what was done in a window out of the middle."""
    from matplotlib.figure import Figure

    first, last = min(one.begin for one in found), max(one.end for one in found)
    begin = (first + last) / 2
    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots()
    rows = [state for state in STATES if state != NOTHING]
    for row, state in enumerate(rows):
        bars = [
            ((one.begin - begin) / 1e3, (one.end - one.begin) / 1e3)
            for one in found
            if one.state == state
        ]
        axes.broken_barh(bars, (row - 0.4, 0.8), color=f"C{row}")
    axes.set(xlim=(0, milliseconds), ylim=(len(rows) - 0.5, -0.5), xlabel="ms")
    axes.set_yticks(range(len(rows)), rows)
    figure.savefig(picture, dpi=120)


def main() -> None:
    parser = resnet.options(__doc__.partition("\n")[0])
    # On Ray the model would be in another process than the command that is traced.
    parser.set_defaults(engine="local")
    parser.add_argument("--picture", type=Path, help="of a timeline: a file to write")
    parser.add_argument("--milliseconds", type=float, default=50.0, help="in the picture")
    asked = parser.parse_args()
    resnet.refuse_without(asked.device)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(1) as beside:
        scratch = Path(name)
        version = resnet.written(scratch / "models", asked)
        program = (str(TRACED), str(scratch / "socket"))
        with (
            resnet.behind(version, scratch, asked, program) as body,
            Client(str(scratch / "socket"), family="AF_UNIX") as asker,
        ):
            # The first trace of a process takes seconds to begin.
            for word in ("begin", str(scratch / "first.json")):
                asker.send(word)
                asker.recv()
            load = beside.submit(loaded, asked.port + 1, body, asked.in_flight, asked.seconds)
            events = traced(asker, scratch / "trace.json", load, asked.seconds)
    found = spans(events, asked.device)
    for state, share in shares(found).items():
        print(f"{state:14} {share:6.1%}")
    if asked.picture is not None:
        draw(found, asked.milliseconds, asked.picture)


if __name__ == "__main__":
    main()
