"""What is looked at after every attack."""

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.attacks import process
from tests.attacks.catalogue import Attack
from tests.attacks.http1 import Reply
from tests.attacks.target import Target

#: MiB that a server may hold more once an attack is over.
MOST_LEFT_MIB: Final = 300
#: What was opened for attackers is closed, and what was taken is given back, within it.
SETTLE_S: Final = 15.0


@dataclass(frozen=True)
class Verdict:
    """How a server stood an attack."""

    #: Memory that it took more, at the height of the attack and afterwards.
    peak_mib: int = 0
    left_mib: int = 0
    #: It is the process that it was.
    lives: bool = True
    #: A good request over each protocol is answered well and at once.
    serves: bool = True
    #: All else that is wrong.
    wrong: tuple[str, ...] = ()

    @property
    def stood(self) -> bool:
        """Return whether nothing is wrong."""
        return self.lives and self.serves and not self.wrong


def judge(target: Target, attack: Attack) -> Verdict:
    """Run an attack and look what it did to the server."""
    target.well(limit_s=10)
    files, memory = process.open_files(target.pid), target.memory_mib()
    target.seen.clear()
    process.forget_peak(target.pid)
    wrong = []
    try:
        attack.run(target)
    except (AssertionError, OSError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        wrong.append(f"{type(error).__name__} {error} ({where.name}: {where.line})")
    if not target.lives():
        return Verdict(lives=False, serves=_fault(target) is None, wrong=tuple(wrong))
    peak = process.peak_mib(target.pid) - memory
    fault = _fault(target)
    wrong += [fault] if fault else []
    wrong += _bodies(target.seen)
    opened = 0
    if not process.until(lambda: process.open_files(target.pid) <= files, SETTLE_S):
        opened = process.open_files(target.pid) - files
    # It is asked nothing meanwhile: an allocator may give pages back only while it is at work.
    process.until(lambda: target.memory_mib() - memory < MOST_LEFT_MIB, SETTLE_S)
    left = target.memory_mib() - memory
    if not target.lives():  # it may die while it settles
        return Verdict(peak, lives=False, serves=_fault(target) is None, wrong=tuple(wrong))
    if opened:
        wrong.append(f"{opened} files are still open")
    if left >= MOST_LEFT_MIB:
        wrong.append(f"{left} MiB more are held afterwards")
    if peak >= attack.peak_mib:
        wrong.append(f"{peak} MiB more were held at once")
    return Verdict(peak, left, lives=True, serves=fault is None, wrong=tuple(wrong))


def _fault(target: Target) -> str | None:
    try:
        target.well()
    except AssertionError as error:
        return f"a good request is not answered well: {error}"
    return None


def _bodies(seen: Sequence[Reply]) -> list[str]:
    """Return what errors do not say as the protocol has it: `{"error": …}`."""
    wrong = []
    for reply in seen:
        if reply.status >= 400 and reply.body and not _is_error(reply.body):
            wrong.append(f"an error has another body: {reply}")
    return wrong[:3]


def _is_error(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and list(said) == ["error"] and isinstance(said["error"], str)
