"""A server's address, and data that a model takes."""

import numpy as np
import pytest

from headrace_load.target import Spec, Target, sizes, tensors


def test_an_address_is_read() -> None:
    assert Target.of("grpc://127.0.0.1:8001") == Target("grpc", "127.0.0.1", 8001)
    assert Target.of("localhost:8000").protocol == "http"
    assert Target.of("http://[::1]:80").address == "[::1]:80"
    for wrong in ("", "https://a:1", "http://a", "grpc://:1", "http://a:x"):
        with pytest.raises(ValueError, match=r"expected|[Pp]ort"):
            Target.of(wrong)


def test_sizes_are_read() -> None:
    assert sizes("x:1,3;a:b:2") == {"x": (1, 3), "a:b": (2,)}
    assert sizes("") == {}
    for wrong in ("x", "x:", "x:0", "x:-1", "x:1,,2", ":1", f"x:{1 << 40}"):
        with pytest.raises(ValueError, match="expected NAME:SIZE"):
            sizes(wrong)


def test_every_datatype_is_filled() -> None:
    kinds = "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BYTES".split()
    made = tensors([Spec(kind, kind, (-1, 3)) for kind in kinds], {}, seed=1)
    for kind, (datatype, data) in made.items():
        assert (datatype, data.shape) == (kind, (1, 3))
        assert len(np.unique(data)) > 1 or kind == "BOOL"


def test_shapes_are_held_to_the_model() -> None:
    specs = [Spec("x", "FP32", (-1, -1))]
    assert tensors(specs, {"x": (2, 5)}, seed=1)["x"][1].shape == (2, 5)
    with pytest.raises(ValueError, match="no input 'y'; it has x"):
        tensors(specs, {"y": (1,)}, seed=1)
    with pytest.raises(ValueError, match="has 2 axes"):
        tensors(specs, {"x": (1,)}, seed=1)
    with pytest.raises(ValueError, match="none of the protocol's"):
        tensors([Spec("x", "FP8", (1,))], {}, seed=1)
