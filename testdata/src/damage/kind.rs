//! What a damage is.

use std::io;
use std::path::{Path, PathBuf};

use super::reach::Reach;
use super::subject::Subject;
use crate::builder::{Sample, sample};

/// A damage to the sample store.
#[derive(Debug, Clone, Copy)]
pub struct Damage {
    /// Its name: kebab-case, unique.
    pub name: &'static str,
    /// The code that depth `quick` reports.
    pub quick: Option<&'static str>,
    /// The code that depth `blobs` reports.
    pub blobs: Option<&'static str>,
    /// The code that depth `full` reports.
    pub full: Option<&'static str>,
    /// Whether there may be several findings of the code, one for each part that is lost.
    pub several: bool,
    /// Whom the finding reaches.
    pub reach: Reach,
    /// How it is caused.
    pub how: How,
    subject: fn(&Sample) -> Subject,
}

/// How a damage is caused.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// The sample is changed before it is written.
    Model(fn(&mut Sample) -> io::Result<()>),
    /// Its files are changed once they are written; the path is the root's.
    Files(fn(&Sample, &Path) -> io::Result<()>),
    /// A read fails: nothing is changed, and who reads must refuse.
    Reads(fn(&Sample) -> Refusal),
}

/// A read that must fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is done.
    pub op: Op,
    /// To what, below the root.
    pub path: PathBuf,
    /// The error's number.
    pub errno: i32,
}

/// What may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Opening a file or a folder.
    Open,
    /// `stat`.
    Stat,
    /// Listing a folder.
    List,
    /// Reading a file's bytes.
    Read,
    /// Reading extended attributes.
    Xattr,
}

/// A damaged store.
#[derive(Debug)]
pub struct Damaged {
    /// What it was made from.
    pub sample: Sample,
    /// What the finding must be about.
    pub subject: Subject,
    /// The read that must fail, if that is the damage.
    pub refusal: Option<Refusal>,
}

impl Damage {
    /// A damage that changes the sample before it is written.
    pub(super) const fn model(
        name: &'static str,
        subject: fn(&Sample) -> Subject,
        how: fn(&mut Sample) -> io::Result<()>,
    ) -> Damage {
        Damage::new(name, subject, How::Model(how))
    }

    /// A damage that changes files.
    pub(super) const fn files(
        name: &'static str,
        subject: fn(&Sample) -> Subject,
        how: fn(&Sample, &Path) -> io::Result<()>,
    ) -> Damage {
        Damage::new(name, subject, How::Files(how))
    }

    /// A damage that only reads can show.
    pub(super) const fn reads(
        name: &'static str,
        subject: fn(&Sample) -> Subject,
        how: fn(&Sample) -> Refusal,
    ) -> Damage {
        Damage::new(name, subject, How::Reads(how))
    }

    const fn new(name: &'static str, subject: fn(&Sample) -> Subject, how: How) -> Damage {
        Damage {
            name,
            quick: None,
            blobs: None,
            full: None,
            several: false,
            reach: Reach::NOBODY,
            how,
            subject,
        }
    }

    /// Every depth reports `code`.
    pub(super) const fn always(self, code: &'static str) -> Damage {
        Damage { quick: Some(code), ..self }.since_blobs(code)
    }

    /// Depths `blobs` and `full` report `code`.
    pub(super) const fn since_blobs(self, code: &'static str) -> Damage {
        Damage { blobs: Some(code), ..self }.at_full(code)
    }

    /// Depth `full` reports `code`.
    pub(super) const fn at_full(self, code: &'static str) -> Damage {
        Damage { full: Some(code), ..self }
    }

    /// One finding for each part that is lost.
    pub(super) const fn several(self) -> Damage {
        Damage { several: true, ..self }
    }

    /// The finding reaches these.
    pub(super) const fn reaching(self, reach: Reach) -> Damage {
        Damage { reach, ..self }
    }

    /// Writes the sample to `root`, which must be empty or absent, and damages it.
    ///
    /// # Errors
    /// What the system says.
    pub fn apply(&self, root: &Path) -> io::Result<Damaged> {
        let mut sample = sample()?;
        if let How::Model(change) = self.how {
            change(&mut sample)?;
        }
        sample.store.write(root)?;
        if let How::Files(change) = self.how {
            change(&sample, root)?;
        }
        let refusal = match self.how {
            How::Reads(refusal) => Some(refusal(&sample)),
            How::Model(_) | How::Files(_) => None,
        };
        Ok(Damaged { subject: (self.subject)(&sample), sample, refusal })
    }

    /// All codes that it causes, at whatever depth.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> {
        [self.quick, self.blobs, self.full].into_iter().flatten()
    }
}
