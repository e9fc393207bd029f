//! Signals that ask for the end of a process, and an end that no model can keep.
//!
//! Python's handlers run in its main thread, which needs the interpreter, and a model may hold that for as long as it
//! likes. The number of a signal is written to a socket as it arrives, by whichever thread the system hands it to. A
//! thread of ours reads it there, wakes the main thread, and ends the process where that does not do so in time.

use super::host::end;
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What [`Signals::look`] writes; no signal has this number.
const LOOK: u8 = 0;
/// For Python to end the process itself once it was asked twice.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Where signals are written to, for `signal.set_wakeup_fd`.
#[pyclass(frozen, module = "headrace_core")]
#[derive(Debug)]
pub(super) struct Signals {
    tell: UnixStream,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    news: Condvar,
}

#[pymethods]
impl Signals {
    /// `limit_s` after a first signal, and shortly after a second one, the process is ended if it still runs.
    #[new]
    fn new(limit_s: f64) -> PyResult<Signals> {
        let limit = Duration::try_from_secs_f64(limit_s).unwrap_or(Duration::MAX);
        let (tell, hear) = UnixStream::pair()?;
        tell.set_nonblocking(true)?; // a handler of signals must not wait
        let bell = Arc::<Bell>::default();
        let rings = Arc::clone(&bell);
        thread::Builder::new().name("headrace-signals".into()).spawn(move || listen(hear, &rings, limit))?;
        Ok(Signals { tell, bell })
    }

    fn fileno(&self) -> i32 {
        self.tell.as_raw_fd()
    }

    /// Has `wait` return; from any thread.
    fn look(&self) {
        let _ = (&self.tell).write(&[LOOK]); // full: then it returns anyway
    }

    /// Blocks, without the interpreter, until a signal comes or somebody calls `look`.
    fn wait(&self, py: Python<'_>) {
        py.detach(|| {
            let mut rung = self.bell.rung.lock();
            self.bell.news.wait_while(&mut rung, |rung| !*rung);
            *rung = false;
        });
    }
}

/// What is left for the process to end by itself, after so many signals.
fn patience(signals: u32, limit: Duration) -> Option<Duration> {
    match signals {
        0 => None,
        1 => Some(limit),
        _ => Some(AT_ONCE.min(limit)),
    }
}

fn listen(mut hear: UnixStream, bell: &Bell, limit: Duration) {
    let mut signals = 0;
    let mut byte = [LOOK];
    loop {
        match hear.read(&mut byte) {
            Ok(0) => return, // nobody waits for signals any more
            Ok(_) => {
                *bell.rung.lock() = true;
                bell.news.notify_all();
                if byte != [LOOK] {
                    signals += 1;
                    // Counted from the last signal: whoever asks again and again gets it sooner, not later.
                    if hear.set_read_timeout(patience(signals, limit)).is_err() {
                        return;
                    }
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                // Nobody is left to be told if it is closed.
                let _ = io::stderr()
                    .write_all(b"headrace: a model keeps this process from ending: it is ended now\n");
                end(signals > 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_twice_waits_less() {
        let limit = Duration::from_secs(30);
        assert_eq!(
            [0, 1, 2, 3].map(|signals| patience(signals, limit)),
            [None, Some(limit), Some(AT_ONCE), Some(AT_ONCE)]
        );
        assert_eq!(patience(2, Duration::from_millis(5)), Some(Duration::from_millis(5)));
    }
}
