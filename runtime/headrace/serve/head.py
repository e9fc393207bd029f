"""Starts a head node, says where it is in one JSON line, and becomes its keeper."""

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from headrace.serve import keeper
from headrace.serve.private import HeadOptions, start_head


def encode(options: HeadOptions) -> str:
    """Return the options as an argument of this program."""
    return json.dumps(
        asdict(options) | {"temp": str(options.temp), "sockets": str(options.sockets)}
    )


def decode(argument: str) -> HeadOptions:
    """Read what `encode` wrote."""
    fields = json.loads(argument)
    fields |= {"temp": Path(fields["temp"]), "sockets": Path(fields["sockets"])}
    return HeadOptions(**fields)


def main() -> NoReturn:
    """Start it and hand over, in this process, to the program that keeps it: its parent stays.

    Takes the options, the pid of `headrace serve`, and the folder to remove at the end.
    """
    keeper.outlive_signals()
    threading.Thread(target=_leave_if_nobody_waits, daemon=True).start()
    options, parent, folder = sys.argv[1:]
    head = start_head(decode(options))
    program = [sys.executable, "-I", "-S", keeper.__file__]
    os.execv(sys.executable, [*program, parent, folder, json.dumps(asdict(head))])


def _leave_if_nobody_waits() -> None:
    """End, and by that what was started, when the run is over before Ray is up."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
