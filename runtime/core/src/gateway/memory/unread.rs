//! Answers that their clients have not taken yet.

use super::{admission::Reserved, client::Client};
use crate::base::fault::Fault;
use bytes::Bytes;
use std::sync::Arc;

/// Shorter pieces count for nobody, for to count costs as much as to write one: a connection has as many of them as it
/// has streams at most.
const COUNTED: usize = 4 << 10;

/// Counts until it is written, or dropped with its connection.
struct Unread {
    piece: Bytes,
    /// Of all pieces of an answer, until the last is gone.
    _reserved: Arc<Reserved>,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Client {
    /// Lets an answer count as unread from here on; a fault if this client, or all of them, leave too much unread.
    pub(in crate::gateway) fn count_unread(&self, pieces: &mut [Bytes]) -> Result<(), Fault> {
        let is_counted = |piece: &Bytes| piece.len() > COUNTED;
        let len = pieces.iter().filter(|piece| is_counted(piece)).map(Bytes::len).sum();
        if len == 0 {
            return Ok(());
        }
        let reserved = Arc::new(self.keep_unread(len)?);
        for piece in pieces.iter_mut().filter(|piece| is_counted(piece)) {
            let unread = Unread { piece: std::mem::take(piece), _reserved: Arc::clone(&reserved) };
            *piece = Bytes::from_owner(unread);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Gateway, GatewaySettings, Limits};

    #[test]
    fn an_answer_counts_until_its_last_piece_is_gone() {
        let limits = Limits { unread_bytes: 30_000, connection_bytes: 20_000, ..Limits::default() };
        let gateway = Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap();
        let [one, other] = [(); 2].map(|()| Client::new(Arc::clone(&gateway)));
        let piece = |len: usize| Bytes::from(vec![7; len]);
        let mut small = vec![piece(COUNTED); 100];
        one.count_unread(&mut small).unwrap();
        assert_eq!(gateway.unread.taken(), 0);
        let mut answer = [piece(100), piece(9000), piece(5000)];
        one.count_unread(&mut answer).unwrap();
        assert_eq!(
            (gateway.unread.taken(), answer.clone()),
            (14_000, [piece(100), piece(9000), piece(5000)])
        );
        assert!(one.count_unread(&mut [piece(9000)]).is_err(), "more than one connection may leave");
        let mut last = [piece(15_000)];
        other.count_unread(&mut last).unwrap();
        assert!(other.count_unread(&mut [piece(5000)]).is_err(), "more than all may leave");
        let [_, long, rest] = answer;
        drop(long);
        assert_eq!(gateway.unread.taken(), 29_000);
        drop((rest, last));
        assert_eq!(gateway.unread.taken(), 0);
        one.count_unread(&mut [piece(1 << 20)]).unwrap();
    }
}
