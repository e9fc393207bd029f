"""Which versions there are to be had, in folders and from sources."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path

from headrace.errors import RepositoryInvalid, RequirementsInvalid, SourceInvalid, Unwanted
from headrace.repository.folder import Version


class Finding:
    """Reads afresh whenever it is asked."""

    def __init__(
        self,
        find: Callable[[str, Set[int]], Sequence[Version]],
        older: Callable[[Version, Set[int]], Sequence[Version]],
        equipped: Callable[[Version], Version],
        let_go_of_others: Callable[[Set[Path]], None],
    ) -> None:
        """Take the two ways to find versions, which hold what they find, and what equips one.

        Args:
            find: reads the repository: one model's versions, or all if its name is empty. Of one
                with a source those by these numbers, or what that means now.
            older: returns other versions of a model, by number, where its source has them.
            equipped: returns a version with the environment that it has to itself; may take long.
            let_go_of_others: takes the folders that are used, and holds no others from then on.
        """
        self.let_go_of_others = let_go_of_others
        self._find = find
        self._older = older
        self.equipped = equipped
        #: Sees all that is found, before anybody decides about it.
        self.sees: Callable[[Iterable[Version]], object] = lambda found: None

    def every(self, model: str) -> Sequence[Version]:
        """Return the versions of a model that are there now, of all models if it is empty."""
        return self._seen(self._find(model, frozenset()))

    def of(self, model: str, numbers: Set[int] = frozenset()) -> dict[int, Version]:
        """Return a model's versions by number, and of one with a source these, if any are named."""
        return {one.number: one for one in self._seen(self._find(model, numbers))}

    def chosen(self, model: str, version: int | None) -> tuple[dict[int, Version], int]:
        """Return what `of` does, and which of it is meant: the highest one if none is named.

        Raises:
            RepositoryInvalid: there is no such version.
        """
        found = self.of(model, set() if version is None else {version})
        number = max(found, default=0) if version is None else version
        if number not in found:
            there = ", ".join(str(one) for one in sorted(found)) or "none"
            raise RepositoryInvalid(f"no version {number} of {model}; in its folder are {there}")
        return found, number

    def with_older(self, found: Mapping[int, Version], numbers: Set[int]) -> dict[int, Version]:
        """Return what was found of a model, and these numbers too if its source has them."""
        missing = numbers - set(found)
        if not found or not missing:
            return dict(found)
        more = self._seen(self._older(next(iter(found.values())), missing))
        return {**found, **{one.number: one for one in more}}

    def _seen(self, found: Sequence[Version]) -> Sequence[Version]:
        self.sees(found)
        return found

    def equipped_all(
        self, found: Mapping[int, Version], numbers: Iterable[int]
    ) -> dict[str, Version]:
        """Return what was found under these numbers, ready to be loaded, by label."""
        return {found[one].label: self.equipped(found[one]) for one in numbers}

    def fit(
        self, found: Mapping[int, Version], numbers: Iterable[int]
    ) -> tuple[dict[str, Version], dict[int, str]]:
        """Return the same as far as it can be had, and by number why packages cannot.

        One by one: what one version asks for keeps no other from being served.
        """
        fit, reasons = dict[str, Version](), dict[int, str]()
        for number in numbers:
            try:
                fit |= self.equipped_all(found, [number])
            except RequirementsInvalid as error:
                reasons[number] = str(error)
        return fit, reasons

    def as_before(
        self, found: Mapping[int, Version], numbers: Iterable[int]
    ) -> tuple[dict[int, Version], dict[int, str]]:
        """Return what was found with these numbers too, and why some of them cannot be had.

        One by one: what a source has no more keeps no other from being found.
        """
        there, reasons = dict(found), dict[int, str]()
        for number in numbers:
            try:
                there = self.with_older(there, {number})
            except SourceInvalid as error:
                reasons[number] = str(error)
        return there, reasons

    def again(self, model: str, numbers: Set[int]) -> dict[str, Version]:
        """Return versions that were there once, by label.

        Raises:
            Unwanted: one of them is not there any more.
        """
        found = self.of(model, numbers) if numbers else {}
        if missing := sorted(numbers - set(found)):
            raise Unwanted(f"{model}/{missing[0]} is not in the repository any more")
        return self.equipped_all(found, numbers)


def by_number(found: Iterable[Version]) -> dict[str, dict[int, Version]]:
    """Return versions by their models, and of each by number."""
    models: dict[str, dict[int, Version]] = {}
    for one in found:
        models.setdefault(one.model, {})[one.number] = one
    return models
