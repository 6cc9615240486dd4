//! Where a fault of this program ends: in a sentence and a status, whatever thread it was in.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::complain;
use crate::exit::Status;
use crate::render::escape;

/// Does `work`. A panic's own status, 101, would be read as four bits of fsck(8)'s.
pub(crate) fn contain(work: impl FnOnce() -> Status) -> Status {
    set_hook(Box::new(tell));
    // What it left half done is not used any more.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Status::INCOMPLETE)
}

/// Says it once: whoever waits for a thread that panicked panics as well.
fn tell(fault: &PanicHookInfo<'_>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        complain(sentence(fault));
    }
}

fn sentence(fault: &PanicHookInfo<'_>) -> String {
    let why = fault.payload_as_str().unwrap_or("no reason given");
    let place = fault.location().map(ToString::to_string).unwrap_or_default();
    let (version, home) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_REPOSITORY"));
    format!(
        "stopped by a fault of its own, and nothing is known of what it did not get to; \
         please report this line at {home}/issues: {version}, {}: {}",
        escape(place),
        escape(why)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_any_thread_ends_in_a_status() {
        let before = std::panic::take_hook();
        let here = contain(|| panic!("a fault"));
        let elsewhere = contain(|| {
            std::thread::scope(|scope| drop(scope.spawn(|| panic!("a fault"))));
            Status::CLEAN
        });
        let none = contain(|| Status::DAMAGED);
        set_hook(before);
        assert_eq!([here, elsewhere, none], [Status::INCOMPLETE, Status::INCOMPLETE, Status::DAMAGED]);
    }
}
