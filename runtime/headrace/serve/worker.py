"""Starts one of Ray's workers, by its own interpreter, and has the kernel end it with its raylet.

A worker leaves by itself when it sees that its raylet is gone: one that stands still does not see
it, and Serve's controller takes 2 s, 10 and more on a busy machine, to say goodbye to what is gone.

It runs as a script, by the raylet, before the program that it is given: some 40 ms of each worker's
start.
"""

import json
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

#: Ray gives these to the program in whose place this one is: the next refuses them.
CONTEXT: Final = "--serialized-runtime-env-context="
LANGUAGE: Final = "--language="


def command(given: Sequence[str], interpreter: str) -> list[str]:
    """Return what to start: the program with its arguments, and its interpreter before them.

    That is the one that `agent.py` was told of, or else ``interpreter``.
    """
    told = [json.loads(one.removeprefix(CONTEXT)) for one in given if one.startswith(CONTEXT)]
    python = next((one["py_executable"] for one in told if "py_executable" in one), interpreter)
    return [python, *(one for one in given if not one.startswith((CONTEXT, LANGUAGE)))]


def main() -> NoReturn:
    """Become the program in the arguments, with the mark that the kernel keeps through exec."""
    # By its path: importing a package of ours would cost ten times as much.
    keeper = runpy.run_path(str(Path(__file__).with_name("keeper.py")))
    keeper["die_with_parent"]()
    program = command(sys.argv[1:], sys.executable)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
