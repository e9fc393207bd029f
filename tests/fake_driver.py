"""A GPU's memory, as its driver tells of it: taken and given back in whole pages."""

from headrace.execution.memory.admission import Gpu

MIB = 1 << 20
#: PyTorch's allocator takes large blocks of this size.
PAGE = 2 * MIB


class Memory:
    """Of one GPU."""

    def __init__(self, total: int = 16_000 * MIB, uuid: str = "GPU-1") -> None:
        self.total, self.uuid = total, uuid
        self.taken: dict[str, int] = {}

    def take(self, whose: str, count: int) -> None:
        """Have so much, at least: an allocator keeps what it took."""
        pages = -(-count // PAGE) * PAGE
        self.taken[whose] = max(self.taken.get(whose, 0), pages)

    def give_back(self, whose: str) -> None:
        self.taken.pop(whose, None)

    def read(self) -> Gpu:
        return Gpu(self.uuid, self.total, self.total - sum(self.taken.values()))


#: What versions of the tests load onto.
GPU = Memory()
