"""Which versions there are to be had, in folders and in registries."""

from collections.abc import Callable, Mapping, Sequence, Set

from headrace.errors import Unwanted
from headrace.repository.folder import Version


class Finding:
    """Reads afresh whenever it is asked."""

    def __init__(
        self,
        find: Callable[[str], Sequence[Version]],
        older: Callable[[Version, Set[int]], Sequence[Version]],
    ) -> None:
        """Take the two ways to find versions.

        Args:
            find: reads the repository: one model's versions, or all if its name is empty.
            older: returns other versions of a model, by number, where a registry has them.
        """
        self._find = find
        self._older = older

    def every(self, model: str) -> Sequence[Version]:
        """Return the versions of a model that are there now, of all models if it is empty."""
        return self._find(model)

    def of(self, model: str, numbers: Set[int] = frozenset()) -> dict[int, Version]:
        """Return a model's versions by number, these ones too if a registry has them."""
        return self.with_older({one.number: one for one in self._find(model)}, numbers)

    def with_older(self, found: Mapping[int, Version], numbers: Set[int]) -> dict[int, Version]:
        """Return what was found of a model, and these numbers too if a registry has them."""
        missing = numbers - set(found)
        if not found or not missing:
            return dict(found)
        more = self._older(next(iter(found.values())), missing)
        return {**found, **{one.number: one for one in more}}

    def again(self, model: str, numbers: Set[int]) -> dict[str, Version]:
        """Return versions that were there once, by label.

        Raises:
            Unwanted: one of them is not there any more.
        """
        found = self.of(model, numbers) if numbers else {}
        if missing := sorted(numbers - set(found)):
            raise Unwanted(f"{model}/{missing[0]} is not in the repository any more")
        return {found[one].label: found[one] for one in numbers}


def swaps(versions: Mapping[int, Version]) -> dict[int, bool]:
    """Return of each whether it takes all traffic where it is new."""
    return {number: one.config.versions.on_new == "swap" for number, one in versions.items()}


def serves(versions: Mapping[int, Version]) -> int | None:
    """Return the version that another server has, the highest of several, where there are others.

    Where there are none, traffic does not wait for a server that is away.
    """
    there = [number for number, one in versions.items() if one.backend == "upstream"]
    return max(there) if there and len(there) < len(versions) else None
