//! The progress bar: one line on stderr, redrawn ten times a second, gone at the end.
//!
//! Written by hand: one line of text with numbers that the library counts anyway. Only a thread of its own draws, so
//! that the workers do no more than add to a counter, and the line goes on while a slow disk keeps all of them waiting.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use verifier_core::event::{Event, Observer, Phase};

use super::style::is_dumb;
use super::{count, rate, size, span};

const REDRAW: Duration = Duration::from_millis(100);
/// A rate from less than this is a guess.
const SETTLED: Duration = Duration::from_millis(500);
/// No line is longer, so that it fits the narrowest terminal and needs no question about its width.
const WIDTH: usize = 79;

/// Counts what the library tells, and shows it if wanted.
pub(crate) struct Progress {
    is_shown: bool,
    stage: Mutex<Stage>,
    bytes: AtomicU64,
    found: AtomicU64,
}

/// What is going on.
#[derive(Clone, Copy)]
struct Stage {
    name: &'static str,
    bytes_total: u64,
    /// The counter when it began.
    bytes_before: u64,
    began: Instant,
}

impl Progress {
    /// Progress that is shown if it `is_wanted` and stderr is a terminal.
    pub(crate) fn new(is_wanted: bool) -> Self {
        let stage = Stage { name: "open", bytes_total: 0, bytes_before: 0, began: Instant::now() };
        Progress {
            is_shown: is_wanted && !is_dumb() && std::io::stderr().is_terminal(),
            stage: Mutex::new(stage),
            bytes: AtomicU64::new(0),
            found: AtomicU64::new(0),
        }
    }

    /// Whether there is a line on the screen.
    pub(crate) fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// Does `work`, with the line on the screen meanwhile.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        if !self.is_shown {
            return work();
        }
        std::thread::scope(|scope| {
            // Dropped when the work is done, also if it panics: then the line goes and the thread ends.
            let (done, is_done) = mpsc::channel::<()>();
            let show = move || {
                while is_done.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                    draw(&self.line());
                }
                draw("");
            };
            // Without a thread for it there is no line.
            let _ = Builder::new().spawn_scoped(scope, show);
            let result = work();
            drop(done);
            result
        })
    }

    fn begin(&self, name: &'static str, bytes_total: u64) {
        let bytes_before = self.bytes.load(Ordering::Relaxed);
        let stage = Stage { name, bytes_total, bytes_before, began: Instant::now() };
        if let Ok(mut current) = self.stage.lock() {
            *current = stage;
        }
    }

    fn line(&self) -> String {
        let Ok(stage) = self.stage.lock().map(|stage| *stage) else { return String::new() };
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_sub(stage.bytes_before);
        line(&stage, bytes, stage.began.elapsed(), self.found.load(Ordering::Relaxed))
    }
}

impl Observer for Progress {
    fn event(&self, event: Event) {
        match event {
            Event::Began { phase, bytes_total } => self.begin(name(phase), bytes_total),
            Event::Read { bytes } => {
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Event::Found(_) => {
                self.found.fetch_add(1, Ordering::Relaxed);
            }
            Event::ActionBegan { verb, .. } => self.begin(verb, 0),
            _ => {}
        }
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan => "scan",
        Phase::Verify => "verify",
        Phase::Confirm => "confirm",
        Phase::Repair => "repair",
        _ => "work",
    }
}

/// `verify [######      ]  50%  1.2 GiB of 2.4 GiB, 310 MiB/s, 4.0 s left, 2 findings`.
fn line(stage: &Stage, bytes: u64, elapsed: Duration, found: u64) -> String {
    let mut parts = Vec::new();
    let mut bar = String::new();
    if stage.bytes_total > 0 {
        let bytes = bytes.min(stage.bytes_total);
        let percent = u64::try_from(u128::from(bytes) * 100 / u128::from(stage.bytes_total)).unwrap_or(100);
        let filled = usize::try_from(percent / 10).unwrap_or(0);
        bar = format!(" [{:10}] {percent:3}% ", "#".repeat(filled));
        parts.push(format!("{} of {}", size(bytes), size(stage.bytes_total)));
    } else if bytes > 0 {
        parts.push(size(bytes));
    }
    if elapsed >= SETTLED && bytes > 0 {
        parts.extend(rate(bytes, elapsed));
        parts.extend(left(stage.bytes_total, bytes, elapsed).map(|left| format!("{} left", span(left))));
    } else if bytes == 0 {
        parts.push(span(elapsed));
    }
    if found > 0 {
        parts.push(count(found, "finding"));
    }
    format!("{}{bar} {}", stage.name, parts.join(", ")).chars().take(WIDTH).collect()
}

/// The time that the rest takes at the rate so far.
fn left(total: u64, bytes: u64, elapsed: Duration) -> Option<Duration> {
    let rest = total.checked_sub(bytes).filter(|rest| *rest > 0)?;
    let micros = elapsed.as_micros() * u128::from(rest) / u128::from(bytes.max(1));
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
}

/// Puts `line` in the place of what was there.
fn draw(line: &str) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(bytes_total: u64) -> Stage {
        Stage { name: "verify", bytes_total, bytes_before: 0, began: Instant::now() }
    }

    #[test]
    fn the_line() {
        let (gib, second) = (1 << 30, Duration::from_secs(1));
        for (total, bytes, elapsed, found, expected) in [
            (0, 0, second / 4, 0, "verify 250 ms"),
            (0, gib, second * 2, 0, "verify 1.0 GiB, 512 MiB/s"),
            (gib * 2, 0, second / 2, 0, "verify [          ]   0%  0 B of 2.0 GiB, 500 ms"),
            (gib * 2, gib, second / 4, 1, "verify [#####     ]  50%  1.0 GiB of 2.0 GiB, 1 finding"),
            (
                gib * 2,
                gib,
                second * 4,
                2,
                "verify [#####     ]  50%  1.0 GiB of 2.0 GiB, 256 MiB/s, 4.0 s left, 2 findings",
            ),
            (gib, gib * 3, second, 0, "verify [##########] 100%  1.0 GiB of 1.0 GiB, 3.0 GiB/s"),
        ] {
            assert_eq!(line(&stage(total), bytes, elapsed, found), expected);
        }
        let longest = line(&stage(u64::MAX), u64::MAX / 3, Duration::from_secs(100_000), u64::MAX);
        assert_eq!(longest.len(), WIDTH);
    }

    #[test]
    fn bytes_count_from_the_start_of_the_stage() {
        let progress = Progress::new(false);
        progress.event(Event::Read { bytes: 1000 });
        progress.event(Event::Began { phase: Phase::Verify, bytes_total: 4096 });
        progress.event(Event::Read { bytes: 2048 });
        assert!(
            progress.line().starts_with("verify [#####     ]  50%  2.0 KiB of 4.0 KiB"),
            "{}",
            progress.line()
        );
        assert_eq!(progress.during(|| 7), 7);
    }
}
