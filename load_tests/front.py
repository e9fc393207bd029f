#!/usr/bin/env python3
"""Make tritonclient's calls of a server, and of `headrace front` before it; say what differs.

  load_tests/front.py same HTTP GRPC FRONT_HTTP FRONT_GRPC     every call, over both protocols
  load_tests/front.py cost HTTP GRPC FRONT_HTTP FRONT_GRPC     latency and throughput, in turns

Addresses are HOST:PORT. The server is a Triton that serves tests/triton/models (for `same`; those
of its models that need PyTorch may fail) and load_tests/peers/triton_models (for `cost`). What
differs is printed; docs/front.md says what may. Run it with the interpreter of the extra `load`.
"""

import argparse
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

ERROR_ID: Final = re.compile(r" \[error id [^]]*\]")
LIBRARIES: Final[dict[str, Any]] = {"http": tritonclient.http, "grpc": tritonclient.grpc}
FLOATS: Final = np.arange(8, dtype=np.float32).reshape(2, 4)
WORDS: Final = np.array([[b"one", "zw\u00f6lf".encode()]], dtype=object)
ROW: Final = np.ones((1, 4), np.float32)


class Caller:
    """tritonclient, of one protocol, before one server."""

    def __init__(self, protocol: str, address: str) -> None:
        self.library = LIBRARIES[protocol]
        self.protocol = protocol
        self.client = self.library.InferenceServerClient(address)
        #: Has questions answered as JSON.
        self.how = {"as_json": True} if protocol == "grpc" else {}

    def infer(self, model: str, inputs: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Call; return the answer's facts, and its outputs as lists."""
        binary = how.pop("binary", True)
        wanted = how.pop("wanted", None)
        tensors = [self._input(name, array, binary) for name, array in inputs.items()]
        if wanted is not None:
            outputs = [self.library.InferRequestedOutput(name) for name in wanted]
        elif not binary and self.protocol == "http":
            outputs = [self.library.InferRequestedOutput(name, binary_data=False) for name in ()]
        else:
            outputs = None
        answer = self.client.infer(model, tensors, outputs=outputs or None, **how)
        told = (
            answer.get_response(as_json=True) if self.protocol == "grpc" else answer.get_response()
        )
        names = sorted(one["name"] for one in told["outputs"])
        return {
            "id": told.get("id", ""),
            "version": told["model_version"],
            "outputs": {name: answer.as_numpy(name).tolist() for name in names},
        }

    def stream(self, model: str, inputs: dict[str, Any], **how: Any) -> list[Any]:
        """Call over a stream of gRPC; return parts and the error that ends them."""
        parts: list[Any] = []
        over = threading.Event()

        def take(result: Any, error: Any) -> None:
            if error is not None:
                parts.append(("error", *_told(error)[1:]))
                over.set()
                return
            told = result.get_response(as_json=True)
            is_final = told["parameters"]["triton_final_response"].get("bool_param", False)
            values = {
                one["name"]: result.as_numpy(one["name"]).tolist()
                for one in told.get("outputs", ())
            }
            parts.append(values)
            if is_final:
                over.set()

        self.client.start_stream(take)
        tensors = [self._input(name, array, binary=True) for name, array in inputs.items()]
        self.client.async_stream_infer(model, tensors, enable_empty_final_response=True, **how)
        if not over.wait(20):
            parts.append("no end came")
        self.client.stop_stream()
        return parts

    def _input(self, name: str, array: Any, binary: bool) -> Any:
        datatype = np_to_triton_dtype(array.dtype)
        tensor = self.library.InferInput(name, list(array.shape), datatype)
        if self.protocol == "http":
            tensor.set_data_from_numpy(array, binary_data=binary)
        else:
            tensor.set_data_from_numpy(array)
        return tensor


def _told(error: InferenceServerException) -> tuple[str, str, str]:
    return "error", str(error.status()), ERROR_ID.sub("", error.message())


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InferenceServerException as error:
        return _told(error)


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


#: What is called → the call.
Cases = dict[str, Callable[[Caller], Any]]


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


def compare(direct: dict[str, str], front: dict[str, str], cases: dict[str, Cases]) -> int:
    """Make the calls of each protocol; print what differs, and return how many do."""
    differ = 0
    for protocol, calls in cases.items():
        two = [Caller(protocol, addresses[protocol]) for addresses in (direct, front)]
        for name, call in calls.items():
            theirs, ours = (outcome(lambda one=one, call=call: call(one)) for one in two)
            if theirs == ours:
                print(f"{protocol} {name}: the same")
            else:
                differ += 1
                print(f"{protocol} {name}: DIFFERS\n    first   {theirs}\n    second  {ours}")
    print(f"{differ} calls differ")
    return differ


def turns(
    addresses: list[str], protocol: str, model: str, inputs: dict[str, Any], callers: int
) -> Iterator[Any]:
    """Yield for each address in turn the times of calls in one turn, and its answers a second."""
    for address in addresses:
        times: list[float] = []
        until = time.perf_counter() + TURN_S

        def work(address: str = address, times: list[float] = times, until: float = until) -> None:
            caller = Caller(protocol, address)
            tensors = [caller._input(name, x, binary=True) for name, x in inputs.items()]
            while (began := time.perf_counter()) < until:
                caller.client.infer(model, tensors)
                times.append(time.perf_counter() - began)

        threads = [threading.Thread(target=work) for _ in range(callers)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        yield statistics.median(times), len(times) / TURN_S


#: Of one server, before the other has its turn.
TURN_S: Final = 2.0
TURNS: Final = 4


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("same", "cost"))
    for name in ("http", "grpc", "front_http", "front_grpc"):
        parser.add_argument(name)
    told = parser.parse_args()
    direct = {"http": told.http, "grpc": told.grpc}
    front = {"http": told.front_http, "grpc": told.front_grpc}
    sys.exit(bool((same if told.what == "same" else cost)(direct, front)))


if __name__ == "__main__":
    main()
