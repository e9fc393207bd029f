"""Which versions there are to be had, in folders and in registries."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set

from headrace.errors import Unwanted
from headrace.repository.folder import Version


class Finding:
    """Reads afresh whenever it is asked."""

    def __init__(
        self,
        find: Callable[[str], Sequence[Version]],
        older: Callable[[Version, Set[int]], Sequence[Version]],
        equipped: Callable[[Version], Version],
    ) -> None:
        """Take the two ways to find versions, and what makes one fit to be loaded.

        Args:
            find: reads the repository: one model's versions, or all if its name is empty.
            older: returns other versions of a model, by number, where a registry has them.
            equipped: returns a version with the environment that it has to itself; may take long.
        """
        self._find = find
        self._older = older
        self.equipped = equipped

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

    def equipped_all(
        self, found: Mapping[int, Version], numbers: Iterable[int]
    ) -> dict[str, Version]:
        """Return what was found under these numbers, ready to be loaded, by label."""
        return {found[one].label: self.equipped(found[one]) for one in numbers}

    def fit_of(self, model: str, known: Container[str]) -> dict[int, Version]:
        """Return a model's versions by number; those whose labels are not known may be loaded."""
        return {
            number: one if one.label in known else self.equipped(one)
            for number, one in self.of(model).items()
        }

    def again(self, model: str, numbers: Set[int]) -> dict[str, Version]:
        """Return versions that were there once, by label.

        Raises:
            Unwanted: one of them is not there any more.
        """
        found = self.of(model, numbers) if numbers else {}
        if missing := sorted(numbers - set(found)):
            raise Unwanted(f"{model}/{missing[0]} is not in the repository any more")
        return self.equipped_all(found, numbers)
