//! A journal's lines, read with bounded memory, and how far they can be relied on.

use std::io;
use std::io::Write as _;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::journal::{FILE, Inode, Line, VERSION};
use crate::io::{File, Folder, ReadAt as _};

/// Most that is read of a journal: a run of a million steps has about 200 MB.
const LIMIT_BYTES: u64 = 512 << 20;
/// Most lines. Of each, its place is kept in memory.
const LIMIT_LINES: usize = 1 << 22;
/// The longest line: the rows of some ten thousand snapshots. None longer is written.
const LINE_BYTES: usize = 16 << 20;
const CHUNK: usize = 64 << 10;

/// Why a journal does not tell all that its run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JournalFault {
    /// Its last line has no end.
    #[error("its journal ends in the midst of a line")]
    Torn,
    /// A line is wrong or missing; what comes after the last such place can be relied on.
    #[error("its journal is damaged at line {line}")]
    Damaged {
        /// The last place, counted from 1.
        line: u64,
    },
    /// It is longer than what a run writes.
    #[error("its journal is too long to be one ({size_bytes} bytes)")]
    TooLong {
        /// The file's length.
        size_bytes: u64,
    },
    /// A newer version of this program wrote it.
    #[error("its journal is of version {version}, which takes a newer containerd-fsck")]
    Newer {
        /// What it says.
        version: u32,
    },
    /// It cannot be read.
    #[error("its journal cannot be read: {why}")]
    Unreadable {
        /// What the system says.
        why: String,
    },
}

/// A journal as it is on the medium.
#[derive(Debug)]
pub(in crate::repair) struct Journal {
    file: File,
    pub(in crate::repair) told: Told,
}

/// What a journal tells, and how far it can be relied on.
#[derive(Debug, Default)]
pub(in crate::repair) struct Told {
    /// Where each line begins that can be relied on: all of them, or those after the last fault. And where the last ends.
    places: Vec<u64>,
    end: u64,
    pub(in crate::repair) fault: Option<JournalFault>,
    /// When the run began.
    pub(in crate::repair) began: Option<String>,
    /// The folder of its items, as it was then.
    pub(in crate::repair) items: Option<Inode>,
    /// How the run ended.
    pub(in crate::repair) outcome: Option<String>,
    /// Whether it changed rows of databases.
    pub(in crate::repair) has_rows: bool,
}

/// What is looked at of every line, without keeping the rest.
#[derive(Deserialize)]
struct Head {
    op: String,
    version: Option<u32>,
    began: Option<String>,
    items: Option<Inode>,
    outcome: Option<String>,
}

impl Journal {
    /// Reads the journal of the folder `run` once, to see how far it is whole.
    pub(in crate::repair) fn open(run: &Folder) -> io::Result<Journal> {
        let file = run.file(FILE)?;
        let size_bytes = file.len()?;
        let mut told = Told::default();
        let fits = size_bytes <= LIMIT_BYTES && told.survey(&file)?;
        if !fits {
            told.places = Vec::new();
            told.fault = Some(JournalFault::TooLong { size_bytes });
        }
        Ok(Journal { file, told })
    }

    /// Lines that can be relied on, to the end.
    pub(in crate::repair) fn len(&self) -> usize {
        self.told.places.len()
    }

    /// One of them.
    pub(in crate::repair) fn line(&self, at: usize) -> io::Result<Line> {
        let begin = *self.told.places.get(at).ok_or(Errno::NOENT)?;
        let end = self.told.places.get(at + 1).copied().unwrap_or(self.told.end);
        let length = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(LINE_BYTES)];
        let count = crate::io::read_full_at(&self.file, &mut bytes, begin)?;
        let (_, object) = bytes.get(..count).and_then(open_line).ok_or(io::ErrorKind::InvalidData)?;
        Ok(serde_json::from_slice(object)?)
    }
}

impl Told {
    /// Looks at all lines; false if there are too many.
    fn survey(&mut self, file: &File) -> io::Result<bool> {
        let mut lines = Lines::new(file);
        let mut line = 0;
        // The number that the next line has; in version 1 they have none. After a fault any goes.
        let mut next = Some(Some(1));
        while let Some((begin, found)) = lines.next()? {
            line += 1;
            if found == Found::Torn {
                self.fault.get_or_insert(JournalFault::Torn);
                break;
            }
            let parsed = if found == Found::Whole { head(&lines.line) } else { None };
            let Some((number, head)) = parsed else {
                self.distrust(line);
                next = None;
                continue;
            };
            let is_first = line == 1;
            let fits = match next {
                None => true,
                Some(expected) => number == expected || (is_first && number.is_none()),
            };
            if !fits || (is_first && head.op != "begin") {
                self.distrust(line);
            }
            next = Some(number.map(|number| number.saturating_add(1)));
            self.places.push(begin);
            self.end = lines.offset;
            self.take(head);
            if self.places.len() > LIMIT_LINES {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is before `line`, and that line's place, cannot be relied on.
    fn distrust(&mut self, line: u64) {
        self.places.clear();
        self.has_rows = false;
        if !matches!(self.fault, Some(JournalFault::Newer { .. })) {
            self.fault = Some(JournalFault::Damaged { line });
        }
    }

    fn take(&mut self, head: Head) {
        match head.op.as_str() {
            "begin" => {
                self.began = head.began;
                self.items = head.items;
                if let Some(version) = head.version.filter(|version| *version > VERSION) {
                    self.fault = Some(JournalFault::Newer { version });
                }
            }
            "end" => self.outcome = head.outcome,
            "rows" | "rebuilt" => self.has_rows = true,
            _ => {}
        }
    }
}

/// The line's number, and what is looked at of it; `None` if it is not what was written.
fn head(line: &[u8]) -> Option<(Option<u64>, Head)> {
    let (number, object) = open_line(line)?;
    Some((number, serde_json::from_slice(object).ok()?))
}

/// The number and the object of a line that is what was written.
fn open_line(line: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let line = line.strip_suffix(b"\n")?;
    if line.first() == Some(&b'{') {
        return Some((None, line));
    }
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (number, sum, object) = (parts.next()?, parts.next()?, parts.next()?);
    let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    (sum == checksum(number, object).as_bytes()).then_some((Some(number), object))
}

fn checksum(number: u64, object: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{number} "));
    hasher.update(object);
    hex::encode(hasher.finalize().get(..8).unwrap_or_default())
}

/// Line `number` as it is written.
pub(in crate::repair) fn write(line: &Line, number: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let object = serde_json::to_vec(line)?;
    let before = bytes.len();
    write!(bytes, "{number} {} ", checksum(number, &object))?;
    bytes.extend(object);
    bytes.push(b'\n');
    // What could not be read again must not be relied on: then the step is not made.
    if bytes.len() - before > LINE_BYTES { Err(Errno::FBIG.into()) } else { Ok(()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Whole,
    /// No line of ours: too long, or a hole.
    Foreign,
    /// Without an end.
    Torn,
}

/// The lines of a file, one in memory at a time.
struct Lines<'f> {
    file: &'f File,
    chunk: Vec<u8>,
    used: usize,
    filled: usize,
    /// Where the next line begins.
    offset: u64,
    line: Vec<u8>,
}

impl<'f> Lines<'f> {
    fn new(file: &'f File) -> Lines<'f> {
        Lines { file, chunk: vec![0; CHUNK], used: 0, filled: 0, offset: 0, line: Vec::new() }
    }

    /// Where the next line begins, and whether [`Lines::line`] is it.
    fn next(&mut self) -> io::Result<Option<(u64, Found)>> {
        let begin = self.offset;
        let mut found = Found::Whole;
        self.line.clear();
        loop {
            if self.used == self.filled {
                (self.used, self.filled) = (0, self.file.read_at(&mut self.chunk, self.offset)?);
            }
            let rest = self.chunk.get(self.used..self.filled).unwrap_or_default();
            if rest.is_empty() {
                return Ok((self.offset > begin).then_some((begin, Found::Torn)));
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(rest.len(), |end| end + 1);
            if self.line.len() + count > LINE_BYTES || (self.line.is_empty() && rest.first() == Some(&0)) {
                found = Found::Foreign;
            }
            if found == Found::Whole {
                self.line.extend(rest.get(..count).unwrap_or_default());
            }
            self.used += count;
            self.offset += count as u64;
            if end.is_some() {
                return Ok(Some((begin, found)));
            }
        }
    }
}
