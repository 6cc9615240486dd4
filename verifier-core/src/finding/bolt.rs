//! What can be wrong with the pages of a database.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::bolt::{FaultKind, Hides, MetaFault};
use crate::text::{escape, thousands};

/// F11c: one of the two meta pages is invalid; the other, perhaps one transaction back, is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoltMetaInvalid {
    pub page: usize,
    #[serde(serialize_with = "crate::text::as_text")]
    pub error: MetaFault,
    pub used_txid: u64,
    pub last_transaction: LastTransaction,
}

impl Fault for BoltMetaInvalid {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/bolt-meta-invalid.txt");

    fn sentence(&self) -> String {
        let BoltMetaInvalid { page, error, used_txid, last_transaction } = self;
        let lost = match last_transaction {
            LastTransaction::MetaTorn => "the transaction after that is lost",
            LastTransaction::Unknown => "whether there was one after that cannot be told",
            LastTransaction::Whole | LastTransaction::PagesTorn | LastTransaction::Damaged => {
                "that is the last one, and nothing is lost"
            }
        };
        let other = 1 - (*page).min(1);
        format!(
            "meta page {page} is invalid ({error}); page {other}, of transaction {used_txid}, is in use: {lost}"
        )
    }

    fn by_hand(&self) -> &'static str {
        "Nothing now: containerd starts on the other meta page, and its next write makes this one good again. \
         The last change before the crash may be lost."
    }
}

/// F11d: a page that breaks a rule of the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoltPageInvalid {
    pub pgid: u64,
    pub bucket: Vec<String>,
    /// The least key that the page can hold, where that is known.
    pub from: Option<String>,
    /// The key that is greater than all that the page can hold, where that is known.
    pub to: Option<String>,
    pub hides: Hides,
    /// Whether it may be a page that the last transaction did not get to write; the state before is whole then.
    pub torn: bool,
    #[serde(serialize_with = "crate::text::as_text")]
    pub error: FaultKind,
}

impl Fault for BoltPageInvalid {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::Rebuild;
    const PAGE: &'static str = include_str!("pages/bolt-page-invalid.txt");

    fn sentence(&self) -> String {
        let bucket: Vec<String> = self.bucket.iter().map(escape).collect();
        let of = if bucket.is_empty() { String::new() } else { format!(" of {}", bucket.join(" / ")) };
        let hides = match self.hides {
            Hides::Nothing => String::new(),
            Hides::Unknown => "; how much it held is unknown".into(),
            Hides::Elements { claimed, read } => {
                let (read, claimed) = (thousands(read), thousands(claimed));
                format!("; {read} of the {claimed} entries that it claims can be read")
            }
        };
        let torn = match self.torn {
            true => ". Only the last transaction wrote it, and the state before is whole",
            false => "",
        };
        format!("page {}{of}{} breaks the format: {}{hides}{torn}", self.pgid, self.keys(), self.error)
    }

    fn by_hand(&self) -> &'static str {
        "Stop containerd and copy the file elsewhere before it is written again: containerd may refuse to start \
         on it, and each write may lose more."
    }
}

impl BoltPageInvalid {
    /// The keys that the page can hold, in words.
    fn keys(&self) -> String {
        match (&self.from, &self.to) {
            _ if self.hides == Hides::Nothing => String::new(),
            (None, None) => String::new(),
            (Some(from), None) => format!(", with the keys from {} on,", escape(from)),
            (None, Some(to)) => format!(", with the keys before {},", escape(to)),
            (Some(from), Some(to)) if *to == format!("{from}\0") => {
                format!(", with the bucket {},", escape(from))
            }
            (Some(from), Some(to)) => format!(", with keys from {} to {},", escape(from), escape(to)),
        }
    }
}

/// What became of a database's last transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastTransaction {
    /// All of it can be read.
    Whole,
    /// Its meta page is not valid: the state before it is in use.
    MetaTorn,
    /// Its meta page was written; pages that only it wrote were not, and the state before it is whole.
    PagesTorn,
    /// Some of the database is damaged in a way that no half-written transaction explains.
    Damaged,
    /// A meta page is not valid, and nothing tells whether it was the later one.
    Unknown,
}
