"""Who may be connected to the console."""

import contextlib
import socket
import threading


class Places:
    """So many connections, each with a thread; who says nothing makes room for who comes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        #: Those without a whole request, longest first.
        self._silent: dict[socket.socket, None] = {}

    def enter(self, connection: socket.socket) -> bool:
        """Take a place, of the one that has been silent longest if there is no other.

        False when all are being answered.
        """
        with self._lock:
            if len(self._open) >= self._most:
                oldest = next(iter(self._silent), None)
                if oldest is None:
                    return False
                self._forget(oldest)
                with contextlib.suppress(OSError):
                    # Wakes its thread, which closes it.
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open.add(connection)
            self._silent[connection] = None
            return True

    def asks(self, connection: socket.socket) -> None:
        """Note that a connection has a request to be answered."""
        with self._lock:
            self._silent.pop(connection, None)

    def waits(self, connection: socket.socket) -> None:
        """Note that a connection has been answered."""
        with self._lock:
            if connection in self._open:
                self._silent[connection] = None

    def leave(self, connection: socket.socket) -> None:
        """Give the place back."""
        with self._lock:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        self._silent.pop(connection, None)
