"""What Ray does not promise, here and in workers.py; test_ray_contract.py holds it to 2.60.

Why each is worth it, measured on two busy cores from nothing to the first replica: `ray.init()` 11
s; the head node below 5 s, two thirds of Ray's processes less and 450 MB.
"""

import asyncio
import importlib
import logging
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: The releases that the contract tests were run with.
HOLDS_FOR: Final = ("2.60.0",)

#: The process without which Ray's part of a process ends it; read when ray is imported.
RAYLET_PID: Final = "RAY_RAYLET_PID"

#: A file that says "this service is not used", as Ray's own minimal installation writes it.
NOT_USED: Final = -1


@dataclass(frozen=True)
class Head:
    """A head node that runs: where its GCS answers, and the two processes that are all of it."""

    address: str
    gcs_pid: int
    raylet_pid: int


@dataclass(frozen=True)
class HeadOptions:
    """Where a head node keeps its things, and what it may hand out."""

    ip: str
    temp: Path
    sockets: Path
    cpus: int
    gpus: int | None
    object_store_bytes: int = 80 << 20


def start_head(options: HeadOptions) -> Head:
    """Start a GCS and a raylet, and nothing else; the kernel kills them with this process.

    Ray starts four more Python processes on every head: dashboard, dashboard agent, runtime
    environment agent and autoscaler monitor. The raylet waits for the agents' ports (5 s), and
    dies with them: `agent.py` stands for one, and for the other a process that does nothing until
    its input ends, which the raylet holds, with ports that are declared unused as in an
    installation without the dashboard.
    """
    import ray._private.node as node
    import ray._private.services as services
    from ray._private.parameter import RayParams

    # Its type stubs leave these out.
    raylet: Any = importlib.import_module("ray._raylet")
    agent_port = _free_port()
    agent = [sys.executable, _beside("worker.py"), "-I", "-S", _beside("agent.py")]
    instead = {
        "--dashboard_agent_command": shutil.which("cat") or "/bin/cat",
        "--runtime_env_agent_command": subprocess.list2cmdline(
            [*agent, options.ip, str(agent_port)]
        ),
    }
    start_process: Callable[..., Any] = services.start_ray_process

    class QuietHead(node.Node):  # type: ignore[misc]
        def start_api_server(
            self, *, include_dashboard: bool | None, raise_on_failure: bool
        ) -> None:
            self._webui_url = ""

        def start_raylet(self, *args: Any, **kwargs: Any) -> None:
            for name in (
                raylet.METRICS_AGENT_PORT_NAME,
                raylet.METRICS_EXPORT_PORT_NAME,
                raylet.DASHBOARD_AGENT_LISTEN_PORT_NAME,
            ):
                raylet.persist_port(self._session_dir, self._node_id, name, NOT_USED)
            answers = raylet.RUNTIME_ENV_AGENT_PORT_NAME
            raylet.persist_port(self._session_dir, self._node_id, answers, agent_port)
            services.start_ray_process = without_agents
            try:
                super().start_raylet(*args, **kwargs)
            finally:
                services.start_ray_process = start_process

    def without_agents(command: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        kept = [part.partition("=")[0] for part in command]
        replaced = [
            f"{flag}={instead[flag]}" if flag in instead else part
            for flag, part in zip(kept, command, strict=True)
        ]
        return start_process(replaced, *args, **kwargs)

    head = QuietHead(
        RayParams(
            node_ip_address=options.ip,
            # Chosen here: a GCS that chooses for itself chooses anew when the keeper restarts it.
            gcs_server_port=_free_port(),
            num_cpus=options.cpus,
            num_gpus=options.gpus,
            object_store_memory=options.object_store_bytes,
            temp_dir=str(options.temp),
            plasma_store_socket_name=str(options.sockets / "plasma"),
            raylet_socket_name=str(options.sockets / "raylet"),
            setup_worker_path=_beside("worker.py"),
            include_dashboard=False,
            include_log_monitor=False,
            no_monitor=True,
        ),
        head=True,
        shutdown_at_exit=False,
        # On Linux no process: PR_SET_PDEATHSIG in those that are started.
        spawn_reaper=True,
    )
    return Head(
        address=head.address,
        gcs_pid=_pid(head, "gcs_server"),
        raylet_pid=_pid(head, "raylet"),
    )


def _beside(program: str) -> str:
    return str(Path(__file__).with_name(program))


def _free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as probe:
        return int(probe.getsockname()[1])


def _pid(node: Any, kind: str) -> int:
    (process,) = node.all_processes[kind]
    return int(process.process.pid)


def connect(address: str, temp: Path) -> None:
    """Join this process to a head node as its driver, without a word on the terminal."""
    import ray
    import ray._private.worker as worker

    # It prints a paragraph for every worker that dies; who died is told by us, in a line.
    worker.print_to_stdstream = _say_nothing
    worker.logger.setLevel(logging.ERROR)

    ray.init(
        address=address,
        namespace="serve",
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=str(temp),
    )


def _say_nothing(*_: Any, **__: Any) -> None:
    """Stand for a function of Ray's that prints."""


def disconnect(limit_s: float) -> bool:
    """Leave the cluster; False for one that does not answer within `limit_s`."""
    import ray

    leaving = threading.Thread(target=ray.shutdown, name="leave", daemon=True)
    leaving.start()
    leaving.join(limit_s)
    return not leaving.is_alive()


def run_applications(targets: Mapping[str, Any]) -> None:
    """Create or change Serve applications, by name, and return at once.

    The public `serve.run` waits in steps of a second.
    """
    from ray.serve.api import RunTarget, _run_many

    _run_many(
        [
            RunTarget(target=target, name=name, route_prefix=None)
            for name, target in targets.items()
        ],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )


def same_replicas(deployment: Any, version: str) -> Any:
    """Mark a deployment so that running its application again changes it in place.

    Without a stable version Serve restarts every replica, even for identical code.
    """
    return deployment.options(version=version, _internal=True)


Listener = Callable[[list[tuple[str, dict[str, Any]]]], None]


class Directory:
    """Serve's own table of replicas, pushed by its controller; survives the controller's death."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        import ray
        from ray import serve
        from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

        self._loop = loop
        self._controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        self._name = str(serve.get_replica_context().replica_id.unique_id)
        # A client per key: one that waits on a poll would ask for a new key only after that poll
        # returns.
        self._clients: dict[tuple[str, str], Any] = {}

    def listen(self, application: str, deployment: str, listener: Listener) -> None:
        """Call `listener` with (replica id, metadata) of every running replica, now and on changes.

        The application need not exist yet. Listening twice is once.
        """
        from ray.serve._private.common import DeploymentID
        from ray.serve._private.long_poll import LongPollClient, LongPollNamespace

        if (application, deployment) in self._clients:
            return
        key = (
            LongPollNamespace.DEPLOYMENT_TARGETS,
            DeploymentID(name=deployment, app_name=application),
        )

        def changed(targets: Any) -> None:
            listener(
                [
                    (r.replica_id.unique_id, r.replica_metadata or {})
                    for r in targets.running_replicas
                ]
            )

        self._clients[application, deployment] = LongPollClient(
            self._controller,
            {key: changed},
            call_in_event_loop=self._loop,
            client_id=f"{self._name}-{application}",
        )

    def forget(self, application: str, deployment: str) -> None:
        """Stop listening."""
        client = self._clients.pop((application, deployment), None)
        if client is not None:
            client.stop()
