"""What decides which version answers, beside shares: aliases, rules, what sticks; and shadows."""

import re
from collections.abc import Mapping, Set
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, Final

from headrace.config.pins import HEADER
from headrace.control.judging import Control, Judged, kept_as
from headrace.errors import Unwanted
from headrace.repository.instances import control_of, number_of, version_of

#: What a request may name instead of a version's number; the core has the same.
ALIAS: Final = re.compile(r"[a-z][a-z0-9._-]{0,127}")
#: Of a model; the core has the same.
MOST_ALIASES: Final = 64
MOST_RULES: Final = 64
#: The core takes one more, which a rollout may have.
MOST_SHADOWS: Final = 7
MOST_KEPT: Final = 64
#: Characters of a parameter's name, and of a value.
MOST_CHARACTERS: Final = 128


@dataclass(frozen=True)
class Fact:
    """Where a request carries a value: ``header`` (or gRPC's metadata), or ``parameter``."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Rule:
    """Requests that carry this value go to this version."""

    fact: Fact
    value: str
    version: int

    def __str__(self) -> str:
        return f"{self.fact}={self.value}"


@dataclass(frozen=True)
class Alias:
    """Requests that name this instead of a version's number are for this version."""

    name: str
    version: int


@dataclass(frozen=True)
class Shadow:
    """A version that gets copies of what others answer, and whose answers nobody gets."""

    version: int
    #: Of the requests that versions with a share answer, in parts of 10000.
    share: int
    #: It may run what ran already, whatever its model.yaml says.
    repeatable: bool = False
    #: It has cores or a device of its own: copies need not wait until nobody is served.
    apart: bool = False
    #: So many of the pairs of answers that are furthest apart are kept.
    keep_worst: int = 0


@dataclass(frozen=True)
class Traffic:
    """Of one model. Replaced, never changed."""

    #: The first that fits counts, before what sticks and before shares.
    rules: tuple[Rule, ...] = ()
    #: Requests with the same value of it go to the same version, as shares have it.
    sticky: Fact | None = None
    shadows: tuple[Shadow, ...] = ()
    judged: tuple[Judged, ...] = ()
    #: By name.
    aliases: tuple[Alias, ...] = ()
    control: Control | None = None

    @property
    def named(self) -> dict[int, str]:
        """The versions that an alias or a rule leads to, and the words for one that does."""
        aliased = {one.version: f"the alias {one.name}" for one in self.aliases}
        return aliased | {one.version: f"the rule {one}" for one in self.rules}

    def as_json(self) -> dict[str, Any]:
        """Return it as the database keeps it."""
        kept: dict[str, Any] = {
            "aliases": {one.name: one.version for one in self.aliases},
            "rules": [[str(one.fact), one.value, one.version] for one in self.rules],
            "sticky": None if self.sticky is None else str(self.sticky),
            "shadows": [
                [one.version, one.share, one.repeatable, one.apart, one.keep_worst]
                for one in self.shadows
            ],
        }
        if self.judged:
            kept["judged"] = [
                [kept_as(one.version), list(one.slow_ns), *astuple(one)[2:]] for one in self.judged
            ]
        if self.control is not None:
            kept["control"] = list(astuple(self.control))
        return kept

    def divided(self, shares: Mapping[int, int]) -> dict[int, int]:
        """Return the shares of versions as the core is told them: a control has a part of one."""
        if (one := self.control) is None:
            return dict(shares)
        taken = min(one.share, shares.get(one.version, 0))
        whole = {**shares, one.version: shares.get(one.version, 0) - taken}
        return {**whole, control_of(one.version): taken}

    def as_policy(self, salt: str) -> dict[str, Any]:
        """Return the part of a model's policy that the core reads; nothing of what is not used."""
        told: dict[str, Any] = {}
        if self.aliases:
            told["aliases"] = [asdict(one) for one in self.aliases]
        if self.rules:
            told["rules"] = [
                {"fact": _of_core(one.fact), "value": one.value, "version": one.version}
                for one in self.rules
            ]
        if self.sticky is not None:
            told["sticky"] = {"fact": _of_core(self.sticky), "salt": salt}
        copies = {one.version: asdict(one) for one in self.shadows} | {
            one.version: asdict(Shadow(one.version, one.mirror, one.repeatable))
            | ({"noise_of_each": True} if one.noise else {})
            for one in self.judged
            if one.mirror
        }
        if copies:
            told["shadows"] = list(copies.values())
        if self.judged:
            told["judged"] = [
                {"version": one.version, "slow_ns": one.slow_ns, "rollout": one.rollout}
                | ({} if one.users_at_step is None else {"users_at_step": one.users_at_step})
                for one in self.judged
            ]
        return told


#: As it is before anybody says a word.
NOTHING: Final = Traffic()


def from_json(kept: Mapping[str, Any]) -> Traffic:
    """Return what `Traffic.as_json` made this of."""
    return Traffic(
        aliases=tuple(Alias(name, version) for name, version in kept.get("aliases", {}).items()),
        rules=tuple(
            Rule(fact(one), value, version) for one, value, version in kept.get("rules", ())
        ),
        sticky=fact(kept["sticky"]) if kept.get("sticky") else None,
        shadows=tuple(Shadow(*one) for one in kept.get("shadows", ())),
        judged=tuple(
            Judged(number_of(one), tuple(lines), *more)
            for one, lines, *more in kept.get("judged", ())
        ),
        control=Control(*kept["control"]) if kept.get("control") else None,
    )


def fact(text: str) -> Fact:
    """Return where a value is, of ``header:x-user-id`` or ``parameter:user``.

    Raises:
        Unwanted: it is none of that.
    """
    kind, colon, name = text.partition(":")
    name = name.lower() if kind == "header" else name
    good = {
        "header": HEADER.fullmatch(name) is not None,
        "parameter": 0 < len(name) <= MOST_CHARACTERS and name.isprintable(),
    }
    if not colon or not good.get(kind, False):
        raise Unwanted(f"expected header:NAME or parameter:NAME, not {text!r:.100}")
    return Fact(kind, name)


def alias(traffic: Traffic, name: str, version: int | None) -> Traffic:
    """Return it with ``name`` leading to a version, or with no such alias.

    Raises:
        Unwanted: there is no such alias, it could be no version's, or there are too many.
    """
    others = {one.name: one for one in traffic.aliases if one.name != name}
    if version is None:
        if len(others) == len(traffic.aliases):
            known = ", ".join(others) or "none"
            raise Unwanted(f"there is no alias {name!r:.100}; there is {known}")
    elif ALIAS.fullmatch(name) is None:
        raise Unwanted(
            "an alias is a lower-case letter and then those, digits, '.', '_' and '-', at most "
            f"128 in all, not {name!r:.100}"
        )
    else:
        others[name] = Alias(name, version)
    if len(others) > MOST_ALIASES:
        raise Unwanted(f"a model has at most {MOST_ALIASES} aliases")
    return replace(traffic, aliases=tuple(others[one] for one in sorted(others)))


def rule(traffic: Traffic, where: Fact, value: str, version: int | None) -> Traffic:
    """Return it with requests that carry ``value`` going to a version, or with no such rule.

    A new rule comes after the others; one that is there already keeps its place.

    Raises:
        Unwanted: there is no such rule, it is too long, or there are too many.
    """
    same = [(one.fact, one.value) == (where, value) for one in traffic.rules]
    if version is None:
        if not any(same):
            known = ", ".join(map(str, traffic.rules)) or "none"
            raise Unwanted(f"there is no rule {where}={value}; there is {known}")
        left = tuple(one for one, is_it in zip(traffic.rules, same, strict=True) if not is_it)
        return replace(traffic, rules=left)
    if not 0 < len(value.encode()) <= MOST_CHARACTERS or not value.isprintable():
        raise Unwanted(f"a value has 1 to {MOST_CHARACTERS} bytes, all printable")
    new = Rule(where, value, version)
    if any(same):
        each = zip(traffic.rules, same, strict=True)
        return replace(traffic, rules=tuple(new if is_it else one for one, is_it in each))
    if len(traffic.rules) >= MOST_RULES:
        raise Unwanted(f"a model has at most {MOST_RULES} rules")
    return replace(traffic, rules=(*traffic.rules, new))


def shadow(traffic: Traffic, new: Shadow) -> Traffic:
    """Return it with a shadow; one that is there already is replaced.

    Raises:
        Unwanted: there are too many, or a rollout has copies of its own for this version.
    """
    if rollouts := [one.rollout for one in traffic.judged if one.version == new.version]:
        raise Unwanted(
            f"version {new.version} is in rollout {rollouts[0]}, which mirrors what it needs: "
            "`headrace rollout stop` ends it"
        )
    others = tuple(one for one in traffic.shadows if one.version != new.version)
    if len(others) >= MOST_SHADOWS:
        raise Unwanted(f"a model has at most {MOST_SHADOWS} shadows")
    return replace(traffic, shadows=(*others, new))


def without_shadow(traffic: Traffic, version: int) -> Traffic:
    """Return it without a shadow.

    Raises:
        Unwanted: there is no such one.
    """
    left = tuple(one for one in traffic.shadows if one.version != version)
    if left == traffic.shadows:
        known = ", ".join(str(one.version) for one in traffic.shadows) or "none"
        raise Unwanted(f"version {version} is no shadow; shadows are {known}")
    return replace(traffic, shadows=left)


def only(traffic: Traffic, versions: Set[int]) -> Traffic:
    """Return it without what leads to other versions than these."""
    return replace(
        traffic,
        aliases=tuple(one for one in traffic.aliases if one.version in versions),
        rules=tuple(one for one in traffic.rules if one.version in versions),
        shadows=tuple(one for one in traffic.shadows if one.version in versions),
        judged=tuple(one for one in traffic.judged if version_of(one.version) in versions),
        control=one if (one := traffic.control) and {one.version, one.like} <= versions else None,
    )


def _of_core(where: Fact) -> dict[str, str]:
    return {where.kind: where.name}
