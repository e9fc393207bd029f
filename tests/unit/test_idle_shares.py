"""Why a GPU is idle, from a trace that torch.profiler would export."""

import pytest

from bare.idle_shares import (
    COMPUTE,
    COPY_IN,
    COPY_OUT,
    LAUNCH,
    NOTHING,
    STATES,
    shares,
    spans,
)

Event = dict[str, object]


def event(
    kind: str, name: str, begin: float, took: float, asked: int = 0, thread: int = 1
) -> Event:
    about = {"correlation": asked} if asked else {}
    return {
        "ph": "X",
        "cat": kind,
        "name": name,
        "ts": begin,
        "dur": took,
        "tid": thread,
        "args": about,
    }


def kernel(begin: float, took: float, asked: int = 0) -> Event:
    return event("kernel", "triton_fused_conv", begin, took, asked, 7)


def copy(way: str, begin: float, took: float, asked: int = 0) -> Event:
    return event("gpu_memcpy", f"Memcpy {way}", begin, took, asked, 9)


def call(name: str, begin: float, took: float, asked: int = 0, thread: int = 1) -> Event:
    kind = "cuda_driver" if name.startswith("cu") and name[2].isupper() else "cuda_runtime"
    return event(kind, name, begin, took, asked, thread)


def op(begin: float, took: float, thread: int = 1) -> Event:
    return event("cpu_op", "aten::conv2d", begin, took, thread=thread)


IN, OUT, WITHIN = "HtoD (Pinned -> Device)", "DtoH (Device -> Pinned)", "DtoD (Device -> Device)"

#: What the trace has, of 100 us → percent of what counts; what is not named is 0.
TRACES: dict[str, tuple[list[Event], dict[str, float]]] = {
    "one kernel": ([kernel(0, 100)], {COMPUTE: 100}),
    "kernels of two streams": ([kernel(0, 60), kernel(40, 60)], {COMPUTE: 100}),
    "zeros are laid": (
        [event("gpu_memset", "Memset (Device)", 0, 50), kernel(50, 50)],
        {COMPUTE: 100},
    ),
    "a copy on the device": ([copy(WITHIN, 0, 30), kernel(30, 70)], {COMPUTE: 100}),
    "rows come first": ([copy(IN, 0, 30), kernel(30, 70)], {COPY_IN: 30, COMPUTE: 70}),
    "rows come meanwhile": ([kernel(0, 100), copy(IN, 20, 30)], {COMPUTE: 100}),
    "outputs go last": ([kernel(0, 90), copy(OUT, 90, 10)], {COMPUTE: 90, COPY_OUT: 10}),
    "both ways at once": (
        [kernel(0, 50), copy(OUT, 50, 20), copy(IN, 60, 10), kernel(70, 30)],
        {COMPUTE: 80, COPY_OUT: 10, COPY_IN: 10},
    ),
    "a host that does nothing": ([kernel(0, 40), kernel(60, 40)], {COMPUTE: 80, NOTHING: 20}),
    "asked for, and not begun": (
        [kernel(0, 40), call("cudaLaunchKernel", 45, 3, 5), kernel(60, 40, 5)],
        {COMPUTE: 80, LAUNCH: 15, NOTHING: 5},
    ),
    "by the driver's call": (
        [kernel(0, 40), call("cuLaunchKernelEx", 50, 3, 5), kernel(60, 40, 5)],
        {COMPUTE: 80, LAUNCH: 10, NOTHING: 10},
    ),
    "asked for long before": (
        [call("cudaGraphLaunch", 0, 3, 5), kernel(0, 40, 5), kernel(60, 40, 5)],
        {COMPUTE: 80, LAUNCH: 20},
    ),
    "another kernel's call": (
        [call("cudaLaunchKernel", 0, 3, 4), kernel(0, 40, 4), kernel(60, 40, 5)],
        {COMPUTE: 80, NOTHING: 20},
    ),
    "an operation on its way": (
        [kernel(0, 40), op(50, 8), kernel(60, 40)],
        {COMPUTE: 80, LAUNCH: 8, NOTHING: 12},
    ),
    "who waits asks nothing": (
        [kernel(0, 40), call("cudaEventSynchronize", 20, 35), kernel(60, 40)],
        {COMPUTE: 80, NOTHING: 20},
    ),
    "an operation that waits": (
        [kernel(0, 40), op(30, 28), call("cudaStreamSynchronize", 35, 15), kernel(60, 40)],
        {COMPUTE: 80, LAUNCH: 8, NOTHING: 12},
    ),
    "an operation that waits twice": (
        [
            *(kernel(0, 40), op(40, 20), kernel(60, 40)),
            *(call("cudaStreamSynchronize", 42, 4), call("cudaStreamSynchronize", 50, 5)),
        ],
        {COMPUTE: 80, LAUNCH: 11, NOTHING: 9},
    ),
    "another thread waits": (
        [kernel(0, 40), op(45, 10), call("cudaEventSynchronize", 20, 40, 0, 2), kernel(60, 40)],
        {COMPUTE: 80, LAUNCH: 10, NOTHING: 10},
    ),
    "what the host does before and after": (
        [op(-50, 20), kernel(0, 100), op(130, 20)],
        {COMPUTE: 100},
    ),
    "what has no length": (
        [{"ph": "M", "name": "process_name"}, {"ph": "f", "cat": "ac2g"}, kernel(0, 100)],
        {COMPUTE: 100},
    ),
}


@pytest.mark.parametrize("name", TRACES)
def test_each_instant_counts_for_one_cause(name: str) -> None:
    trace, expected = TRACES[name]
    found = shares(spans(trace, "cuda"))
    assert {state: 100 * share for state, share in found.items()} == pytest.approx(
        dict.fromkeys(STATES, 0.0) | expected
    )


@pytest.mark.parametrize("name", TRACES)
def test_the_order_of_events_says_nothing(name: str) -> None:
    trace, _ = TRACES[name]
    assert shares(spans(trace[::-1], "cuda")) == pytest.approx(shares(spans(trace, "cuda")))


def test_on_the_cpu_operations_are_what_computes() -> None:
    trace = [op(0, 30), op(5, 10), op(50, 50, thread=2), call("cudaLaunchKernel", 30, 20)]
    found = shares(spans(trace, "cpu"))
    assert found == pytest.approx(dict.fromkeys(STATES, 0.0) | {COMPUTE: 0.8, NOTHING: 0.2})


@pytest.mark.parametrize("trace", [[], [op(0, 30)], [call("cudaLaunchKernel", 0, 3, 5)]])
def test_a_trace_of_an_idle_device_has_no_shares(trace: list[Event]) -> None:
    with pytest.raises(ValueError, match="it did nothing in this one"):
        shares(spans(trace, "cuda"))


def test_a_trace_of_one_instant_has_no_shares() -> None:
    with pytest.raises(ValueError, match="a trace that lasts was expected"):
        shares(spans([kernel(5, 0)], "cuda"))
