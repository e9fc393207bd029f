import threading

import pytest

from headrace.errors import EnvironmentInvalid
from headrace.execution import threads


@pytest.mark.parametrize(
    ("cpus", "lanes", "told", "io", "each"),
    [
        # lanes and their own threads, of one version after the other → threads of each one's lanes
        (1, [(1, None)], None, 1, [1]),
        (2, [(1, None)], None, 1, [1]),
        (2, [(2, None)], None, 1, [1]),
        (8, [(1, None)], None, 2, [6]),
        (8, [(2, None)], None, 2, [3]),
        (8, [(1, None), (1, None)], None, 2, [3, 3]),
        (64, [(4, None)], None, 16, [12]),
        (64, [(4, None), (44, None)], None, 16, [1, 1]),
        (64, [(4, None), (44, None), (1, None)], None, 16, [1, 1, 1]),
        # What a model.yaml takes the others do not get.
        (8, [(1, 4), (1, None)], None, 2, [4, 2]),
        (8, [(2, 3), (1, None)], None, 2, [3, 1]),
        (8, [(1, 4), (1, 4)], None, 2, [4, 4]),
        (2, [(1, 16), (1, None)], None, 1, [16, 1]),
        # What an operator says goes for all but these.
        (8, [(1, None), (3, None)], 5, 2, [5, 5]),
        (8, [(1, 2), (3, None)], 5, 2, [2, 5]),
        (2, [], None, 1, []),
    ],
)
def test_threads_are_one_budget(
    cpus: int, lanes: list[tuple[int, int | None]], told: int | None, io: int, each: list[int]
) -> None:
    versions = [threads.Lanes(f"m/{at}", *one) for at, one in enumerate(lanes)]
    budget = threads.plan(cpus, versions, told)
    assert (budget.cpus, budget.io, list(budget.lanes.values())) == (cpus, io, each)
    assert list(budget.lanes) == [one.label for one in versions]
    if told is None and all(own is None for _, own in lanes):
        # Each has one at least, also where there are more lanes than CPUs.
        used = sum(count * n for (count, _), n in zip(lanes, each, strict=True))
        assert io + used <= cpus or set(each) <= {1}


@pytest.mark.parametrize(
    ("text", "count"), [(None, None), ("3", 3), ("4,2", 4), (" 1 ", 1), ("64", 64)]
)
def test_an_operator_may_say_how_many(text: str | None, count: int | None) -> None:
    assert threads.told({} if text is None else {"OMP_NUM_THREADS": text}) == count


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "1.5", "1025", "9" * 30])
def test_what_is_no_count_of_threads_is_told(text: str) -> None:
    with pytest.raises(EnvironmentInvalid, match="expected a count of threads"):
        threads.told({"OMP_NUM_THREADS": text})


def test_an_operators_own_count_of_threads_stays() -> None:
    environment = {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "3"}
    budget = threads.plan(2, [threads.Lanes("m/1", 1)], threads.told(environment))
    threads.tell_libraries(budget, environment)
    assert (environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"]) == ("7", "3")
    # One that was not named has what the operator says of all, not what we would have said.
    assert environment["OPENBLAS_NUM_THREADS"] == "7"
    threads.take(7, environment)
    assert environment["MKL_NUM_THREADS"] == "3"


def test_what_a_version_takes_is_known_to_what_it_loads_and_to_pytorch() -> None:
    import torch

    environment: dict[str, str] = {}
    threads.tell_libraries(threads.plan(2, []), environment)
    seen: dict[int, int | None] = {}
    both_took = threading.Barrier(2)

    def lane(count: int) -> None:
        threads.use(count, count)
        both_took.wait(10)
        seen[count] = threads.of_torch()

    before = torch.get_num_threads()
    lanes = [threading.Thread(target=lane, args=(count,)) for count in (3, 5)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join(10)
    assert seen == {3: 3, 5: 5}
    torch.set_num_threads(before)
    in_its_own = threading.Thread(target=threads.take, args=(4, environment))
    in_its_own.start()
    in_its_own.join(10)
    assert set(environment.values()) == {"4"}
    torch.set_num_threads(before)
