"""Bugs in how rows of different sizes share a batch, and are told apart again."""

from typing import Final

from tests.planted.bugs import CORE, Bug

JOINS: Final = [
    Bug(
        "joins: one long row makes as long ones of all others",
        f"{CORE}/decide/shapes.rs",
        "full(spec, longest, self.max_rows).is_some_and(|bytes| bytes <= MOST_PADDED)",
        "full(spec, longest, self.max_rows).is_some()",
        "decide::shapes",
    ),
    Bug(
        "joins: a request is padded to whatever it takes",
        f"{CORE}/decide/shapes.rs",
        "byte_len(spec.datatype, &whole).is_some_and(|bytes| bytes <= MOST_PADDED);",
        "byte_len(spec.datatype, &whole).is_some();",
        "decide::shapes",
    ),
    Bug(
        "joins: who fits a size exactly gets the next one",
        f"{CORE}/decide/shapes.rs",
        "find(|allowed| *allowed >= size)",
        "find(|allowed| *allowed > size)",
        "decide::extents",
    ),
    Bug(
        "joins: buckets share a batch",
        f"{CORE}/decide/shapes.rs",
        "padded_row(spec, pad, row(one)).eq(padded_row(spec, pad, row(other)))",
        "padded_row(spec, pad, row(one)).count() == padded_row(spec, pad, row(other)).count()",
        "decide::shapes",
    ),
    Bug(
        "joins: rows that are nobody's are as long as the last where none are",
        f"{CORE}/decide/extents.rs",
        "offsets.resize(rows.saturating_add(1).max(offsets.len()), at);",
        "offsets.resize(rows.saturating_add(1).max(offsets.len()), 0);",
        "decide::extents",
    ),
    Bug(
        "joins: what is beyond a row is not filled",
        f"{CORE}/host/lay.rs",
        "out.fill(fill, sizes.saturating_sub(*size) * product(whole));",
        "out.fill(&[0, 0], sizes.saturating_sub(*size) * product(whole));",
        "join_tests",
    ),
    Bug(
        "joins: a caller gets padding with its rows",
        f"{CORE}/decide/extents.rs",
        "self.calls.get(seat).map(|shape| self.shape_like(shape, output))",
        "self.calls.get(seat).map(|_| self.shape_like(&self.whole, output))",
        "join_tests",
    ),
    Bug(
        "joins: a ragged output begins where its rows would, were they stacked",
        f"{CORE}/host/settle.rs",
        "if extent.is_flat { extent.starts.get(seat).copied() } else { Some(rows.start) }",
        "Some(rows.start)",
        "join_tests",
    ),
    Bug(
        "joins: pieces of an output lie over each other",
        f"{CORE}/host/settle.rs",
        "                rest = behind;\n",
        "                _ = behind;\n",
        "join_tests",
    ),
    Bug(
        "joins: an output of another size passes",
        f"{CORE}/host/outputs.rs",
        "Some(like) => like.as_slice() == output.shape(),",
        "Some(like) => like.len() <= output.shape().len(),",
        "join_tests",
    ),
    Bug(
        "joins: a host does not hear how its inputs join",
        "runtime/core/src/wire/frame_contract.rs",
        "        join: join_out(&spec.join),\n",
        "        join: None,\n",
        "wire::frame",
    ),
]
