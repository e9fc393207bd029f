//! The end of a drain for those who are not answered: they are told, instead of being cut off.

use crate::base::{
    clock,
    fault::{Fault, Kind},
};
use crate::gateway::Gateway;

impl Gateway {
    /// Answers whoever still waits, in a queue or for a host. Of an answer in parts it is the last that its reader hears;
    /// hosts hear that nobody waits any more.
    pub(in crate::gateway) fn cut(&self) {
        let now = clock::now();
        self.turn_all_away();
        for call in self.flights.calls() {
            let fault = unfinished();
            if let Some((caller, carrier)) = self.flights.forsake(call, &fault, &self.suspects, now) {
                let _ = caller.send(Err(fault));
                carrier.cancel(call);
            }
        }
        self.turn_all_away(); // those who were to be tried again meanwhile
    }

    fn turn_all_away(&self) {
        let services: Vec<_> = self.registry.lock().services().cloned().collect();
        for service in services {
            service
                .step(clock::now(), |floor| floor.turn_away = Some("the server ends, and its time is over"));
        }
    }
}

fn unfinished() -> Fault {
    Fault::new(Kind::Unavailable, "Server exiting: its time is over, and the answer was not whole")
}
