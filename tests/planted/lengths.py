"""Lengths that are not held against what there is: inputs that the fuzzer has kept show each."""

from typing import Final

from tests.planted.bugs import CORE, Bug

#: Runs everything in runtime/core/fuzz/corpus through what reads it.
REPLAY: Final = "fuzzing::replay_tests"

LENGTHS: Final = [
    Bug(
        "length: a frame may be longer than was agreed",
        f"{CORE}/wire/frame_decode.rs",
        "if len > self.limit {",
        "if len > self.limit && len == 0 {",
        REPLAY,
    ),
    Bug(
        "length: the parts of a frame may be longer than the frame",
        f"{CORE}/wire/frame_decode.rs",
        "if meta > MAX_META || meta + tensors * ENTRY > len {",
        "if meta > MAX_META {",
        REPLAY,
    ),
    Bug(
        "length: the table of a frame may end within an entry",
        f"{CORE}/wire/frame_decode.rs",
        "if rest.len() < ENTRY {",
        "if rest.is_empty() {",
        REPLAY,
    ),
    Bug(
        "length: a shape in a frame may have more axes than there are bytes",
        f"{CORE}/wire/frame_decode.rs",
        "if rest.len() < usize::from(rank) * 8 {",
        "if rest.len() < usize::from(rank) {",
        REPLAY,
    ),
    Bug(
        "length: binary data may be longer than the body",
        f"{CORE}/wire/json/input.rs",
        "filter(|end| *end <= self.body.len())",
        "filter(|end| *end <= self.body.len().saturating_mul(2))",
        REPLAY,
    ),
    Bug(
        "length: elements may be more than the limit",
        f"{CORE}/wire/json/elements.rs",
        "filter(|size| *size <= wish.limit)",
        "filter(|size| *size <= wish.limit || true)",
        "wire::json",
    ),
    Bug(
        "length: a body may be unpacked beyond the limit",
        f"{CORE}/wire/compress.rs",
        "if total > limit {",
        "if total > limit.saturating_mul(64) {",
        REPLAY,
    ),
    Bug(
        "length: a name in a message may be as long as the message",
        f"{CORE}/wire/oip_proto/field.rs",
        "if bytes.len() > most {",
        "if bytes.len() > most && most == 0 {",
        REPLAY,
    ),
]
