//! What is said of a repair while it works: a line on a terminal, or a line for each action in a log.

use verifier_core::event::{Event, Observer};

use super::output::{Level, complain, remark};
use crate::render::{Progress, escape};
use crate::words;

/// Shows progress, and, where that is not shown, says what is being done.
pub(super) struct Told {
    progress: Progress,
    has_lines: bool,
}

impl Told {
    /// With a line for each action if they are `wanted` and no progress is on the screen.
    pub(super) fn new(progress: Progress, wanted: bool) -> Told {
        let has_lines = wanted && !progress.is_shown();
        Told { progress, has_lines }
    }

    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.progress.during(work)
    }
}

impl Observer for Told {
    fn event(&self, event: Event) {
        match &event {
            Event::ActionBegan { at, of, verb, subject } if self.has_lines => {
                let line = format_args!("{verb} ({} of {of}): {}", at + 1, words::subject(subject));
                remark(Level::Info, line);
            }
            Event::ActionEnded { error: Some(error), .. } if self.has_lines => {
                complain(format_args!("not done: {}", escape(error)));
            }
            _ => {}
        }
        self.progress.event(event);
    }
}
