//! What the library says while it works.

use std::sync::Mutex;

use crate::finding::{Finding, Subject};

/// A stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reading records and folders.
    Scan,
    /// Rehashing blobs and comparing snapshots.
    Verify,
    /// Looking again, with a fresh view, at what was found on a store that containerd holds.
    Confirm,
    /// Putting right what was found.
    Repair,
}

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A stage began; it will read about `bytes_total` bytes (0: not known).
    Began {
        /// The stage.
        phase: Phase,
        /// Bytes it will read.
        bytes_total: u64,
    },
    /// So many more bytes of content were read.
    Read {
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// Something is wrong, and on a live store stood the second look. Sent at the end, in the report's order.
    Found(Box<Finding>),
    /// A repair begins an action. One that has to wait for others ends after the next ones began.
    ActionBegan {
        /// Its place in the plan, from 0.
        at: usize,
        /// How many actions the plan has.
        of: usize,
        /// What is done: the action's stable name.
        verb: &'static str,
        /// What it is done to.
        subject: Subject,
    },
    /// An action ended.
    ActionEnded {
        /// Its place in the plan, from 0.
        at: usize,
        /// Why it was not done; `None` when it was.
        error: Option<String>,
    },
}

/// Takes events, from several threads at once. It must be quick.
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: Event);
}

/// An observer that does not look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&self, _event: Event) {}
}

/// An observer that keeps all it is told, for tests.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// What was told so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().map(|events| events.clone()).unwrap_or_default()
    }
}

impl Observer for Recorder {
    fn event(&self, event: Event) {
        if let Ok(mut events) = self.0.lock() {
            events.push(event);
        }
    }
}
