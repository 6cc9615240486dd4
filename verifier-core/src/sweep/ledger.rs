//! What was verified when.
//!
//! One line for each verification, appended as it ends: 16 hex digits of the SHA-256 of the rest, a space, a JSON object
//! ([`Entry`]). The last line about a subject counts. A line that is cut off was being written when the run ended; any other
//! that does not fit its digest is damage: the file is kept aside, its good lines are kept, and what the others said is
//! verified again. Where there is a doubt ([`Doubt`]), all of it is as good as not there. When half of the lines are of no use any more, the file is written anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::finding::{Code, Severity};
use crate::io::open_file;
use crate::state::Doubt;
use crate::state::{Lock, StateDir};

/// A verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was verified ([`subject_key`](super::items::Item::key)).
    pub key: String,
    /// Which thing of that name: a blob that was pulled again is another one.
    pub witness: String,
    /// When, in seconds since 1970.
    pub seconds: i64,
    /// Bytes of blobs that were read for it.
    pub bytes: u64,
    /// What was found, by codes; empty if it is sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

impl Entry {
    /// Whether an error was found. A code that is not known (of another version) counts as one.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.codes.iter().any(|code| is_damage(code))
    }
}

/// Whether what is remembered of a finding is an error.
pub(super) fn is_damage(code: &str) -> bool {
    code.parse::<Code>().map_or(true, |code| code.severity() >= Severity::Error)
}

/// The last verification of each subject.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    lines: usize,
    /// Whether some of it could not be read.
    pub damaged: bool,
    file: Option<File>,
}

const NAME: &str = "ledger";

impl Ledger {
    /// Reads the ledger of `state`, to look at.
    #[must_use]
    pub fn read(state: &StateDir) -> Ledger {
        let mut ledger = Ledger::default();
        match state.read(NAME) {
            Ok(Some(bytes)) => ledger.parse(&bytes),
            Ok(None) => {}
            Err(_) => ledger.damaged = true,
        }
        if Doubt::is_cast(state) {
            ledger.entries.clear();
        }
        ledger
    }

    /// Opens the ledger of `state` to write to it. `lock` proves that nobody else does.
    ///
    /// # Errors
    /// What the system says; a damaged ledger is no error.
    pub fn open(state: &StateDir, lock: &Lock) -> io::Result<Ledger> {
        let _ = lock;
        let mut ledger = Ledger::read(state);
        if ledger.damaged {
            state.set_aside(NAME);
        }
        // A line that was cut off must not be continued by the next one, so this is more than a matter of size.
        ledger.rewrite(state)?;
        if Doubt::is_cast(state) {
            Doubt::forget(state)?;
        }
        Ok(ledger)
    }

    fn parse(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for line in &mut lines {
            let Some(line) = line.strip_suffix(b"\n") else { return };
            self.lines += 1;
            match parse_line(line) {
                Some(entry) => drop(self.entries.insert(entry.key.clone(), entry)),
                None => self.damaged = true,
            }
        }
    }

    /// Writes all of it anew.
    fn rewrite(&mut self, state: &StateDir) -> io::Result<()> {
        let text: Vec<u8> = self.entries.values().flat_map(line).collect();
        state.write(NAME, &text)?;
        let path = state.folder().join(NAME);
        self.file = Some(open_file(&path, OFlags::WRONLY | OFlags::APPEND)?);
        self.lines = self.entries.len();
        Ok(())
    }

    /// Adds what was just verified, and waits until the disk has it.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, state: &StateDir, entries: Vec<Entry>) -> io::Result<()> {
        let text: Vec<u8> = entries.iter().flat_map(line).collect();
        self.lines += entries.len();
        self.entries.extend(entries.into_iter().map(|entry| (entry.key.clone(), entry)));
        if self.lines > self.entries.len().saturating_mul(2) + 1000 {
            return self.rewrite(state);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&text)?;
            file.sync_data()?;
        }
        Ok(())
    }

    /// Forgets all subjects but those that `is_here` knows.
    pub fn keep(&mut self, is_here: impl Fn(&str) -> bool) {
        self.entries.retain(|key, _| is_here(key));
    }

    /// The last verification of the thing that `witness` tells from others of the name `key`.
    #[must_use]
    pub fn get(&self, key: &str, witness: &str) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.witness == witness)
    }

    /// The last verification of each subject.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

fn line(entry: &Entry) -> Vec<u8> {
    // A struct of texts and numbers always has a JSON form.
    let json = serde_json::to_string(entry).unwrap_or_default();
    format!("{} {json}\n", mark(json.as_bytes())).into_bytes()
}

fn parse_line(line: &[u8]) -> Option<Entry> {
    let (digits, json) = line.split_at_checked(16)?;
    let json = json.strip_prefix(b" ")?;
    (mark(json).as_bytes() == digits).then(|| serde_json::from_slice(json).ok())?
}

fn mark(json: &[u8]) -> String {
    let digest = Sha256::digest(json);
    hex::encode(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn entry(key: &str, seconds: i64) -> Entry {
        Entry { key: key.into(), witness: "1".into(), seconds, bytes: 5, codes: Vec::new() }
    }

    fn state() -> (tempfile::TempDir, StateDir, Lock) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path(), Path::new("/x"));
        state.make(Path::new("/x")).unwrap();
        let lock = state.lock("test").unwrap();
        (folder, state, lock)
    }

    #[test]
    fn the_last_word_on_a_subject_counts() {
        let (_folder, state, lock) = state();
        let mut ledger = Ledger::open(&state, &lock).unwrap();
        ledger.add(&state, vec![entry("a", 1), entry("b", 2)]).unwrap();
        ledger.add(&state, vec![entry("a", 3)]).unwrap();
        let ledger = Ledger::open(&state, &lock).unwrap();
        assert_eq!(ledger.entries().cloned().collect::<Vec<_>>(), [entry("a", 3), entry("b", 2)]);
        assert!(!ledger.damaged && ledger.get("a", "2").is_none() && ledger.get("a", "1").is_some());
    }

    #[test]
    fn a_line_that_was_cut_off_is_forgotten() {
        let (_folder, state, lock) = state();
        Ledger::open(&state, &lock).unwrap().add(&state, vec![entry("a", 1), entry("b", 2)]).unwrap();
        let bytes = state.read(NAME).unwrap().unwrap();
        for end in 0..bytes.len() {
            state.write(NAME, &bytes[..end]).unwrap();
            let mut ledger = Ledger::open(&state, &lock).unwrap();
            assert!(!ledger.damaged, "cut at {end}");
            assert_eq!(ledger.entries().count(), bytes[..end].iter().filter(|byte| **byte == b'\n').count());
            ledger.add(&state, vec![entry("c", 3)]).unwrap();
            assert!(Ledger::read(&state).get("c", "1").is_some());
        }
    }

    #[test]
    fn a_wrong_byte_costs_its_line_only() {
        let (_folder, state, lock) = state();
        Ledger::open(&state, &lock).unwrap().add(&state, vec![entry("a", 1), entry("b", 2)]).unwrap();
        let bytes = state.read(NAME).unwrap().unwrap();
        for at in 0..bytes.len() - 1 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            state.write(NAME, &damaged).unwrap();
            let ledger = Ledger::open(&state, &lock).unwrap();
            let known: Vec<_> = ledger.entries().cloned().collect();
            assert!(
                known.iter().all(|one| [entry("a", 1), entry("b", 2)].contains(one)),
                "byte {at}: {known:?}"
            );
            assert!(ledger.damaged && known.len() < 2, "byte {at}");
            assert_eq!(state.read("ledger.damaged").unwrap().unwrap(), damaged);
        }
    }

    #[test]
    fn a_doubt_that_is_not_settled_costs_all_of_it_once() {
        let (_folder, state, lock) = state();
        let known = || Ledger::read(&state).entries().count();
        Ledger::open(&state, &lock).unwrap().add(&state, vec![entry("a", 1)]).unwrap();
        let doubt = Doubt::cast(&state, &lock).unwrap();
        assert_eq!(known(), 0);
        doubt.settle().unwrap();
        assert_eq!(known(), 1);
        // Cut off, and then another that settles its own only.
        let _ = Doubt::cast(&state, &lock).unwrap();
        Doubt::cast(&state, &lock).unwrap().settle().unwrap();
        assert_eq!(known(), 0);
        let mut ledger = Ledger::open(&state, &lock).unwrap();
        ledger.add(&state, vec![entry("b", 2)]).unwrap();
        assert_eq!(known(), 1);
        assert!(Ledger::read(&state).get("b", "1").is_some() && !ledger.damaged);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let (_folder, state, lock) = state();
        let mut ledger = Ledger::open(&state, &lock).unwrap();
        for round in 0..30 {
            ledger.add(&state, (0..100).map(|key| entry(&key.to_string(), round)).collect()).unwrap();
        }
        assert!(state.read(NAME).unwrap().unwrap().len() < 200 * 1000);
        assert!(Ledger::read(&state).entries().all(|entry| entry.seconds == 29));
    }
}
