"""Host groups and the gateway as Serve applications."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from ray import serve
from ray.exceptions import RayError
from ray.serve import Application, Deployment
from ray.serve.config import RequestRouterConfig
from ray.serve.exceptions import RayServeException

from headrace.serve import fleet
from headrace.serve.directory import HOST
from headrace.serve.gateway import GatewayOptions, GatewayReplica, Table
from headrace.serve.host import HostOptions, HostReplica
from headrace.serve.places import Places
from headrace.serve.plan import GATEWAYS, Group, Plan
from headrace.serve.private import run_applications, same_replicas
from headrace.serve.unrouted import Unrouted

GATEWAY: Final = "gateway"
#: No more than a name of what is small.
UNROUTED: Final = RequestRouterConfig(
    request_router_class=f"{Unrouted.__module__}.{Unrouted.__qualname__}"
)
#: What a call raises while Serve's controller is being restarted.
LOST: Final = (RayError, RayServeException)
#: Enough for Ray to place it; how much CPU a host really uses is our own budget.
SHARE_OF_A_CPU: Final = 0.01
#: How long a host stays after it left Serve's table: time for that news to reach every gateway.
LEAVE_S: Final = 0.4
#: How long Serve lets a host finish that does not answer any more; it stops no other.
STANDSTILL_S: Final = 5.0


def start(plan: Plan, places: Places, groups: Sequence[Group], first: Table) -> None:
    """Start Serve without proxies, the gateway and all hosts; returns before they run."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(proxy_location="Disabled")
    hosts = {group.application: _host(group, places, times=0) for group in groups}
    run_applications({GATEWAY: _gateway(plan, places, first, replicas=1), **hosts})


def carry(groups: Sequence[Group], places: Places) -> None:
    """Start hosts of more groups; returns before they run."""
    run_applications({group.application: _host(group, places, times=0) for group in groups})


def end(group: Group) -> None:
    """End a group's hosts, once they have finished what they accepted; returns before that."""
    serve.delete(group.application, _blocking=False)


def publish(plan: Plan, places: Places, table: Table) -> None:
    """Give the gateways a new table, in place; the first time, a second one comes to stand by."""
    run_applications({GATEWAY: _gateway(plan, places, table, replicas=GATEWAYS)})


def begin_again(group: Group, places: Places, times: int) -> None:
    """Ask for a group's hosts once more, after Serve gave it up; hosts that run stay."""
    run_applications({group.application: _host(group, places, times)})


def _host(group: Group, places: Places, times: int) -> Application:
    host: Deployment = serve.deployment(
        name=HOST,
        num_replicas=group.placement.replicas.min,
        ray_actor_options={
            "num_cpus": SHARE_OF_A_CPU,
            "num_gpus": group.placement.gpus,
            "runtime_env": {} if group.python is None else {"py_executable": str(group.python)},
        },
        request_router_config=UNROUTED,
        health_check_period_s=0.5,
        health_check_timeout_s=group.patience_s,
        graceful_shutdown_wait_loop_s=LEAVE_S,
        graceful_shutdown_timeout_s=STANDSTILL_S,
        # A model that cannot load says why once; ten tracebacks more say nothing else.
        max_constructor_retry_count=1,
        # What Serve must see change to try again.
        user_config={"times": times},
    )(HostReplica)
    application: Application = same_replicas(host, "1").bind(
        HostOptions(
            label=group.label,
            gpus=group.placement.gpus,
            is_shared=group.is_shared,
            sockets=str(places.sockets),
            calls=str(places.calls),
            sink=str(places.log_socket),
            drain_s=STANDSTILL_S,
            recordings=str(places.recordings),
        )
    )
    return application


def _gateway(plan: Plan, places: Places, first: Table, replicas: int) -> Application:
    options = GatewayOptions(
        settings={**plan.settings, "calls": str(places.calls)},
        sink=str(places.log_socket),
        turn=str(places.turn),
        drain_s=plan.drain_s,
    )
    gateway: Deployment = serve.deployment(
        name=GATEWAY,
        num_replicas=replicas,
        ray_actor_options={"num_cpus": SHARE_OF_A_CPU},
        request_router_config=UNROUTED,
        health_check_period_s=0.2,
        # Three of them: the one that stands by serves 10 s after this one stopped.
        health_check_timeout_s=3,
        # Nothing routes to it through Ray: it stops accepting by itself, at once.
        graceful_shutdown_wait_loop_s=0.01,
        graceful_shutdown_timeout_s=1.0,
        user_config=first,
    )(GatewayReplica)
    application: Application = same_replicas(gateway, "1").bind(options)
    return application


def look() -> dict[str, fleet.Application]:
    """Return what Serve says of every application."""
    return {name: _view(overview) for name, overview in serve.status().applications.items()}


def _view(overview: Any) -> fleet.Application:
    deployment = next(iter(overview.deployments.values()), None)
    return fleet.Application(
        status=str(overview.status.value),
        replicas={str(getattr(k, "value", k)): n for k, n in deployment.replica_states.items()}
        if deployment
        else {},
        # The deployment's says why; the application's may say no more than that one failed.
        message=(deployment.message if deployment else "") or overview.message,
    )
