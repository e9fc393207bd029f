"""A server stands every attack: it serves others meanwhile, and is afterwards as it was before."""

from collections.abc import Callable

import pytest
from tests.attacks import everything
from tests.attacks.catalogue import ATTACKS
from tests.attacks.judge import judge
from tests.attacks.target import Target

everything.load()

#: Where the limit itself is what is attacked, it is one that is soon reached.
LIMITS = {
    "connections_beyond_the_cap": {"connections": 300},
    "connections_beyond_the_files": {"files": 256},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_server_stands(name: str, serve: Callable[..., Target]) -> None:
    verdict = judge(serve(**LIMITS.get(name, {})), ATTACKS[name])
    assert verdict.stood, f"{ATTACKS[name].about}: {verdict}"


def test_every_attack_says_what_it_does() -> None:
    assert len(ATTACKS) > 50
    assert all(attack.about for attack in ATTACKS.values())
