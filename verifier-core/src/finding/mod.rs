//! What can be wrong with a store: data, never a sentence.
//!
//! A [`Finding`] is a [`FindingKind`] with its evidence, the [`Subject`] it is about and the [`BlastRadius`]: the
//! namespaces, images and containers that the damage reaches. [`Code`] names each kind for scripts; codes are stable.
//! The letters F1 to F18 in the comments are the failure modes that were reproduced on real containerds; each has a
//! damage in the `testdata` crate that causes exactly it.

mod code;
mod coverage;
mod difference;
mod evidence;
mod kind;
mod subject;

use serde::Serialize;

pub use code::{Code, Severity, UnknownCode};
pub use coverage::{Coverage, Depth, Reason, Tally, Unverified};
pub use difference::{Difference, DifferenceKind};
pub use evidence::{
    ErofsFault, IndexEntry, Kept, LastTransaction, LeftOver, Role, SandboxFault, SnapshotKind, StaleIngest,
    StatusFault, TreeDamage, Unparsable, Unusable, Usage, UuidFault,
};
pub use kind::FindingKind;
pub(crate) use subject::lossy;
pub use subject::{BlastRadius, Named, Subject};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong, with the evidence.
    pub kind: FindingKind,
    /// What it is about.
    pub subject: Subject,
    /// What it reaches.
    pub blast: BlastRadius,
}

impl Finding {
    /// The stable name of the kind.
    #[must_use]
    pub fn code(&self) -> Code {
        self.kind.code()
    }

    /// How bad it is: a function of the kind.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code().severity()
    }
}
