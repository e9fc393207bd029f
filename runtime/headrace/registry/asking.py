"""Our end of the process in which MLflow, or an object store, is asked."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from tempfile import TemporaryFile
from typing import Any, Final

from headrace.errors import SourceAway, SourceInvalid
from headrace.registry.redacting import without_secrets

#: What answers; `-P` keeps what lies in the working folder from being taken for a library.
COMMAND: Final = (sys.executable, "-P", "-m", "headrace.registry.answering")
#: Of the end of what it printed, where it ended without an answer.
MOST_SHOWN: Final = 4000


def ask(
    question: Mapping[str, Any],
    say: Callable[[str], None],
    *,
    within_s: float | None = None,
    begun: Callable[[Callable[[], None]], None] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Any:
    """Return what the process answers; ``say`` hears how far it is.

    Args:
        question: as `headrace.registry.answering` reads it.
        say: tells people.
        within_s: after so long it is ended; None waits for as long as it works.
        begun: is given what ends it at once, for who may have no more use for the answer.
        environ: of the process; None is this one's.

    Raises:
        SourceInvalid: what it says is wrong.
        SourceAway: what it asked gives no answer, or it ended without a word.
    """
    with (
        TemporaryFile() as printed,
        subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            text=True,
            env=environ,
        ) as process,
    ):
        limit = threading.Timer(within_s, process.kill) if within_s is not None else None
        if limit is not None:
            limit.start()
        try:
            if begun is not None:
                begun(process.kill)
            told = _answer(process, question, say)
        finally:
            # Done, or of no more use: whoever is interrupted leaves nothing behind.
            process.kill()
            if limit is not None:
                limit.cancel()
        if told is None:
            printed.seek(0)
            tail = without_secrets(
                printed.read()[-MOST_SHOWN:].decode(errors="replace").strip(),
                os.environ if environ is None else environ,
                question.get("place", {}).values(),
            )
            raise SourceAway(
                f"{question['of']} gave no answer{_limit(within_s)}: is it up? There was printed: "
                f"{tail or 'nothing'}"
            )
    if "error" in told:
        raise (SourceAway if told["is_away"] else SourceInvalid)(told["error"])
    return told["answer"]


def _answer(
    process: "subprocess.Popen[str]", question: Mapping[str, Any], say: Callable[[str], None]
) -> Mapping[str, Any] | None:
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process has no pipes")
    try:
        process.stdin.write(json.dumps({**question, "asker": os.getpid()}))
        process.stdin.close()
    except BrokenPipeError:
        return None
    for line in process.stdout:
        told: Mapping[str, Any] = json.loads(line)
        if "said" not in told:
            return told
        say(told["said"])
    return None


def _limit(within_s: float | None) -> str:
    return "" if within_s is None else f" within {within_s:g} s"
