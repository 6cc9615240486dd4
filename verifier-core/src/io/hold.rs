//! A lock that tells who has it: an flock, and `<pid> <what it does>` in the file for the next who asks.
//!
//! The flock alone is the lock: it ends with the process that holds it, however that ends, and what is left of the text says
//! nothing then.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::Duration;

use rustix::fs::FlockOperation;

/// Who holds a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process; 0 where that could not be told.
    pub pid: u32,
    /// What it does.
    pub what: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.what.is_empty() { "another run" } else { &self.what };
        match self.pid {
            0 => write!(f, "{what} is at work on this root"),
            pid => write!(f, "{what} (pid {pid}) is at work on this root"),
        }
    }
}

/// Takes the lock of `file`, saying `what` is being done, or says who has it; never waits for it.
///
/// # Errors
/// What `flock(2)` reports. Text that cannot be written (no room) is no reason to do without the lock.
pub(crate) fn hold(file: &mut File, what: &str) -> io::Result<Result<(), Holder>> {
    match rustix::fs::flock(&*file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Err(holder(file))),
        Err(error) => return Err(error.into()),
    }
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{} {what}", std::process::id()));
    Ok(Ok(()))
}

/// Who says in `file` to be its holder. It says so just after it took the lock: a moment is given to it.
fn holder(file: &mut File) -> Holder {
    const TRIES: usize = 10;
    const LIMIT_BYTES: u64 = 256;
    for _ in 0..TRIES {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| (&mut *file).take(LIMIT_BYTES).read_to_string(&mut text));
        if let (Ok(_), Some((pid, what))) = (read, text.trim_end().split_once(' ')) {
            return Holder { pid: pid.parse().unwrap_or_default(), what: what.to_owned() };
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Holder::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path) -> File {
        File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    #[test]
    fn the_second_is_told_who_is_first_and_not_who_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "999999999 something that was killed long ago\n").unwrap();
        let mut first = open(&path);
        hold(&mut first, "sweep").unwrap().unwrap();
        let holder = hold(&mut open(&path), "repair").unwrap().unwrap_err();
        assert_eq!(holder, Holder { pid: std::process::id(), what: "sweep".into() });
        assert_eq!(holder.to_string(), format!("sweep (pid {}) is at work on this root", std::process::id()));
        drop(first);
        hold(&mut open(&path), "repair").unwrap().unwrap();
    }

    #[test]
    fn a_holder_that_could_not_say_so_holds_it_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        for text in [&b""[..], b"\xff\xff", b"noise"] {
            let mut first = open(&path);
            hold(&mut first, "sweep").unwrap().unwrap();
            std::fs::write(&path, text).unwrap();
            let holder = hold(&mut open(&path), "repair").unwrap().unwrap_err();
            assert_eq!(holder.to_string(), "another run is at work on this root");
        }
    }
}
