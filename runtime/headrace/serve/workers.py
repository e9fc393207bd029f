"""Ray's worker processes: what each is, and one more that is kept ready for the next host."""

import contextlib
from pathlib import Path
from typing import Final

#: What the kernel calls the process of Serve's controller, and one that waits for an actor.
CONTROLLER: Final = "ray::ServeContr"
IDLE: Final = "ray::IDLE"
#: The program of each until it has such a name.
BEGINS: Final = b"default_worker.py"
#: What a host and a gateway import before they begin: with what Ray's own worker needs it is nearly
#: all of the time that their processes take to start.
PRELOADED: Final = ("ray.serve._private.replica", "headrace.serve.host")
#: How long one may wait for an actor, in seconds: for as long as a run lasts.
KEPT_S: Final = 10 * 365 * 24 * 3600
#: For the raylet's answer, which says only that it begins.
ANSWER_S: Final = 5.0


def controller(raylet_pid: int) -> int | None:
    """Return the process of Serve's controller; None while there is none."""
    return next((pid for pid in _children(raylet_pid) if _name(pid) == CONTROLLER), None)


def waiting(raylet_pid: int) -> int:
    """Return how many wait for an actor, or begin to; asked when no actor is on its way."""
    return sum(_name(pid) == IDLE or BEGINS in _program(pid) for pid in _children(raylet_pid))


def begin_more(count: int) -> None:
    """Have the raylet of this process's node start workers that wait for an actor.

    One that does not answer is as good as gone, and nobody waits for what it would have started.
    """
    import grpc
    import ray
    from ray._private.grpc_utils import init_grpc_channel

    # Without type stubs.
    from ray.core.generated import common_pb2, node_manager_pb2, node_manager_pb2_grpc

    asked = node_manager_pb2.PrestartWorkersRequest(
        language=common_pb2.PYTHON, keep_alive_duration_secs=KEPT_S, num_workers=count
    )
    (node,) = ray.nodes()
    address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
    with contextlib.suppress(grpc.RpcError), init_grpc_channel(address) as channel:
        stub = node_manager_pb2_grpc.NodeManagerServiceStub(channel)
        stub.PrestartWorkers(asked, timeout=ANSWER_S)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _program(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
