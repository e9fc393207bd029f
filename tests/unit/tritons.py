"""Configurations of Triton's, and what is found in them."""

from typing import Any, Final

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig as TritonConfig

from headrace.config.triton.convert import Converted, convert
from headrace.config.triton.finding import Finding

TENSORS: Final = """
input { name: "x" data_type: TYPE_FP32 dims: [-1, 4] }
output { name: "y" data_type: TYPE_FP32 dims: [-1] }
"""
BATCHED: Final = "max_batch_size: 8 " + TENSORS


def parse(text: str) -> Any:
    return text_format.Parse(text, TritonConfig())


def converted(text: str, *, backend: str = "python", sequenced: bool = False) -> Converted:
    return convert(parse(text), "m", backend=backend, sequenced=sequenced)


def found(text: str, field: str, **how: Any) -> Finding:
    (one,) = [one for one in converted(text, **how).findings if one.field == field]
    return one


def flat(one: Finding) -> dict[str, Any]:
    return {".".join(key): value for key, value in one.settings.items()}
