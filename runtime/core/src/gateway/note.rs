//! What a fault says to its caller: it may quote what the caller sent.

use crate::base::fault::Fault;

/// Bytes of a note. It may quote what the caller sent, which may be as long as a body; and three times as many,
/// as gRPC escapes them, fit into trailers.
const NOTE: usize = 1000;

/// Cut within, where it is too long: an error id stands at the end.
pub(super) fn shortened(fault: Fault) -> Fault {
    if fault.note.len() <= NOTE {
        return fault;
    }
    let (note, cut) = (&fault.note, " …");
    let end = note.rfind(" [error id ").filter(|at| note.len() - at < 100).unwrap_or(note.len());
    let tail = note.get(end..).unwrap_or_default();
    let mut head = NOTE - cut.len() - tail.len();
    while !note.is_char_boundary(head) {
        head -= 1;
    }
    let note = [note.get(..head).unwrap_or_default(), cut, tail].concat().into();
    Fault { note, ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_bounded_and_keeps_its_error_id() {
        let cut = |note: String| shortened(Fault::invalid(note)).note;
        assert_eq!(cut("a".repeat(NOTE)), "a".repeat(NOTE));
        for letter in ["a", "ü", "€", "🦀"] {
            let long = cut(letter.repeat(NOTE + 1));
            assert!(long.len() <= NOTE && long.len() > NOTE - 4, "{}", long.len());
            assert!(long.starts_with(letter) && long.ends_with(" …"));
            let long = cut(format!("{} [error id e-0123456789]", letter.repeat(NOTE)));
            assert!(long.len() <= NOTE && long.ends_with(" … [error id e-0123456789]"), "{long}");
        }
        let quoted = cut(format!("a [error id {}", "b".repeat(NOTE)));
        assert!(quoted.len() <= NOTE && quoted.ends_with("b …"));
    }
}
