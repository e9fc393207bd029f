"""Sequences on Ray: each stays with one of several hosts, and is lost with it."""

import os
import signal
from collections import Counter
from functools import partial

import pytest
import tritonclient.grpc
from tests.integration.conftest import Run, Serve, serving, until, write_model
from tests.sequences import ACCUMULATOR, CONTROLS, Stream, inputs, interleave, right
from tritonclient.utils import InferenceServerException

NAMES = range(1, 31)


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    repository = tmp_path_factory.mktemp("models")
    two = "placement: {replicas: {min: 2, max: 2}}"
    for strategy in ("oldest", "direct"):
        write_model(
            repository,
            strategy,
            ACCUMULATOR,
            f"sequences: {{strategy: {strategy}, idle_ms: 60000, {CONTROLS}}}\n{two}\n",
        )
    return serve(repository)


@pytest.mark.parametrize("model", ["oldest", "direct"])
def test_thirty_sequences_on_two_hosts_are_each_answered_in_order(run: Run, model: str) -> None:
    sums, _ = interleave(run.grpc, model, NAMES, 10)
    assert sums == right(NAMES, 10)


def ask(client: tritonclient.grpc.InferenceServerClient, name: int, **how: bool) -> tuple[int, int]:
    """Send one request of a sequence; return the sum so far, and the host's number."""
    tensors = inputs(tritonclient.grpc, name)
    answer = client.infer("oldest", tensors, sequence_id=name, **how)
    sums, pids = answer.as_numpy("sum"), answer.as_numpy("pid")
    assert sums is not None
    assert pids is not None
    return int(sums.item()), int(pids.item())


def begin_on_both(run: Run) -> dict[int, int]:
    """Begin all sequences once the gateway has both hosts; return which one has which."""
    with tritonclient.grpc.InferenceServerClient(run.grpc) as client:

        def all_of_them(**how: bool) -> dict[int, int]:
            return {name: ask(client, name, sequence_start=True, **how)[1] for name in NAMES}

        # Those that end are remembered by nobody, and may be elsewhere next time.
        ends = partial(all_of_them, sequence_end=True)
        until(lambda: len(set(ends().values())) == 2, 60, "the gateway has both hosts")
        return all_of_them()


def test_a_gateway_that_takes_over_finds_sequences_by_their_hash(run: Run) -> None:
    # Before any host is replaced: the gateway that stands by has had both since the start.
    begun = begin_on_both(run)
    (gateway,) = serving(run)
    os.kill(gateway, signal.SIGKILL)

    def answers() -> bool:
        try:
            with tritonclient.grpc.InferenceServerClient(run.grpc) as client:
                return bool(client.is_model_ready("oldest"))
        except InferenceServerException:
            return False

    until(answers, 30, "the other gateway serves")
    with tritonclient.grpc.InferenceServerClient(run.grpc) as client:
        for name in NAMES:
            assert ask(client, name, sequence_end=True) == (2 * name, begun[name])


def test_sequences_are_lost_with_their_host_and_no_others(run: Run) -> None:
    begun = begin_on_both(run)
    stream = Stream(run.grpc)

    def send(**how: bool) -> None:
        for name in NAMES:
            stream.send("oldest", name, name, **how)

    killed, spared = (pid for pid, _ in Counter(begun.values()).most_common())
    os.kill(killed, signal.SIGKILL)
    # A gateway hears of it within milliseconds; until then it sends to nobody.
    until(lambda: run.pids("oldest/1") not in ([killed, spared], [spared, killed]), 30, "it ends")
    send()
    for (result, error), name in zip(stream.answers(len(NAMES)), NAMES, strict=True):
        if begun[name] == spared:
            assert error is None, error
            assert result.as_numpy("sum").item() == 2 * name
            assert result.as_numpy("pid").item() == spared
        else:
            wanted = f"sequence {name} to model 'oldest' must specify the START flag on the first"
            assert wanted in str(error)
    send(sequence_start=True, sequence_end=True)
    answers = stream.answers(len(NAMES))
    assert [result.as_numpy("sum").item() for result, _ in answers] == list(NAMES)
    stream.close()
