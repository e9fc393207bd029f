"""The command line. Each command imports what it needs when it runs: `--help` stays quick."""

import sys
from collections.abc import Sequence

from headrace.errors import HeadraceError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process: 0 done, 1 an error told on standard error, 2 misuse."""
    from headrace.cli.commands import app

    try:
        app(args=None if arguments is None else list(arguments))
    except HeadraceError as error:
        print(f"headrace: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
