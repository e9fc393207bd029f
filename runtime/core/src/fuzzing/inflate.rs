//! Compressed bodies.

use super::{check_refusal, memory::Most};
use crate::base::fault::{Fault, Kind};
use crate::wire::compress::{Coding, deflate, inflate};

/// Of the plain bytes.
const LIMIT: usize = 1 << 20;

/// The decompressor's window, its tables, and a piece; what becomes of the pieces is their taker's.
const MOST: Most = Most { each: 0, beside: 256 << 10 };

fn plain(body: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let (mut out, mut pieces) = (Vec::with_capacity(limit), 0);
    let done = MOST.hold(body.len(), || {
        inflate(body, limit, |piece| {
            assert!(!piece.is_empty());
            pieces += 1;
            assert!(out.len() + piece.len() <= limit, "more than {limit} bytes are handed out");
            out.extend_from_slice(piece);
            Ok(())
        })
    });
    done.map(|()| out)
}

/// A compressed body; a plain one; a header about either.
pub fn any_inflate(data: &[u8]) {
    match plain(data, LIMIT) {
        Err(fault) => check_refusal(&fault),
        Ok(out) => {
            let exactly = plain(data, out.len());
            assert_eq!(exactly.as_ref(), Ok(&out));
            if let Some(less) = out.len().checked_sub(1) {
                assert_eq!(plain(data, less).map_err(|fault| fault.kind), Err(Kind::TooLarge));
            }
        }
    }
    for coding in [Coding::Gzip, Coding::Deflate] {
        let packed = deflate(data.chunks(61), coding).unwrap();
        assert_eq!(plain(&packed, data.len()).as_deref(), Ok(data));
        for cut in [packed.len() / 2, packed.len() - 1] {
            assert!(plain(&packed[..cut], LIMIT).is_err(), "the end is cut off and not missed");
        }
    }
    if let Ok(header) = std::str::from_utf8(data) {
        let _ = Coding::accepted(header);
        match Coding::of_request(header) {
            Ok(coding) => {
                assert!(header.trim().ends_with(coding.map_or("", Coding::name)) || coding.is_none())
            }
            Err(fault) => check_refusal(&fault),
        }
    }
}
