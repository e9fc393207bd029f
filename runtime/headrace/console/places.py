"""Who may be connected to the console."""

from typing import Protocol


class Connection(Protocol):
    """What holds a place."""

    def abort(self) -> None:
        """End it, whatever is still to be sent."""
        ...


class Places:
    """So many connections; who says nothing makes room for who comes. One thread calls these."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        #: Those without a whole request, longest first.
        self._silent: dict[Connection, None] = {}

    def enter(self, connection: Connection) -> bool:
        """Take a place, of the one that has been silent longest if there is no other.

        False when all are being answered.
        """
        if len(self._open) >= self._most:
            oldest = next(iter(self._silent), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.abort()
        self._open.add(connection)
        self._silent[connection] = None
        return True

    def asks(self, connection: Connection) -> None:
        """Note that a connection has a request to be answered."""
        self._silent.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Note that a connection has been answered."""
        if connection in self._open:
            self._silent[connection] = None

    def leave(self, connection: Connection) -> None:
        """Give the place back."""
        self._open.discard(connection)
        self._silent.pop(connection, None)
