"""What a model forks: a process that holds nothing of the server's, and leads no lane's life.

A fork copies every descriptor. A server whose sockets live on in a child keeps its ports when it
has ended, and nobody hears that a host has died; and signals for the child reach the server through
the socket that Python's handlers write to.
"""

import os
import signal
import socket
import stat
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import local
from typing import Any, Final

#: Input and output stay: what a child prints should be read.
STANDARD: Final = 2
ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})

#: A socket's own address: a path, or host and port.
Name = str | bytes | tuple[str, int]

#: True in a process that a model forked; read once a batch.
child = False


@dataclass(frozen=True)
class Ours:
    """What belongs to the server, as it was before any model was loaded."""

    #: Descriptor and inode: a number alone is given again once it is closed.
    files: frozenset[tuple[int, int]]
    #: What we listen on. A connection that is accepted later has the same name.
    names: frozenset[Name]
    #: Of signals that this process handles otherwise.
    handlers: Mapping[int, Any]
    #: The mask of each thread that is about to fork.
    masks: local = field(default_factory=local)


def guard(locks: Collection[int] = (), handlers: Mapping[int, Any] | None = None) -> None:
    """Keep what is open now from the processes that models will fork; called once, before them.

    Args:
        locks: descriptors of lock files: a lock lasts until the last of its holders is gone.
        handlers: what a child shall do with signals that this process handles otherwise.
    """
    files, names = set(), set()
    for descriptor, inode, is_socket in _open_files():
        if is_socket:
            files.add((descriptor, inode))
            # Another thread may close one meanwhile.
            with suppress(OSError), _borrowed(descriptor) as one:
                # Nor shall programs have it that a model starts; Ray leaves some of its own open.
                one.set_inheritable(False)
                if (name := _name(one)) and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    names.add(name)
        elif descriptor in locks:
            files.add((descriptor, inode))
    ours = Ours(frozenset(files), frozenset(names), handlers or {})
    os.register_at_fork(
        before=lambda: _hold_signals(ours),
        after_in_parent=lambda: _let_signals(ours),
        after_in_child=lambda: _become_child(ours),
    )


def end_child(label: str) -> None:
    """End this process if a model forked it: it came back to a lane, whose batch is its parent's.

    Called where a model returns to us; elsewhere than in a child it does nothing.
    """
    if not child:
        return
    error = sys.exception()
    text = "".join(traceback.format_exception(error)) if error is not None else ""
    text += f"headrace: a process that {label} forked came back from it, and ends: write os._exit()"
    with suppress(OSError):
        os.write(STANDARD, f"{text}\n".encode(errors="backslashreplace"))
    os._exit(0 if error is None else 1)


@contextmanager
def parent_alone(label: str) -> Iterator[None]:
    """Call a model; only the process that began this comes out of it."""
    try:
        yield
    finally:
        end_child(label)


def is_listened_on(name: Name, listening: Collection[Name]) -> bool:
    """True for the own name of a connection that one of those listeners accepted."""
    if name in listening:
        return True
    if not isinstance(name, tuple):
        return False
    return any((host, name[1]) in listening for host in ANY_ADDRESS)


def _hold_signals(ours: Ours) -> None:
    # One that comes to a child before it has handlers of its own would count as the server's.
    if ours.handlers:
        ours.masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, ours.handlers)


def _let_signals(ours: Ours) -> None:
    if ours.handlers:
        signal.pthread_sigmask(signal.SIG_SETMASK, ours.masks.before)


def _become_child(ours: Ours) -> None:
    global child
    child = True
    if ours.handlers:
        signal.set_wakeup_fd(-1)
        for number, handler in ours.handlers.items():
            signal.signal(number, handler)
    # Not closed: objects that know the number would write to whatever is opened next.
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor, inode, is_socket in _open_files():
        mine = (descriptor, inode) in ours.files
        if not mine and is_socket:
            with _borrowed(descriptor) as one:
                mine = is_listened_on(_name(one), ours.names)
        if mine:
            os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)
    _let_signals(ours)


def _open_files() -> Iterator[tuple[int, int, bool]]:
    """Yield descriptor, inode and whether it is a socket, of all beyond the standard ones."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a path for each of ten thousand
        descriptor = int(name)
        # The one of the folder itself is gone by now.
        with suppress(OSError):
            found = os.fstat(descriptor)
            if descriptor > STANDARD:
                yield descriptor, found.st_ino, stat.S_ISSOCK(found.st_mode)


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Lend a socket's methods to a descriptor that somebody else owns."""
    one = socket.socket(fileno=descriptor)
    try:
        yield one
    finally:
        one.detach()


def _name(one: socket.socket) -> Name:
    """Return a socket's own address; empty for one without, and for kinds that we have none of."""
    with suppress(OSError):
        if one.family == socket.AF_UNIX:
            path: str | bytes = one.getsockname()
            return path
        if one.family in (socket.AF_INET, socket.AF_INET6):
            host, port = one.getsockname()[:2]
            return (host, port)
    return ""
