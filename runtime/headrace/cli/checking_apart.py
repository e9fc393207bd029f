"""`headrace check` of one version, run by the interpreter of that version's own environment."""

import json
import os
import pickle
import sys

from headrace.cli.checking import run
from headrace.repository.told import from_json


def main() -> None:
    """Take a version from standard input, and write what came of it, as `checking.Checked`."""
    told = json.load(sys.stdin)
    # What the model prints is for people: it goes where errors go.
    answer = os.dup(1)
    os.dup2(2, 1)
    checked = run(from_json(told["version"]), told["threads"])
    with os.fdopen(answer, "wb") as file:
        pickle.dump(checked, file)


if __name__ == "__main__":
    main()
