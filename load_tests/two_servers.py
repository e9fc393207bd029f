"""The same calls of two servers, by tritonclient: what differs, and what each costs."""

import argparse
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

ERROR_ID: Final = re.compile(r" \[error id [^]]*\]")
LIBRARIES: Final[dict[str, Any]] = {"http": tritonclient.http, "grpc": tritonclient.grpc}


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
        outputs = [self.library.InferRequestedOutput(name) for name in wanted or ()] or None
        answer = self.client.infer(model, tensors, outputs=outputs, **how)
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


#: What is called → the call.
Cases = dict[str, Callable[[Caller], Any]]


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


#: Of each protocol, where a server listens.
Addresses = dict[str, str]


def done(
    text: str | None, what: Mapping[str, Callable[[Addresses, Addresses], int]], second: str
) -> int:
    """Do what the command line says with the two servers that it names."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(what))
    for name in ("http", "grpc", f"{second}_http", f"{second}_grpc"):
        parser.add_argument(name)
    told = vars(parser.parse_args())
    one, other = (
        {side: told[f"{name}{side}"] for side in LIBRARIES} for name in ("", f"{second}_")
    )
    return what[told["what"]](one, other)
