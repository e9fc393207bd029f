"""What `headrace.serve.private` uses of Ray beyond its promises is there, as we use it."""

import importlib.util
import inspect
import warnings
from dataclasses import fields
from typing import Any

import pytest

from headrace.serve import agent, private, workers

with warnings.catch_warnings():
    # Ray's own use of pydantic, when it is imported.
    warnings.simplefilter("ignore")
    import ray
    import ray._private.node as node
    import ray._private.services as services
    import ray._private.worker as worker
    from ray import serve
    from ray._private.grpc_utils import init_grpc_channel
    from ray._private.parameter import RayParams
    from ray.core.generated import node_manager_pb2, runtime_env_agent_pb2
    from ray.serve._private.common import DeploymentTargetInfo, RunningReplicaInfo
    from ray.serve._private.long_poll import LongPollClient, LongPollNamespace
    from ray.serve.api import RunTarget, _run_many

    from headrace.serve import applications


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
        (init_grpc_channel, {"address"}),
    ],
)
def test_functions_take_what_we_give_them(function: Any, names: set[str]) -> None:
    assert names <= set(inspect.signature(function).parameters)


def test_tables_have_the_columns_that_we_read() -> None:
    assert "running_replicas" in {one.name for one in fields(DeploymentTargetInfo)}
    found = {one.name for one in fields(RunningReplicaInfo)}
    assert {"replica_id", "replica_metadata"} <= found
    assert LongPollNamespace.DEPLOYMENT_TARGETS


def test_a_raylet_is_asked_for_workers_as_it_understands() -> None:
    asked = node_manager_pb2.PrestartWorkersRequest.DESCRIPTOR.fields_by_name
    assert {"language", "keep_alive_duration_secs", "num_workers"} <= set(asked)
    for module in workers.PRELOADED:
        assert importlib.util.find_spec(module) is not None


def test_our_agent_reads_and_writes_what_rays_protobufs_are() -> None:
    environment = '{"py_executable": "/e/bin/python"}' + " " * 300
    question = runtime_env_agent_pb2.GetOrCreateRuntimeEnvRequest(
        serialized_runtime_env=environment, job_id=b"1", source_process="raylet"
    )
    asked = agent.environment(question.SerializeToString())
    assert asked.decode() == environment
    context = bytes([agent.CONTEXT, *agent.varint(len(asked))]) + asked
    answer = runtime_env_agent_pb2.GetOrCreateRuntimeEnvReply.FromString(context)
    assert answer.serialized_runtime_env_context == environment
    assert answer.status == runtime_env_agent_pb2.AGENT_RPC_STATUS_OK
    back = runtime_env_agent_pb2.DeleteRuntimeEnvIfPossibleReply.FromString(b"")
    assert back.status == runtime_env_agent_pb2.AGENT_RPC_STATUS_OK


def test_what_is_deployed_goes_in_the_message_and_not_through_rays_store() -> None:
    """Who is at that store when its raylet dies ends without a word."""
    options = serve.deployment(request_router_config=applications.UNROUTED)
    one = options(type("Small", (), {}))
    assert len(one._deployment_config.to_proto_bytes()) < 1024
    theirs = serve.deployment(type("Small", (), {}))
    assert len(theirs._deployment_config.to_proto_bytes()) > 100 << 10, "theirs is as small by now"
