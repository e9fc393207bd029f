"""Whose turn it is to serve on this node: a file lock, freed by the kernel with its holder."""

import asyncio
import fcntl
import os
import threading
from pathlib import Path
from typing import Final

#: Written by a holder that ends on purpose: nobody is to follow it.
ENDED: Final = b"ended"


class Turn:
    """A wait for a lock, as long as it takes, that an event loop can await."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._ending = False

    async def come(self) -> bool:
        """Wait for the turn; False if the holder before, or this process, ended on purpose."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()

        def wait() -> None:
            # A thread of its own, and a daemon: nothing can interrupt this, and nothing has to.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            loop.call_soon_threadsafe(came.set)

        threading.Thread(target=wait, name="turn", daemon=True).start()
        await came.wait()
        return not self._ending and os.pread(self._file, len(ENDED), 0) != ENDED

    def end(self) -> None:
        """Say that this process ends on purpose, and that nobody is to follow it."""
        self._ending = True
        os.pwrite(self._file, ENDED, 0)
