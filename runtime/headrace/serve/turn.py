"""Whose turn it is to serve on this node: a file lock, freed by the kernel with its holder."""

import asyncio
import fcntl
import os
import threading
from pathlib import Path
from typing import Final

#: Written by the run's process when all of it ends: nobody is to follow who has the turn.
ENDED: Final = b"ended"


def forbid(path: Path) -> None:
    """Let nobody's turn come any more."""
    path.write_bytes(ENDED)


class Turn:
    """A wait for a lock, as long as it takes, that an event loop can await."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._left = False

    async def come(self) -> bool:
        """Wait for the turn; False if this process has left, or everything ends."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()

        def wait() -> None:
            # A thread of its own, and a daemon: nothing can interrupt this, and nothing has to.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            loop.call_soon_threadsafe(came.set)

        threading.Thread(target=wait, name="turn", daemon=True).start()
        await came.wait()
        if self._left:
            self.leave()
        return not self._left and os.pread(self._file, len(ENDED), 0) != ENDED

    def leave(self) -> None:
        """Let the next one have its turn, now or as soon as this one's has come."""
        self._left = True
        fcntl.flock(self._file, fcntl.LOCK_UN)
