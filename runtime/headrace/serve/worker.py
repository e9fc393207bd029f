"""Starts one of Ray's workers so that the kernel ends it with its raylet.

A worker leaves by itself when it sees that its raylet is gone: one that stands still does not see
it, and Serve's controller takes 2 s, 10 and more on a busy machine, to say goodbye to what is gone.

It runs as a script, by the raylet, before the program that it is given: 30 ms of each worker's
start, 1 s and more of which is Ray's.
"""

import os
import runpy
import sys
from pathlib import Path
from typing import NoReturn


def main() -> NoReturn:
    """Become the program in the arguments, with the mark that the kernel keeps through exec."""
    # By its path: importing a package of ours would cost ten times as much.
    keeper = runpy.run_path(str(Path(__file__).with_name("keeper.py")))
    keeper["die_with_parent"]()
    # Meant for the program that Ray has in this one's place, and refused by the next.
    given = [one for one in sys.argv[1:] if not one.startswith("--language=")]
    os.execv(sys.executable, [sys.executable, *given])


if __name__ == "__main__":
    main()
