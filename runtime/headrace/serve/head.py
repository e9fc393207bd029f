"""Starts a head node and says where it is: one JSON line on standard output. Run by the keeper."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from headrace.serve.private import HeadOptions, start_head


def encode(options: HeadOptions) -> str:
    """Return the options as this program's one argument."""
    return json.dumps(
        asdict(options) | {"temp": str(options.temp), "sockets": str(options.sockets)}
    )


def decode(argument: str) -> HeadOptions:
    """Read what `encode` wrote."""
    fields = json.loads(argument)
    fields |= {"temp": Path(fields["temp"]), "sockets": Path(fields["sockets"])}
    return HeadOptions(**fields)


def main() -> None:
    """Start it, say so, and leave without the handlers that Ray registered to end it again."""
    head = start_head(decode(sys.argv[1]))
    sys.stdout.write(json.dumps(asdict(head)) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
