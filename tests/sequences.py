"""A stateful model, and callers that send it sequences with Triton's clients."""

import queue
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tritonclient.grpc

#: Sums up what each sequence sends. 666 raises; with it go the rows of the batch, this process's
#: number, and how many sums it keeps. Rows that nobody sent would spoil none of them.
ACCUMULATOR = """
    import gc, os, weakref
    import numpy as np
    from headrace import Context, Model, Tensor

    class Sum:
        def __init__(self) -> None:
            self.sum = 0

    class Accumulator(Model):
        inputs = [Tensor("x", "INT64", [1])] + [
            Tensor(name, datatype, [1])
            for name, datatype in (("START", "INT32"), ("END", "FP32"), ("READY", "BOOL"))
        ]
        outputs = [Tensor(name, "INT64", [1]) for name in ("sum", "rows", "pid", "kept")]

        def load(self, context: Context) -> None:
            self.kept = weakref.WeakSet()

        def predict(self, batch):
            sums = np.full((batch.rows, 1), -1)
            for row, one in enumerate(batch.sequences):
                told = [bool(batch[name][row, 0]) for name in ("START", "END", "READY")]
                assert told == [one.start, one.end, one.ready], told
                if not one.ready:
                    assert (one.id, one.state) == (0, None)
                    continue
                assert one.id
                if one.state is None:
                    one.state = Sum()
                    self.kept.add(one.state)
                one.state.sum += batch["x"][row, 0]
                sums[row] = one.state.sum
            if (batch["x"][:, 0] == 666).any():
                raise ValueError("the number of the beast")
            del one
            every = {"rows": batch.rows, "pid": os.getpid(), "kept": len(self.kept)}
            return {"sum": sums} | {
                name: np.full((batch.rows, 1), value) for name, value in every.items()
            }
"""
CONTROLS = "controls: {start: START, end: END, ready: READY}"


def inputs(library: Any, x: int) -> list[Any]:
    tensor = library.InferInput("x", [1, 1], "INT64")
    tensor.set_data_from_numpy(np.array([[x]]))
    return [tensor]


def ask(client: Any, library: Any, model: str, x: int, name: int | str, **how: bool) -> int:
    """Send one request of a sequence; return the sum so far."""
    answer = client.infer(model, inputs(library, x), sequence_id=name, **how)
    return int(answer.as_numpy("sum").item())


class Stream:
    """One stream of a gRPC client, over which sequences go in order."""

    def __init__(self, address: str) -> None:
        self._client = tritonclient.grpc.InferenceServerClient(address)
        self._answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self._client.start_stream(lambda result, error: self._answers.put((result, error)))

    def send(self, model: str, x: int, name: int, **how: bool) -> None:
        self._client.async_stream_infer(
            model, inputs(tritonclient.grpc, x), request_id=str(name), sequence_id=name, **how
        )

    def answers(self, count: int) -> list[tuple[Any, Any]]:
        """Return the next so many, each a result or an error."""
        return [self._answers.get(timeout=30) for _ in range(count)]

    def close(self) -> None:
        self._client.stop_stream()
        self._client.close()


def interleave(
    address: str, model: str, names: Sequence[int], length: int
) -> tuple[Mapping[int, list[int]], list[int]]:
    """Send sequences over one stream, a request of each in turn.

    Return the sums that each was answered with, and the rows of their batches.
    """
    stream = Stream(address)
    for step in range(length):
        for name in names:
            how = {"sequence_start": step == 0, "sequence_end": step == length - 1}
            stream.send(model, name * 1000 + step, name, **how)
    sums: dict[int, list[int]] = {name: [] for name in names}
    rows = []
    for result, error in stream.answers(len(names) * length):
        assert error is None, error
        sums[int(result.get_response().id)].append(int(result.as_numpy("sum").item()))
        rows.append(int(result.as_numpy("rows").item()))
    stream.close()
    return sums, rows


def right(names: Sequence[int], length: int) -> Mapping[int, list[int]]:
    """Return the sums that `interleave` should come back with."""
    return {
        name: np.cumsum([name * 1000 + step for step in range(length)]).tolist() for name in names
    }
