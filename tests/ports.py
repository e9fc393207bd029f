"""Ports for servers of tests, which no other process of tests on this machine chooses."""

import socket
from typing import Final

#: What a server takes, and some beside it.
LANE: Final = 10
#: None that the kernel gives to clients: who asks there before a server listens may be connected to
#: itself.
FIRST, END = 20_000, 32_700

#: Of the lanes of this process, for as long as it lives: a name that one process can have.
_claims: list[socket.socket] = []


def free_ports() -> int:
    """Return the first of ten neighbouring ports that are free now, and are nobody else's.

    Raises:
        RuntimeError: there are none.
    """
    for first in range(FIRST, END, LANE):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0headrace-test-ports-{first}")
        except OSError:
            claim.close()
            continue
        if _is_free(first):
            _claims.append(claim)
            return first
        claim.close()
    raise RuntimeError(f"no ten free ports from {FIRST} to {END}")


def _is_free(first: int) -> bool:
    listeners = []
    try:
        for port in range(first, first + LANE):
            listeners.append(socket.socket())
            listeners[-1].bind(("127.0.0.1", port))
    except OSError:
        return False
    finally:
        for one in listeners:
            one.close()
    return True
