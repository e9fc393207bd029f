"""The page on traffic says what its own words compute."""

import re
from pathlib import Path

from tests.traffic import distance, preference, score, siphash_2_4

PAGE = (Path(__file__).parents[2] / "docs" / "traffic.md").read_text()
ROW = re.compile(
    r"^\| `(user-\d+)` \| (\d+) \| (\d+) \| `([0-9a-f]{16})` \| (\d+) \| (\d+) \|$", re.M
)


def test_the_reference_hashes_as_the_paper_does() -> None:
    assert siphash_2_4(bytes(range(15)), bytes(range(16))) == 0xA129CA6149BE45E5


def test_the_worked_example_is_what_the_words_compute() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) == 6
    for value, version, share, hashed, far, scored in rows:
        message = b"spring\xff" + value.encode() + b"\xff" + int(version).to_bytes(8, "little")
        assert f"{siphash_2_4(message):016x}" == hashed
        assert distance(int(hashed, 16)) == int(far)
        assert score("spring", value, int(version), int(share)) == int(scored)


def test_the_values_of_the_example_go_where_it_says() -> None:
    before, after = {3: 9000, 4: 1000}, {3: 5000, 4: 5000}
    owners = {
        value: (preference("spring", value, before)[0], preference("spring", value, after)[0])
        for value in ("user-0", "user-1", "user-3")
    }
    assert owners == {"user-0": (4, 4), "user-1": (3, 3), "user-3": (3, 4)}
    told = re.search(r"`user-3` has (\d+) with version 3 and (\d+) with version 4", PAGE)
    assert told is not None
    assert [int(one) for one in told.groups()] == [
        score("spring", "user-3", version, share) for version, share in after.items()
    ]
