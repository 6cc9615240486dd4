//! When the machine last lived: heartbeats, the mark of a clean shutdown, and whether the clock was set meanwhile.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{AtRisk, Stamp};
use crate::state::StateDir;
use crate::time::Timestamp;

/// A point in a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The clock, in seconds since 1970.
    pub seconds: i64,
    /// How long the machine has been up by then, sleep included, in seconds.
    pub up_seconds: i64,
}

/// What is written down of a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    last: Moment,
    /// The clock was set by a jump during that boot, or was behind when it began.
    jumped: bool,
}

/// This boot's last beat, and that of the boot before.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Heartbeat {
    beats: Vec<Beat>,
}

/// A clock that differs by more from what the time since the last beat makes of it was set.
const JUMP_SECONDS: i64 = 30;

impl Moment {
    /// Now, on this machine.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn now() -> io::Result<Moment> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let uptime = std::fs::read_to_string("/proc/uptime")?;
        let up_seconds = uptime.split('.').next().and_then(|text| text.parse().ok());
        let up_seconds = up_seconds.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Moment { boot_id, seconds: Timestamp::now().seconds, up_seconds })
    }

    /// When the boot began, by the clock as it is now.
    #[must_use]
    pub fn booted(&self) -> Timestamp {
        Timestamp { seconds: self.seconds.saturating_sub(self.up_seconds), nanoseconds: 0 }
    }
}

/// Writes down that the machine lives.
///
/// # Errors
/// What the system says.
pub fn beat(state: &StateDir, now: &Moment) -> io::Result<()> {
    let mut heart = read::<Heartbeat>(state, "heartbeat").unwrap_or_default();
    let jumped = match heart.beats.first() {
        Some(beat) if beat.last.boot_id == now.boot_id => {
            let drift = now.booted().seconds.abs_diff(beat.last.booted().seconds);
            beat.jumped || drift > JUMP_SECONDS.unsigned_abs()
        }
        // The machine came up before it went down: what is made until the clock is set will seem old.
        Some(beat) => now.seconds < beat.last.seconds,
        None => false,
    };
    heart.beats.retain(|beat| beat.last.boot_id != now.boot_id);
    heart.beats.insert(0, Beat { last: now.clone(), jumped });
    heart.beats.truncate(2);
    state.write("heartbeat", &serde_json::to_vec(&heart)?)
}

/// Writes the mark of a clean shutdown.
///
/// # Errors
/// What the system says.
pub fn write_stamp(state: &StateDir, stamp: &Stamp) -> io::Result<()> {
    state.write("stamp", &serde_json::to_vec(stamp)?)
}

/// What `state` tells of the last shutdown. What is not there or cannot be read makes more seem at risk, never less.
#[must_use]
pub fn last_shutdown(state: &StateDir, now: &Moment, window: Duration) -> AtRisk {
    let heart = read::<Heartbeat>(state, "heartbeat").unwrap_or_default();
    let before = heart.beats.iter().find(|beat| beat.last.boot_id != now.boot_id);
    AtRisk {
        window,
        booted: Some(now.booted()),
        heartbeat: before.map(|beat| Timestamp { seconds: beat.last.seconds, nanoseconds: 0 }),
        clock_jumped: before.is_some_and(|beat| beat.jumped),
        stamp: read(state, "stamp"),
    }
}

/// How long before a crash something must have been made to be safe, by this machine's settings of writeback: twice the
/// time until dirty pages expire, the flusher's interval, and 25 s for the file system's journal.
#[must_use]
pub fn window() -> Duration {
    let seconds = |name| {
        let text = std::fs::read_to_string(format!("/proc/sys/vm/{name}")).ok()?;
        Some(text.trim().parse::<u64>().ok()? / 100)
    };
    let (expire, interval) = (seconds("dirty_expire_centisecs"), seconds("dirty_writeback_centisecs"));
    let (Some(expire), Some(interval)) = (expire, interval) else { return AtRisk::WINDOW };
    // An interval of 0 turns the flusher off: then nothing is ever safe but what memory pressure or a sync wrote.
    if interval == 0 {
        return Duration::from_secs(u64::from(u32::MAX));
    }
    AtRisk::WINDOW
        .max(Duration::from_secs(expire.saturating_add(interval).saturating_add(25).saturating_mul(2)))
}

fn read<T: for<'de> Deserialize<'de>>(state: &StateDir, name: &str) -> Option<T> {
    serde_json::from_slice(&state.read(name).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn at(boot: &str, seconds: i64, up_seconds: i64) -> Moment {
        Moment { boot_id: boot.into(), seconds, up_seconds }
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path(), Path::new("/x"));
        state.make(Path::new("/x")).unwrap();
        (folder, state)
    }

    #[test]
    fn the_boot_before_is_remembered() {
        let (_folder, state) = state();
        let look = |now: &Moment| last_shutdown(&state, now, Duration::ZERO);
        assert_eq!(look(&at("a", 1000, 10)).heartbeat, None);
        for moment in [at("a", 1000, 10), at("a", 1600, 610), at("b", 2000, 5), at("b", 2100, 105)] {
            beat(&state, &moment).unwrap();
        }
        let known = look(&at("b", 2100, 105));
        assert_eq!(known.heartbeat.unwrap().seconds, 1600);
        assert_eq!(known.booted.unwrap().seconds, 1995);
        assert!(!known.clock_jumped);
        let known = look(&at("c", 2100, 105));
        assert_eq!(known.heartbeat.unwrap().seconds, 2100);
    }

    #[test]
    fn a_clock_that_was_set_is_not_trusted() {
        for beats in [
            // Two days forward while it ran; a beat later it still counts.
            vec![at("a", 1000, 10), at("a", 173_800, 20), at("a", 173_810, 30)],
            // It came up with a clock behind the time at which it had gone down.
            vec![at("z", 5000, 10), at("a", 1000, 10)],
        ] {
            let (_folder, state) = state();
            beats.iter().for_each(|moment| beat(&state, moment).unwrap());
            assert!(last_shutdown(&state, &at("b", 200_000, 5), Duration::ZERO).clock_jumped, "{beats:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let (_folder, state) = state();
        for bytes in [b"".as_slice(), b"{\"beats\":[{}]}", b"\xff\xff", b"[]"] {
            state.write("heartbeat", bytes).unwrap();
            state.write("stamp", bytes).unwrap();
            let known = last_shutdown(&state, &at("b", 200_000, 5), Duration::ZERO);
            assert!(known.heartbeat.is_none() && known.stamp.is_none());
            beat(&state, &at("b", 200_000, 5)).unwrap();
        }
    }

    #[test]
    fn this_machine_tells() {
        let now = Moment::now().unwrap();
        assert!(!now.boot_id.is_empty() && now.booted().seconds < now.seconds + 1);
        assert!(window() >= AtRisk::WINDOW);
    }
}
