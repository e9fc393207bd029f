"""How Triton gathers requests, word by word."""

import re
from typing import Any

import pytest
from tests.unit.tritons import BATCHED, TENSORS, converted, flat, found

from headrace.config.triton.finding import Verdict

DYNAMIC = "dynamic_batching"
POLICY = f"{DYNAMIC}.default_queue_policy"
LEVEL = f"{DYNAMIC}.priority_queue_policy"
TAKEN, DIFFERS = Verdict.TAKEN, Verdict.DIFFERS
LEFT_OUT, REFUSED = Verdict.LEFT_OUT, Verdict.REFUSED


@pytest.mark.parametrize(
    ("text", "field", "verdict", "settings", "said"),
    [
        ("max_batch_size: 8" + TENSORS, "max_batch_size", TAKEN, {"batching.max_rows": 8}, ""),
        ("max_batch_size: -1", "max_batch_size", REFUSED, {}, "expected a count"),
        ("max_batch_size: 2000000", "max_batch_size", REFUSED, {}, "less than or equal to 1048576"),
        (TENSORS, "max_batch_size (0)", REFUSED, {}, r"callers then send \[rows, \*dims\]"),
        ("", "max_batch_size (0)", REFUSED, {}, "no axis of rows"),
        (
            'input { name: "x" data_type: TYPE_FP32 dims: [1, 4] }',
            "max_batch_size (0)",
            DIFFERS,
            {"batching.max_rows": 1},
            "the leading 1",
        ),
        (BATCHED, f"{DYNAMIC} (absent)", DIFFERS, {}, "runs each request by itself"),
        (BATCHED + "dynamic_batching {}", DYNAMIC, TAKEN, {}, "share batches"),
        (
            BATCHED + "dynamic_batching { preferred_batch_size: [2, 4] }",
            f"{DYNAMIC}.preferred_batch_size",
            LEFT_OUT,
            {},
            r"batching.allowed_rows: \[2, 4, 8\]",
        ),
        (
            BATCHED + "dynamic_batching { max_queue_delay_microseconds: 100 }",
            f"{DYNAMIC}.max_queue_delay_microseconds",
            TAKEN,
            {"batching.max_delay_ms": 0.1},
            "",
        ),
        (
            BATCHED + "dynamic_batching { preferred_batch_size: 4 "
            "max_queue_delay_microseconds: 200000 }",
            f"{DYNAMIC}.max_queue_delay_microseconds",
            DIFFERS,
            {"batching.max_delay_ms": 200.0},
            "not at a preferred size",
        ),
        (
            BATCHED + "dynamic_batching { max_queue_delay_microseconds: 61000000 }",
            f"{DYNAMIC}.max_queue_delay_microseconds",
            REFUSED,
            {},
            "max_delay_ms: input should be less than or equal to 60000",
        ),
        (
            BATCHED + "model_transaction_policy { decoupled: true } "
            "dynamic_batching { max_queue_delay_microseconds: 100 }",
            f"{DYNAMIC}.max_queue_delay_microseconds",
            LEFT_OUT,
            {},
            "between two steps",
        ),
        (
            BATCHED + "dynamic_batching { preserve_ordering: true }",
            f"{DYNAMIC}.preserve_ordering",
            DIFFERS,
            {},
            "ModelStreamInfer",
        ),
        (
            BATCHED + "model_transaction_policy { decoupled: true } "
            "dynamic_batching { preserve_ordering: true }",
            f"{DYNAMIC}.preserve_ordering",
            REFUSED,
            {},
            "by their ids",
        ),
        (
            BATCHED + "dynamic_batching { priority_levels: 3 default_priority_level: 2 }",
            f"{DYNAMIC}.priority_levels",
            DIFFERS,
            {"batching.priorities": 3},
            "starve",
        ),
        (
            BATCHED + "dynamic_batching { priority_levels: 3 default_priority_level: 2 }",
            f"{DYNAMIC}.default_priority_level",
            TAKEN,
            {"batching.default_priority": 2},
            "",
        ),
        (
            BATCHED + "dynamic_batching { priority_levels: 17 default_priority_level: 2 }",
            f"{DYNAMIC}.priority_levels",
            REFUSED,
            {},
            "priorities: input should be less than or equal to 16",
        ),
        (
            # Refused with its levels: without them there is one.
            BATCHED + "dynamic_batching { priority_levels: 17 default_priority_level: 2 }",
            f"{DYNAMIC}.default_priority_level",
            REFUSED,
            {},
            "default_priority is 2, but there are priorities 1 to 1",
        ),
        (
            BATCHED + "dynamic_batching { priority_levels: 2 default_priority_level: 3 }",
            f"{DYNAMIC}.default_priority_level",
            REFUSED,
            {},
            "priority_levels is 2",
        ),
        (
            BATCHED + "dynamic_batching { default_priority_level: 3 }",
            f"{DYNAMIC}.default_priority_level",
            LEFT_OUT,
            {},
            "all requests are of one",
        ),
    ],
)
def test_batching(
    text: str, field: str, verdict: Verdict, settings: dict[str, Any], said: str
) -> None:
    one = found(text, field)
    assert (one.verdict, flat(one)) == (verdict, settings)
    assert re.search(said, one.text)


def test_a_pipeline_is_refused_once() -> None:
    done = converted('platform: "ensemble" ensemble_scheduling { step {} }' + TENSORS)
    assert [one.field for one in done.refused] == ["ensemble_scheduling"]


def policy(text: str, levels: str = "") -> str:
    return BATCHED + f"dynamic_batching {{ {levels} default_queue_policy {{ {text} }} }}"


def of_levels(*levels: str, default: str = "") -> str:
    """Two levels, and policies of some of them."""
    own = " ".join(f"priority_queue_policy {{ {one} }}" for one in levels)
    return BATCHED + (
        f"dynamic_batching {{ priority_levels: 2 default_priority_level: 1 {default} {own} }}"
    )


SMALL = "value { max_queue_size: 9 }"


@pytest.mark.parametrize(
    ("text", "field", "verdict", "settings", "said"),
    [
        (
            policy("default_timeout_microseconds: 30000"),
            f"{POLICY}.default_timeout_microseconds",
            DIFFERS,
            {"batching.deadline_ms": 30.0},
            "time to the whole answer",
        ),
        (
            policy("timeout_action: DELAY default_timeout_microseconds: 30000"),
            f"{POLICY}.timeout_action",
            REFUSED,
            {},
            "write REJECT",
        ),
        (
            policy("timeout_action: DELAY default_timeout_microseconds: 30000"),
            f"{POLICY}.default_timeout_microseconds",
            REFUSED,
            {},
            "timeout_action DELAY",
        ),
        (policy("timeout_action: DELAY"), f"{POLICY}.timeout_action", LEFT_OUT, {}, "nobody"),
        (
            policy("allow_timeout_override: true"),
            f"{POLICY}.allow_timeout_override",
            DIFFERS,
            {},
            "always so",
        ),
        (
            policy("max_queue_size: 100"),
            f"{POLICY}.max_queue_size",
            DIFFERS,
            {"batching.queue_rows": 100},
            "in a gateway$",
        ),
        (
            policy("max_queue_size: 3"),
            f"{POLICY}.max_queue_size",
            DIFFERS,
            {"batching.queue_rows": 8},
            "never less than max_rows",
        ),
        # A level of its own: the same as the default, another, and one that there is not.
        (
            of_levels(f"key: 1 {SMALL}", default="default_queue_policy { max_queue_size: 9 }"),
            f"{LEVEL}[1]",
            TAKEN,
            {},
            "the same for all",
        ),
        (of_levels(f"key: 1 {SMALL}"), f"{LEVEL}[1]", REFUSED, {}, "all levels have the same"),
        (of_levels(f"key: 3 {SMALL}"), f"{LEVEL}[3]", REFUSED, {}, "there is no level 3"),
        # All levels have one: the default is nobody's.
        (
            of_levels(f"key: 1 {SMALL}", f"key: 2 {SMALL}"),
            f"{LEVEL}[1].max_queue_size",
            DIFFERS,
            {"batching.queue_rows": 9},
            "rows",
        ),
        (
            of_levels(
                f"key: 1 {SMALL}",
                f"key: 2 {SMALL}",
                default="default_queue_policy { max_queue_size: 5 }",
            ),
            POLICY,
            LEFT_OUT,
            {},
            "one of its own",
        ),
        (
            of_levels(f"key: 1 {SMALL}", "key: 2 value { max_queue_size: 8 }"),
            f"{LEVEL}[2]",
            REFUSED,
            {},
            "give them one",
        ),
    ],
)
def test_queue_policies(
    text: str, field: str, verdict: Verdict, settings: dict[str, Any], said: str
) -> None:
    one = found(text, field)
    assert (one.verdict, flat(one)) == (verdict, settings)
    assert re.search(said, one.text)
