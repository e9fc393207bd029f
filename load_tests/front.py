#!/usr/bin/env python3
"""Make tritonclient's calls of a server, and of `headrace front` before it; say what differs.

  load_tests/front.py same HTTP GRPC FRONT_HTTP FRONT_GRPC     every call, over both protocols
  load_tests/front.py cost HTTP GRPC FRONT_HTTP FRONT_GRPC     latency and throughput, in turns

Addresses are HOST:PORT. The server is a Triton that serves tests/triton/models (for `same`; those
of its models that need PyTorch may fail) and load_tests/peers/triton_models (for `cost`). What
differs is printed; docs/front.md says what may. Run it with the interpreter of the extra `load`.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from two_servers import TURNS, Caller, Cases, compare, done, turns

FLOATS: Final = np.arange(8, dtype=np.float32).reshape(2, 4)
WORDS: Final = np.array([[b"one", "zw\u00f6lf".encode()]], dtype=object)
ROW: Final = np.ones((1, 4), np.float32)


def _config(caller: Caller) -> Any:
    found = caller.client.get_model_config("add_sub", **caller.how)
    found = found.get("config", found)
    tensors = [(one["name"], one["data_type"], one["dims"]) for one in found["input"]]
    return found["name"], found["max_batch_size"], tensors


def _metadata(caller: Caller, model: str) -> Any:
    return caller.client.get_model_metadata(model, **caller.how)


def _index(caller: Caller) -> Any:
    found = caller.client.get_model_repository_index(**caller.how)
    rows = found["models"] if caller.protocol == "grpc" else found
    return sorted((one["name"], one["version"]) for one in rows if one["state"] == "READY")


def _statistics(caller: Caller) -> Any:
    found = caller.client.get_inference_statistics("add_sub", "1", **caller.how)
    return [
        (one["name"], one["version"], sorted(one["inference_stats"])[:2])
        for one in found["model_stats"]
    ]


def _sequence(caller: Caller) -> Any:
    def one(number: int, **flags: bool) -> Any:
        x = np.array([[number]], np.int32)
        return caller.infer("sequence", {"x": x}, sequence_id=7, **flags)["outputs"]

    return [one(1, sequence_start=True), one(2), one(4, sequence_end=True)]


def _looks() -> Cases:
    return {
        "server is live": lambda one: one.client.is_server_live(),
        "server is ready": lambda one: one.client.is_server_ready(),
        "model is ready": lambda one: one.client.is_model_ready("add_sub"),
        "version is ready": lambda one: one.client.is_model_ready("add_sub", "1"),
        "no such model is ready": lambda one: one.client.is_model_ready("none"),
        "metadata": lambda one: _metadata(one, "add_sub"),
        "metadata without rows": lambda one: _metadata(one, "plain"),
        "metadata of no model": lambda one: _metadata(one, "none"),
        "configuration": _config,
        "index": _index,
        "statistics": _statistics,
    }


def _calls() -> Cases:
    pair = {"INPUT0": FLOATS, "INPUT1": FLOATS}
    count = {"COUNT": np.array([[3]], np.int32)}
    plain = {"INPUT0": FLOATS[0], "TEXT": np.array([b"a", b"bc"], dtype=object)}
    large = {"x": np.random.default_rng(1).random((2, 3, 224, 224), np.float32)}
    below = np.array([[-1]], np.float32)

    def asked(model: str, inputs: dict[str, Any], **how: Any) -> Callable[[Caller], Any]:
        return lambda one: one.infer(model, inputs, **how)

    return {
        "floats": asked("add_sub", pair, request_id="r1"),
        "floats in JSON": asked("add_sub", pair, binary=False),
        "of a version": asked("add_sub", pair, model_version="1"),
        "one output": asked("add_sub", pair, wanted=["OUTPUT1"]),
        "texts and parameters": asked("text", {"IN": WORDS}, parameters={"tone": "loud"}),
        "texts in JSON": asked("text", {"IN": WORDS}, binary=False),
        "without rows": asked("plain", plain),
        "of any size": asked("any_size", count),
        "an image": lambda one: hash(str(one.infer("image", large))),
        "with a timeout": asked("add_sub", pair, timeout=5_000_000),
        "with a priority": asked("add_sub", pair, priority=1),
        "a sequence": _sequence,
        "an error of the model": asked("sizes", {"IN": below}),
        "an error with a code": asked("text", {"IN": np.array([[b"lost", b"x"]], dtype=object)}),
        "no such model": asked("none", pair),
        "no such version": asked("add_sub", pair, model_version="9"),
        "no such output": asked("add_sub", pair, wanted=["OUTPUT9"]),
        "no such input": asked("add_sub", {"INPUT0": FLOATS, "INPUT9": FLOATS}),
        "an input is missing": asked("add_sub", {"INPUT0": FLOATS}),
        "a wrong shape": asked("add_sub", {"INPUT0": FLOATS[:, :3], "INPUT1": FLOATS[:, :3]}),
        "a wrong datatype": asked("sizes", {"IN": np.array([[1]], np.int32)}),
        "too many rows": asked("sizes", {"IN": np.ones((9, 1), np.float32)}),
        "of a model that streams": asked("repeat", {"IN": np.array([3], np.int32)}),
    }


def _streams() -> Cases:
    def asked(model: str, inputs: dict[str, Any], **how: Any) -> Callable[[Caller], Any]:
        return lambda one: one.stream(model, inputs, **how)

    return {
        "parts": asked("repeat", {"IN": np.array([5], np.int32)}, request_id="s1"),
        "no parts": asked("repeat", {"IN": np.array([0], np.int32)}),
        "parts and an error": asked("repeat", {"IN": np.array([13], np.int32)}),
        "an error before parts": asked("repeat", {"IN": np.array([-1], np.int32)}),
        "one answer over a stream": asked("add_sub", {"INPUT0": ROW, "INPUT1": ROW}),
        "no such model over a stream": asked("none", {"INPUT0": ROW}),
    }


def same(direct: dict[str, str], front: dict[str, str]) -> int:
    """Make each call of both; print what differs, and return how many do."""
    return compare(
        direct, front, {"http": _looks() | _calls(), "grpc": _looks() | _calls() | _streams()}
    )


def cost(direct: dict[str, str], front: dict[str, str]) -> int:
    """Print what the way through the front costs, as ratios of medians."""
    small = np.ones((1, 16), np.float32)
    image = np.ones((1, 3, 224, 224), np.float32)
    for protocol in ("http", "grpc"):
        for model, x in (("identity", small), ("image", image)):
            for callers in (1, 8):
                addresses = [direct[protocol], front[protocol]]
                rounds = [
                    list(turns(addresses, protocol, model, {"x": x}, callers)) for _ in range(TURNS)
                ]
                ms = [statistics.median(one[at][0] for one in rounds) * 1e3 for at in (0, 1)]
                rate = [statistics.median(one[at][1] for one in rounds) for at in (0, 1)]
                print(
                    f"{protocol} {model} {callers} callers: median {ms[0]:.2f} ms, through the "
                    f"front {ms[1]:.2f} ms ({ms[1] / ms[0]:.2f} x); {rate[0]:.0f} a second, "
                    f"{rate[1]:.0f} ({rate[1] / rate[0]:.2f} x)",
                    flush=True,
                )
    return 0


def main() -> None:
    """Do what the command line says; exit with 1 where calls differ."""
    sys.exit(bool(done(__doc__, {"same": same, "cost": cost}, "front")))


if __name__ == "__main__":
    main()
