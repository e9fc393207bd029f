//! A connection's other end, and the memory that is held for it.

use super::{
    admission::{Ledger, Of, Reserved},
    arriving::Arriving,
};
use crate::base::{
    fault::{Fault, Kind},
    series::Telling,
};
use crate::gateway::Gateway;
use std::sync::{Arc, OnceLock};

#[derive(Debug)]
pub struct Client {
    pub(in crate::gateway) gateway: Arc<Gateway>,
    /// A host of this server: its models make calls.
    pub(in crate::gateway) is_host: bool,
    /// Of a host that has told what its models count.
    life: OnceLock<String>,
    /// Of its large requests and of the answers that it has not read.
    share: Arc<Ledger>,
}

impl Client {
    pub fn new(gateway: Arc<Gateway>) -> Arc<Client> {
        Client::of(gateway, false)
    }

    pub(in crate::gateway) fn of(gateway: Arc<Gateway>, is_host: bool) -> Arc<Client> {
        let share = Ledger::new(Of::Connection, gateway.limits().connection_bytes);
        Arc::new(Client { gateway, is_host, life: OnceLock::new(), share })
    }

    pub(in crate::gateway) fn tells(&self, telling: Telling) {
        let is_first = self.life.set(telling.life.clone()).is_ok();
        self.gateway.meter.of_models.take(telling, is_first);
    }

    /// Room for a body of `len` bytes; a fault (TooLarge, Overloaded) before any memory is taken.
    pub(crate) fn reserve(&self, len: usize) -> Result<Arriving, Fault> {
        let gateway = &self.gateway;
        let limits = gateway.limits();
        let most = limits.body_bytes;
        if len > most {
            let note = format!(
                "the request's body of {len} bytes exceeds the maximum allowed value of {most} bytes (limit body_bytes)"
            );
            return Err(Fault::new(Kind::TooLarge, note));
        }
        let reserved = if len <= Arriving::SMALL {
            // They count for nobody but the gateway: a connection has as many as it has streams at most, and the
            // additions would cost every request.
            gateway.ledger.take(len)?
        } else {
            gateway.ledger.take_shared(&self.share, self.kept(), Arriving::FIRST)?
        };
        Ok(Arriving::new(reserved, gateway, len))
    }

    /// However many large bodies come slowly, small ones find room.
    fn kept(&self) -> usize {
        let limits = self.gateway.limits();
        (limits.in_flight_bytes / 4).min(limits.in_flight_bytes.saturating_sub(limits.body_bytes))
    }

    /// Room for `more` bytes beside those of a request's body, as if they had come in it.
    pub(in crate::gateway) fn extend(&self, reserved: &mut Reserved, more: usize) -> Result<(), Fault> {
        if reserved.len().saturating_add(more) > Arriving::SMALL {
            reserved.share(&self.share, self.kept())?;
        }
        reserved.grow(more)
    }

    /// The right to keep `len` bytes of an answer until its client has taken them.
    pub(in crate::gateway) fn keep_unread(&self, len: usize) -> Result<Reserved, Fault> {
        self.gateway.unread.take_or_alone(&self.share, len)
    }

    /// Whether senders that take long have to make room for others.
    pub(in crate::gateway) fn is_short(&self) -> bool {
        self.gateway.ledger.is_short()
    }

    /// The same for readers.
    pub(in crate::gateway) fn is_short_of_unread(&self) -> bool {
        self.gateway.unread.is_short()
    }

    /// What is held for it.
    pub(in crate::gateway) fn held(&self) -> usize {
        self.share.taken()
    }

    /// Of what is held for a reader, what others need.
    pub(in crate::gateway) fn wanted(&self, held: usize) -> Option<usize> {
        self.is_short_of_unread().then_some(held)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(life) = self.life.get() {
            self.gateway.meter.of_models.is_gone(life);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{GatewaySettings, Limits};

    const MIB: usize = 1 << 20;

    fn gateway(limits: Limits) -> Arc<Gateway> {
        Gateway::new(GatewaySettings { limits, ..GatewaySettings::default() }).unwrap()
    }

    #[test]
    fn what_a_small_request_has_elsewhere_makes_it_a_large_one() {
        let limits = Limits {
            connection_bytes: 10 * MIB,
            body_bytes: 8 * MIB,
            in_flight_bytes: 24 * MIB,
            ..Limits::default()
        };
        let gateway = gateway(limits);
        let (client, others) =
            (Client::new(Arc::clone(&gateway)), [(); 2].map(|()| Client::new(Arc::clone(&gateway))));
        let small = |client: &Client| {
            let mut body = client.reserve(1000).unwrap();
            body.push(&[7; 1000]).unwrap();
            body.freeze().0
        };
        let mut little = small(&client);
        client.extend(&mut little, 1000).unwrap();
        assert_eq!((gateway.ledger.taken(), client.held()), (2000, 0), "not worth the additions");
        let mut held = vec![small(&client)];
        client.extend(&mut held[0], 8 * MIB).unwrap();
        assert_eq!(client.held(), 8 * MIB + 1000, "its body counts, too");
        let fault = client.extend(&mut small(&client), 2 * MIB).unwrap_err();
        assert!(fault.note.contains("limit connection_bytes"), "{fault}");
        held.push(small(&others[0]));
        others[0].extend(&mut held[1], 8 * MIB).unwrap();
        held.push(small(&others[1]));
        let fault = others[1].extend(&mut held[2], 3 * MIB).unwrap_err();
        assert!(fault.note.contains("limit in_flight_bytes"), "{fault}");
        assert_eq!(others[1].held(), 1000, "as before, and as a large one");
        drop((little, held));
        assert_eq!((gateway.ledger.taken(), client.held(), others[1].held()), (0, 0, 0));
    }

    #[test]
    fn a_body_counts_as_it_comes_and_not_as_it_was_announced() {
        let gateway = gateway(Limits::default());
        let client = Client::new(Arc::clone(&gateway));
        let mut bodies: Vec<_> = (0..100).map(|_| client.reserve(64 * MIB).unwrap()).collect();
        assert_eq!(gateway.ledger.taken(), 100 * Arriving::FIRST);
        bodies.truncate(1);
        assert_eq!(gateway.ledger.taken(), Arriving::FIRST);
        let mut come = 0;
        for part in [1, Arriving::FIRST - 1, 1, MIB - 1 - Arriving::FIRST, MIB, 100, MIB] {
            bodies[0].push(&vec![7; part]).unwrap();
            come += part;
            let taken = gateway.ledger.taken();
            assert!((come..=come + MIB).contains(&taken), "{taken} for {come}");
        }
        assert_eq!(bodies[0].missing(), 61 * MIB - 100);
        let (reserved, body) = bodies.remove(0).freeze();
        assert!(gateway.ledger.taken() == body.len() && body.len() == 3 * MIB + 100);
        assert!(body.iter().all(|byte| *byte == 7));
        drop(reserved);
        let whole = client.reserve(100).unwrap();
        assert_eq!(gateway.ledger.taken(), 100);
        drop(whole);
        assert_eq!((gateway.ledger.taken(), client.share.taken()), (0, 0));
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones_and_for_other_connections() {
        let limits = Limits {
            in_flight_bytes: 16 * MIB,
            connection_bytes: 5 * MIB,
            body_bytes: MIB,
            ..Limits::default()
        };
        let gateway = gateway(limits);
        let clients: Vec<_> = (0..4).map(|_| Client::new(Arc::clone(&gateway))).collect();
        let (mut held, part) = (Vec::new(), vec![0; MIB]);
        let mut fill = |client: &Arc<Client>| {
            let before = held.len();
            while let Ok(mut body) = client.reserve(MIB)
                && body.push(&part).is_ok()
            {
                held.push(body);
            }
            held.len() - before
        };
        assert_eq!([0, 1, 2, 3].map(|at| fill(&clients[at])), [5, 5, 2, 0]);
        let small = clients[0].reserve(Arriving::SMALL).unwrap();
        drop((small, held));
        assert_eq!(gateway.ledger.taken(), 0);
    }

    #[test]
    fn a_gateway_with_room_for_one_body_takes_it() {
        let limits = Limits { in_flight_bytes: MIB, body_bytes: MIB, ..Limits::default() };
        let client = Client::new(gateway(limits));
        assert!(client.reserve(MIB).is_ok());
        let fault = client.reserve(MIB + 1).unwrap_err();
        assert!(fault.kind == Kind::TooLarge && fault.note.contains("limit body_bytes"));
    }
}
