import pytest

from headrace.execution import threads


@pytest.mark.parametrize(
    ("cpus", "lanes_", "io", "intra_op"),
    [(1, 1, 1, 1), (2, 1, 1, 1), (2, 2, 1, 1), (8, 1, 2, 6), (8, 2, 2, 3), (64, 4, 16, 12)],
)
def test_threads_are_one_budget(cpus: int, lanes_: int, io: int, intra_op: int) -> None:
    assert threads.plan(cpus, lanes_) == threads.Threads(io=io, intra_op=intra_op)


def test_an_operators_own_count_of_threads_stays() -> None:
    environment = {"OMP_NUM_THREADS": "7"}
    threads.tell_libraries(threads.Threads(io=1, intra_op=2), environment)
    assert environment["OMP_NUM_THREADS"] == "7"
    assert environment["MKL_NUM_THREADS"] == "2"
