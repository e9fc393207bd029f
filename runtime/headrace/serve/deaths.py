"""How the hosts of a group ended, and how soon the next one may begin. Pure.

Ray says no more than that a process is gone. What is known comes from the process's own last words,
and from the kernel's count of those that it killed for want of memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

#: Python's handler of fatal signals begins with it; what follows names the signal.
FATAL: Final = "Fatal Python error: "
#: The core's, of a model that hangs or has lost its device; it ends before the colon.
HUNG: Final = "headrace host: model "
ENDED: Final = ("did not return", "lost its device")
#: Nobody said anything: SIGKILL, or os._exit and its like.
SILENT: Final = "it ended without a word: killed, or by the model's own code"
NO_MEMORY: Final = "the kernel killed it for want of memory"

#: Deaths that are older do not slow a group down.
WINDOW_S: Final = 600.0
#: So many within the window bring no pause: an input that kills costs two hosts, and is refused.
FREE: Final = 2
LONGEST_PAUSE_S: Final = 60.0
#: Deaths that are remembered, of each group; with the longest pause no more fit into the window.
KEPT: Final = 32


@dataclass(frozen=True)
class Death:
    """A host that ended without being asked to."""

    #: 0: another server's, of which none is known.
    pid: int
    #: Seconds on the run's own clock, and milliseconds since 1970.
    at: float
    unix_ms: int
    why: str

    def __str__(self) -> str:
        return f"at {datetime.fromtimestamp(self.unix_ms / 1000):%H:%M:%S}: {self.why}"


@dataclass(frozen=True)
class Record:
    """All that is known of a group's dead."""

    #: The newest last.
    deaths: tuple[Death, ...] = ()
    #: All there ever were.
    count: int = 0
    #: Last words of processes that are not known to be gone.
    words: Mapping[int, str] = field(default_factory=dict)


#: Of a group whose hosts all live.
NONE: Final = Record()


def last_words(text: str) -> str | None:
    """Return what a line of a host's output says of its end; None if it says nothing of it."""
    if text.startswith(FATAL):
        return f"{text.removeprefix(FATAL)}; the log has where"
    if text.startswith(HUNG) and any(words in text for words in ENDED):
        return text.removeprefix("headrace host: ").partition(":")[0]
    return None


def heard(record: Record, pid: int, why: str) -> Record:
    """Return what is known after a process's last words: the first of them are the cause."""
    if pid in record.words:
        return record
    late = [death.pid for death in record.deaths]
    if pid not in late:
        # Few speak and live: the bound is for one that prints such words for fun.
        words = dict(list(record.words.items())[-KEPT:])
        return replace(record, words={**words, pid: why})
    deaths = tuple(
        replace(death, why=why) if death.pid == pid and death.why == SILENT else death
        for death in record.deaths
    )
    return replace(record, deaths=deaths)


def died(record: Record, pid: int, at: float, unix_ms: int, *, no_memory: bool) -> Record:
    """Return what is known after a process ended that nobody had asked to.

    ``no_memory``: the kernel has killed some process for want of memory since the last look.
    """
    words = dict(record.words)
    why = words.pop(pid, NO_MEMORY if no_memory else SILENT)
    deaths = (*record.deaths, Death(pid, at, unix_ms, why))[-KEPT:]
    return Record(deaths, record.count + 1, words)


def lost(record: Record, at: float, unix_ms: int, why: str) -> Record:
    """Return what is known after a server was lost that no process of ours is."""
    deaths = (*record.deaths, Death(0, at, unix_ms, why))[-KEPT:]
    return replace(record, deaths=deaths, count=record.count + 1)


def recent(record: Record, now: float) -> int:
    """Return how many died within the window."""
    return sum(now - death.at < WINDOW_S for death in record.deaths)


def pause_s(record: Record, now: float) -> float:
    """Return how long the next host is to wait before it loads: 1 s after the third, then twice."""
    many = recent(record, now)
    if many <= FREE:
        return 0.0
    pause = min(2.0 ** (many - FREE - 1), LONGEST_PAUSE_S)
    return max(0.0, record.deaths[-1].at + pause - now)
