"""The console's socket, from before anything answers on it until nothing does."""

import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from headrace.console.port_owner import owner_of
from headrace.console.sources import Sources
from headrace.console.token import Token
from headrace.errors import PortTaken
from headrace.execution.voices import OURSELVES, line

if TYPE_CHECKING:
    from headrace.console.listening import Listening

#: Connections that the kernel keeps for us while they come faster than we look.
BACKLOG: Final = 512
#: A client whose machine is gone is noticed by the kernel: after so long, asking so often.
KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 60,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: 3,
}


class Console:
    """Answers operators over HTTP."""

    def __init__(self, host: str, port: int, sources: Sources, token: Token | None = None) -> None:
        """Bind and listen, without answering yet; with a ``token`` requests have to bring it.

        Raises:
            PortTaken: somebody else listens there.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._host, self._sources, self._token = host, sources, token
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Connections inherit this.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE.items():
                self._listener.setsockopt(socket.IPPROTO_TCP, option, value)
            self._listener.bind((host, port))
            self._listener.listen(BACKLOG)
        except OSError as error:
            self._listener.close()
            raise PortTaken(
                f"cannot listen on {host}:{port}: {error.strerror}{owner_of(port)}; "
                "`--ports N` moves all four ports"
            ) from error
        self._lock = threading.Lock()
        self._closed = False
        self._listening: Listening | None = None
        self._thread = threading.Thread(target=self._serve, name="console", daemon=True)

    def start(self) -> None:
        """Answer from now on, from threads of its own; who came before has waited in the kernel.

        Rollouts go on, too.
        """
        if self._token is not None:
            told = f"the console asks for the token in {self._token.file}"
            self._sources.logbook.take(line(OURSELVES, "out", told))
        self._sources.rollouts.open()
        self._sources.drift.open()
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, end those that there are, and decide nothing more."""
        self._sources.rollouts.close()
        self._sources.drift.close()
        with self._lock:
            self._closed = True
            if self._listening is not None:
                self._listening.stop()
            else:
                with suppress(OSError):
                    # Wakes the thread, which waits for the first connection.
                    self._listener.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        arrival = select.poll()
        arrival.register(self._listener, select.POLLIN)
        arrival.poll()
        if self._closed:
            return
        # Now, for they take 400 ms and 13 MiB: a server is ready before, if nobody asks meanwhile.
        from headrace.console.following import Followers
        from headrace.console.listening import Listening
        from headrace.console.looking import Looking
        from headrace.console.routes import application

        with self._lock:
            if self._closed:
                return
            followers = Followers(self._sources.controller.events, Looking(self._sources))
            app = application(self._sources, self._host, followers, self._token)
            self._listening = Listening(app, self._listener, followers.end)
        self._listening.serve_until_stopped()
