//! A place between two requests at which the world may change.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Stops one POST of one person for as long as it takes to change something.
#[derive(Default)]
pub(crate) struct Gate(Mutex<Option<Guard>>);

struct Guard {
    /// How many POSTs pass before.
    skip: u32,
    arrived: Sender<()>,
    go: Receiver<()>,
}

/// The other side of an armed gate.
pub(crate) struct Keeper {
    arrived: Receiver<()>,
    /// Dropped, it lets pass.
    _go: Sender<()>,
}

impl Keeper {
    /// Waits until somebody stands at the gate, or nobody will any more.
    pub(crate) fn wait(&self) -> bool {
        self.arrived.recv().is_ok()
    }
}

impl Gate {
    /// Stops the next POST but `skip`.
    pub(crate) fn arm(&self, skip: u32) -> Keeper {
        let (arrived, keeper_arrived) = channel();
        let (keeper_go, go) = channel();
        *self.0.lock().unwrap() = Some(Guard { skip, arrived, go });
        Keeper { arrived: keeper_arrived, _go: keeper_go }
    }

    /// Nobody will be stopped: whoever waits is told so.
    pub(crate) fn disarm(&self) {
        self.0.lock().unwrap().take();
    }

    /// A POST comes by.
    pub(crate) fn pass(&self) {
        let mut armed = self.0.lock().unwrap();
        match armed.as_mut() {
            Some(guard) if guard.skip == 0 => {
                let guard = armed.take().unwrap();
                drop(armed);
                if guard.arrived.send(()).is_ok() {
                    // Ends when the keeper is dropped.
                    let _ = guard.go.recv();
                }
            }
            Some(guard) => guard.skip -= 1,
            None => {}
        }
    }
}
