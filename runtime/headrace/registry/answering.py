"""The process in which MLflow and object stores are asked, and which ends with its answer.

It reads one question from its standard input and writes lines of JSON to its output: any number
with ``said``, and then one with ``answer`` or ``error``.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.errors import SourceAway, SourceInvalid
from headrace.registry.redacting import without_secrets

#: What a question is ``of``.
MLFLOW: Final = "MLflow's registry"
STORE: Final = "the object store"
PR_SET_PDEATHSIG: Final = 1


def answer(question: Mapping[str, Any], say: Callable[[str], None]) -> Mapping[str, Any]:
    """Return the answer to a question, or why there is none; ``say`` is told of progress."""
    try:
        # Each brings a library that the other has no use for.
        if question["of"] == MLFLOW:
            from headrace.registry import child

            return {"answer": child.answer(question, say)}
        from headrace.registry import store

        return {"answer": store.answer(question, say)}
    except SourceInvalid as error:
        text = without_secrets(str(error), os.environ, question.get("place", {}).values())
        return {"error": text, "is_away": isinstance(error, SourceAway)}


def main() -> None:
    """Answer the question on standard input; what libraries print goes to standard error."""
    # Whoever asks next must not find that this one still writes.
    _die_with_parent()
    question = json.load(sys.stdin)
    if os.getppid() != question["asker"]:
        return  # it was gone before the kernel knew
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as told:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def tell(what: Mapping[str, Any]) -> None:
            print(json.dumps(what), file=told, flush=True)

        tell(answer(question, lambda text: tell({"said": text})))


def _die_with_parent() -> None:
    # The keeper of `headrace.serve` has the same; it is a script that imports nothing of ours.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG failed")


if __name__ == "__main__":
    main()
