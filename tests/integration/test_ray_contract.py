"""What `headrace.serve.private` uses of Ray beyond its promises is there, as we use it."""

import inspect
import warnings
from dataclasses import fields
from typing import Any

import pytest

from headrace.serve import private

with warnings.catch_warnings():
    # Ray's own use of pydantic, when it is imported.
    warnings.simplefilter("ignore")
    import ray
    import ray._private.node as node
    import ray._private.services as services
    import ray._private.worker as worker
    from ray import serve
    from ray._private.parameter import RayParams
    from ray.serve._private.common import DeploymentTargetInfo, RunningReplicaInfo
    from ray.serve._private.long_poll import LongPollClient, LongPollNamespace
    from ray.serve.api import RunTarget, _run_many


def test_the_installed_ray_is_one_that_the_private_calls_were_tried_with() -> None:
    assert ray.__version__ in private.HOLDS_FOR


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (node.Node.__init__, {"ray_params", "head", "shutdown_at_exit", "spawn_reaper"}),
        (node.Node.start_api_server, {"include_dashboard", "raise_on_failure"}),
        (node.Node.start_raylet, {"plasma_directory", "object_store_memory"}),
        (services.start_ray_process, {"command", "process_type"}),
        (RayParams.__init__, {"plasma_store_socket_name", "raylet_socket_name", "no_monitor"}),
        (RayParams.__init__, {"setup_worker_path"}),
        (worker.print_to_stdstream, {"data"}),
        (_run_many, {"wait_for_ingress_deployment_creation", "wait_for_applications_running"}),
        (RunTarget, {"target", "name", "route_prefix"}),
        (serve.Deployment.options, {"version", "_internal"}),
        (LongPollClient.__init__, {"host_actor", "key_listeners", "call_in_event_loop"}),
        (LongPollClient.stop, set()),
    ],
)
def test_functions_take_what_we_give_them(function: Any, names: set[str]) -> None:
    assert names <= set(inspect.signature(function).parameters)


def test_tables_have_the_columns_that_we_read() -> None:
    assert "running_replicas" in {one.name for one in fields(DeploymentTargetInfo)}
    found = {one.name for one in fields(RunningReplicaInfo)}
    assert {"replica_id", "replica_metadata"} <= found
    assert LongPollNamespace.DEPLOYMENT_TARGETS
