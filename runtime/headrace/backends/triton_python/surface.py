"""The module `triton_python_backend_utils`, as models import it."""

import sys
from types import ModuleType
from typing import Any, Final

from headrace.backends.triton_python import datatypes, model_config, tensor
from headrace.backends.triton_python.logger import Logger
from headrace.backends.triton_python.metrics import Metric, MetricFamily
from headrace.backends.triton_python.refusals import (
    MODULE,
    REFUSED,
    Refused,
    TritonModelException,
)
from headrace.backends.triton_python.request import END, START, InferenceRequest, PreferredMemory
from headrace.backends.triton_python.response import InferenceResponse, TritonError
from headrace.backends.triton_python.sender import COMPLETE_FINAL, ResponseSender


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Any:
    """Return a request's input; None if it has none of that name."""
    return _named(inference_request.inputs(), name)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Any:
    """Return a response's output; None if it has none of that name."""
    return _named(inference_response.output_tensors(), name)


def _named(tensors: list[tensor.Tensor], name: str) -> Any:
    return next((one for one in tensors if one.name() == name), None)


#: Name → what it is.
SERVED: Final[dict[str, Any]] = {
    "InferenceRequest": InferenceRequest,
    "InferenceResponse": InferenceResponse,
    "InferenceResponseSender": ResponseSender,
    "Logger": Logger,
    "Metric": Metric,
    "MetricFamily": MetricFamily,
    "ModelConfig": model_config.ModelConfig,
    "PreferredMemory": PreferredMemory,
    "TRITONSERVER_MEMORY_CPU": 0,
    "TRITONSERVER_MEMORY_GPU": 2,
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_END": END,
    "TRITONSERVER_REQUEST_FLAG_SEQUENCE_START": START,
    "TRITONSERVER_REQUEST_RELEASE_ALL": 1,
    "TRITONSERVER_RESPONSE_COMPLETE_FINAL": COMPLETE_FINAL,
    "Tensor": tensor.Tensor,
    "TritonError": TritonError,
    "TritonModelException": TritonModelException,
    "deserialize_bytes_tensor": tensor.deserialize_bytes_tensor,
    "get_input_config_by_name": model_config.get_input_config_by_name,
    "get_input_tensor_by_name": get_input_tensor_by_name,
    "get_output_config_by_name": model_config.get_output_config_by_name,
    "get_output_tensor_by_name": get_output_tensor_by_name,
    "numpy_to_triton_type": datatypes.numpy_to_triton_type,
    "serialize_byte_tensor": tensor.serialize_byte_tensor,
    "triton_string_to_numpy": datatypes.triton_string_to_numpy,
    "triton_to_numpy_type": datatypes.triton_to_numpy_type,
    "using_decoupled_model_transaction_policy": (
        model_config.using_decoupled_model_transaction_policy
    ),
}


class _Surface(ModuleType):
    """Says of a name that it has not what it has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{MODULE} has no {name} here: it has {', '.join(sorted(SERVED))}")


def provide() -> ModuleType:
    """Return the module, to be found by ``import`` from now on; it is one for all versions."""
    module = sys.modules.get(MODULE)
    if not isinstance(module, _Surface):
        module = _Surface(MODULE, "What Triton gives its Python models, as Headrace has it.")
        vars(module).update(SERVED)
        vars(module).update({name: Refused(name, why) for name, why in REFUSED.items()})
        sys.modules[MODULE] = module
    return module
