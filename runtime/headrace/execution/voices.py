"""What models print, line by line, with the name of who printed it."""

import io
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO, Any, Final

from headrace.execution import forking
from headrace.repository.instances import shown

#: A line without an end is cut here.
MOST_CHARACTERS: Final = 8192
#: Lines that are begun and not ended: a thread may end without ending its own.
MOST_BEGUN: Final = 64
#: Of one line's text. As JSON, where a character may take twelve bytes, it is less than an event of
#: a replica may have.
MOST_TEXT: Final = 32 << 10
#: All but the tab and the end of a line.
CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: Who speaks when no model does.
OURSELVES: Final = "headrace"

_speaker: ContextVar[str] = ContextVar("headrace_speaker", default="")


@dataclass(frozen=True)
class Line:
    """A line of the log; a traceback is one of many lines of text."""

    unix_ms: int
    #: Such as ``photos/1``, or ``headrace``.
    speaker: str
    #: ``out`` and ``err`` are what a model printed, ``log`` is its logger or ours.
    stream: str
    text: str
    #: The id that the caller was told, where there is one.
    error: str = ""

    def facts(self) -> dict[str, Any]:
        """Return it as JSON takes it; `dataclasses.asdict` is half of what a line costs."""
        return dict(vars(self))


Sink = Callable[[Line], None]


def line(speaker: str, stream: str, text: str, error: str = "") -> Line:
    """Return a line of now, of text that can be written and that has its bound."""
    return Line(time.time_ns() // 1_000_000, legible(shown(speaker)), stream, bounded(text), error)


def legible(text: str) -> str:
    """Return text that UTF-8 can carry: half a surrogate pair becomes its escape.

    Neither a file nor the core takes one, and names of files and models' texts may have it.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def visible(text: str) -> str:
    """Return text for a terminal: what would move its cursor or ring its bell becomes an escape.

    Models' words, and so their callers', may hold what makes a terminal hide or fake lines.
    """
    return CONTROLS.sub(lambda one: f"\\x{ord(one[0]):02x}", text)


def bounded(text: str, most: int = MOST_TEXT) -> str:
    """Return legible text of about ``most`` characters: the begin, and more of the end.

    A traceback says at its end what went wrong.
    """
    if len(text) > most:
        begin, end = most // 4, most - most // 4
        left_out = len(text) - most
        text = f"{text[:begin]}\n[… {left_out} characters …]\n{text[-end:]}"
    return legible(text)


def text_of(error: BaseException) -> str:
    """Return what an exception says; its class is a model's, and saying it may itself fail."""
    try:
        return legible(str(error))
    except BaseException as second:
        return f"[its text raised {type(second).__name__}]"


@contextmanager
def speaking(label: str) -> Iterator[None]:
    """Give what this thread prints meanwhile to ``label``."""
    token = _speaker.set(label)
    try:
        yield
    finally:
        _speaker.reset(token)


class Voice(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr``; gives whole lines to a sink."""

    def __init__(self, stream: str, replaced: IO[str], sink: Sink, alone: str = OURSELVES) -> None:
        self._stream = stream
        self._replaced = replaced
        self._sink = sink
        # A thread that a model starts itself has no speaker; with one version it is clear.
        self._alone = alone
        self._lock = threading.Lock()
        self._begun: dict[tuple[int, str], str] = {}
        self._of_child: IO[str] | None = None

    def write(self, text: str) -> int:
        if forking.child:
            return self._in_child().write(text)
        speaker = _speaker.get() or self._alone
        key = (threading.get_ident(), speaker)
        given_up: list[tuple[str, str]] = []
        with self._lock:
            *whole, rest = (self._begun.pop(key, "") + text).split("\n")
            if len(rest) > MOST_CHARACTERS:
                cuts = range(0, len(rest), MOST_CHARACTERS)
                *ended, rest = (rest[at : at + MOST_CHARACTERS] for at in cuts)
                whole += ended
            if rest:
                # Of what a progress bar paints over itself only the last state is kept.
                self._begun[key] = rest.rpartition("\r")[2] if "\r" in rest[:-1] else rest
            while len(self._begun) > MOST_BEGUN:
                oldest = next(iter(self._begun))
                given_up.append((oldest[1], self._begun.pop(oldest)))
        for who, one in [*given_up, *((speaker, one) for one in whole)]:
            self._sink(line(who, self._stream, one.rpartition("\r")[2].rstrip("\r") or one))
        return len(text)

    def flush(self) -> None:
        """Do nothing, but in a child: lines go as they end."""
        if forking.child:
            self._in_child().flush()

    def finish(self) -> None:
        """Give away lines that were begun and not ended."""
        with self._lock:
            begun, self._begun = self._begun, {}
        for (_, speaker), text in begun.items():
            self._sink(line(speaker, self._stream, text))

    def _in_child(self) -> IO[str]:
        """Return what a process that a model forked writes to: the descriptor.

        The sink's locks may have been held as it was forked, and its threads are not here.
        """
        if self._of_child is None:
            number = {"out": 1, "err": 2}[self._stream]
            self._of_child = open(  # noqa: SIM115 - a descriptor, which stays open
                number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
            )
        return self._of_child

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._replaced.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> Any:
        """Bytes written here go past us, unprefixed."""
        return self._replaced.buffer  # type: ignore[attr-defined]


@contextmanager
def captured(sink: Sink, alone: str = OURSELVES) -> Iterator[None]:
    """Send to ``sink`` what the process prints and what models log, by lines.

    Args:
        sink: called from any thread; it must not print.
        alone: who prints when it is not known; the version's label in a process that has one.
    """
    import logging

    class Logged(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _, _, name = record.name.partition("headrace.model.")
            model, _, version = name.rpartition(".")
            try:
                text = self.format(record)
            except Exception as error:
                # A wrong format string is no reason to fail the call that logged with it.
                place = f"{record.pathname}:{record.lineno}"
                text = f"[cannot be formatted: {type(error).__name__}: {text_of(error)}; {place}]"
            if forking.child:
                voices[1].write(f"{record.levelname} {text}\n")
                return
            sink(line(f"{model}/{version}", "log", f"{record.levelname} {text}"))

    out, err = sys.stdout, sys.stderr
    voices = Voice("out", out, sink, alone), Voice("err", err, sink, alone)
    handler = Logged()
    logger = logging.getLogger("headrace.model")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    sys.stdout, sys.stderr = voices
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
        logger.removeHandler(handler)
        logger.propagate = True
        for voice in voices:
            voice.finish()
