"""More connections than there is room for."""

import resource
from contextlib import ExitStack

from tests.attacks import messages, process
from tests.attacks.catalogue import attack
from tests.attacks.doors import doors, look
from tests.attacks.http1 import Line, connect
from tests.attacks.slowness import sources
from tests.attacks.target import Target


@attack(peak_mib=700)
def connections_beyond_the_cap(target: Target) -> None:
    """All connections that a port takes, and two hundred more."""
    most = target.most_connections
    for port in (target.port, target.grpc_port):
        with ExitStack() as stack:
            for source in sources(target, most):
                stack.enter_context(Line((target.host, port), target.seen, 10, source))
            for _ in range(200):
                stack.enter_context(Line((target.host, port), target.seen, 2))
            if target.strict:
                target.well()  # who says nothing makes room
        assert process.until(lambda: process.open_files(target.pid) < most // 2 + 100, 10)
        target.well()


@attack()
def connections_beyond_the_files(target: Target) -> None:
    """Silent connections to each port, more than the server may open files if those are few."""
    most, _ = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        for port in (target.port, target.grpc_port):
            for _ in range(min(most, 400)):
                stack.enter_context(target.door(port))
        for port, path in doors(target):
            look(target, port, path)
        target.well()


@attack()
def out_of_descriptors(target: Target) -> None:
    """A server that may open thirty files more, and two hundred connections."""
    allowed = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
    now = process.open_files(target.pid)
    for port in (target.port, target.grpc_port, target.metrics_port):
        held = []
        try:
            resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (now + 30, allowed[1]))
            held = [connect((target.host, port), 10) for _ in range(200)]
            for one in held:
                one.sendall(messages.LIVE[:10])
            process.until(lambda: process.open_files(target.pid) >= now + 30, 2)
        finally:
            for one in held:
                one.close()
            resource.prlimit(target.pid, resource.RLIMIT_NOFILE, allowed)
        assert process.until(lambda: process.open_files(target.pid) <= now + 30, 10)
        target.well(limit_s=2)
