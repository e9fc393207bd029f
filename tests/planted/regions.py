"""Tensors in clients' shared memory: read beyond its end, uncounted, or written unasked."""

from typing import Final

from tests.planted.bugs import CORE, Bug

REGIONS: Final = [
    Bug(
        "regions: a request may name more than its region has",
        f"{CORE}/mem/region.rs",
        "is_some_and(|end| end <= self.len)",
        "is_some_and(|end| end <= self.len || at <= self.len)",
        "region",
    ),
    Bug(
        "regions: one may be registered beyond the memory's end",
        f"{CORE}/mem/region.rs",
        "is_none_or(|end| end > size)",
        "is_none_or(|end| end > size && offset > size)",
        "region",
    ),
    Bug(
        "regions: a link is followed",
        f"{CORE}/mem/region.rs",
        "OFlags::CLOEXEC | OFlags::NOFOLLOW |",
        "OFlags::CLOEXEC |",
        "region",
    ),
    Bug(
        "regions: what is copied is counted only then",
        f"{CORE}/gateway/requests/shared.rs",
        "        self.extend(reserved, total)?;\n",
        "        let _ = &reserved;\n",
        "regions",
    ),
    Bug(
        "regions: what is copied counts for no connection",
        f"{CORE}/gateway/requests/shared.rs",
        "self.extend(reserved, total)?;",
        "reserved.grow(total)?;",
        "regions",
    ),
    Bug(
        "regions: an output has the first of its places alone",
        f"{CORE}/decide/validate/mod.rs",
        "if is_shared && places.contains(&place) {",
        "if is_shared && places.contains(&place) && output.name.is_empty() {",
        "validate",
    ),
    Bug(
        "regions: an output larger than its place is written all the same",
        f"{CORE}/gateway/requests/shared.rs",
        "if data.len() > slot.len() {",
        "if data.len() > slot.len() && data.is_empty() {",
        "regions",
    ),
    Bug(
        "regions: an output is in the answer too",
        f"{CORE}/gateway/requests/shared.rs",
        "writes.push((slot, std::mem::take::<Bytes>(data)));",
        "writes.push((slot, Bytes::clone(data)));",
        "regions",
    ),
]
