//! What callers send and what models make of it: each row says whose it is, so that nobody's row can pass for
//! another's.

/// Bytes of a row's head: caller, row, verb.
pub(super) const HEAD: usize = 10;

/// What the model shall do with the batch that has this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Verb {
    Answer = 0,
    /// The model raises.
    Raise = 1,
    /// The model refuses this row.
    Reject = 2,
    /// The host dies.
    Kill = 3,
    /// The model takes its time: it may be given up.
    Hang = 4,
}

fn fill(caller: u64, row: u8) -> u8 {
    caller.wrapping_mul(31).wrapping_add(u64::from(row).wrapping_mul(7)).to_le_bytes()[0]
}

fn head(caller: u64, row: u8, verb: Verb) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&caller.to_le_bytes());
    (head[8], head[9]) = (row, verb as u8);
    head
}

/// One input row of `width` bytes.
pub(super) fn row(caller: u64, row: u8, verb: Verb, width: usize) -> Vec<u8> {
    let mut bytes = vec![fill(caller, row); width];
    bytes[..HEAD].copy_from_slice(&head(caller, row, verb));
    bytes
}

/// What the model makes of that row: `repeat` times it, turned over.
pub(super) fn answer(caller: u64, index: u8, verb: Verb, width: usize, repeat: usize) -> Vec<u8> {
    let mut one = vec![!fill(caller, index); width];
    for (to, from) in one.iter_mut().zip(head(caller, index, verb)) {
        *to = !from;
    }
    one.repeat(repeat)
}

/// Caller, row, verb.
pub(super) type Row = (u64, u8, Verb);

/// Whose row this is, if it is still as it was sent.
pub(super) fn read(bytes: &[u8]) -> Result<Row, String> {
    let known = bytes.first_chunk::<HEAD>().and_then(|head| {
        let verb = [Verb::Answer, Verb::Raise, Verb::Reject, Verb::Kill, Verb::Hang].into_iter();
        let verb = verb.into_iter().find(|verb| *verb as u8 == head[9])?;
        Some((u64::from_le_bytes(*head.first_chunk()?), head[8], verb))
    });
    let (caller, index, verb) = known.ok_or("a row without a head")?;
    match bytes == row(caller, index, verb, bytes.len()) {
        true => Ok((caller, index, verb)),
        false => Err(format!("row {index} of caller {caller} is not as it was sent")),
    }
}

/// All rows of a call, one after the other.
pub(super) fn body(caller: u64, rows: u32, verb: Verb, width: usize) -> Vec<u8> {
    let each: Vec<_> = (0..rows).map(|index| row(caller, index.to_le_bytes()[0], verb, width)).collect();
    each.concat()
}

/// What all rows of a call become.
pub(super) fn answers(caller: u64, rows: u32, verb: Verb, width: usize, repeat: usize) -> Vec<u8> {
    let one = |index: u32| answer(caller, index.to_le_bytes()[0], verb, width, repeat);
    (0..rows).map(one).collect::<Vec<_>>().concat()
}
