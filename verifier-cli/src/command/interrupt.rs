//! Ctrl-C and SIGTERM.

use std::sync::atomic::{AtomicU32, Ordering};

use verifier_core::Interrupt;

use crate::exit::Status;

/// An interrupt that the first Ctrl-C, SIGTERM or SIGHUP raises; the second ends the process at once.
///
/// The second is for a disk that does not answer: a read that hangs in the kernel cannot see the first.
pub(super) fn on_signals() -> Interrupt {
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let signals = AtomicU32::new(0);
    let result = ctrlc::set_handler(move || {
        raised.raise();
        if signals.fetch_add(1, Ordering::Relaxed) > 0 {
            std::process::exit(Status::CANCELLED.number().into());
        }
    });
    if let Err(error) = result {
        super::output::complain(format_args!("Ctrl-C will stop this at once, without a report: {error}"));
    }
    interrupt
}
