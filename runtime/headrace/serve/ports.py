"""Whether the addresses that a run needs are free."""

import errno
import socket
from collections.abc import Iterable

from headrace.console.port_owner import owner_of
from headrace.errors import PortTaken


def require_free(addresses: Iterable[str]) -> None:
    """Check that every `host:port` can be bound now; port 0 always can.

    Asked before anything is started, because starting Ray to find a taken port costs seconds.

    Raises:
        PortTaken: one is in use, or not an address of this machine.
    """
    for address in addresses:
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the servers themselves: connections of an earlier run in TIME_WAIT are no
            # hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), int(port)))
            except OSError as error:
                held = owner_of(int(port)) if error.errno == errno.EADDRINUSE else ""
                raise PortTaken(
                    f"cannot listen on {address}: {error.strerror}{held}; "
                    "`--ports N` moves all four ports"
                ) from error
