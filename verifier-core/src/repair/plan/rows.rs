//! Databases that are damaged, and single rows that are wrong.

use std::path::Path;

use super::{ActionKind, Draft, Planner, Why};
use crate::finding::{Cure, Finding, FindingKind, Subject};
use crate::layout::META_DB;
use crate::scan::Mode;

impl Planner<'_> {
    /// A database of which a part, or all, cannot be read.
    pub(super) fn rebuild(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        if self.mode == Mode::Live {
            return Err(Why::Live);
        }
        let database = match &finding.subject {
            Subject::Database { path } | Subject::Record { database: path, .. } => path.clone(),
            // Of the store as a whole only meta.db can be missing.
            Subject::Store => META_DB.into(),
            _ => return Err(Why::ByHand),
        };
        draft.act(finding, ActionKind::Rebuild { database }, 0, 0);
        Ok(())
    }

    /// A value that does not decode. A time or a label is dropped alone, others with the record that means nothing without them;
    /// but not of a snapshot's row, without which its folder would be nobody's.
    pub(super) fn value(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let Subject::Record { database, path } = &finding.subject else { return Err(Why::ByHand) };
        // What is no text is shown with replacements, and so cannot be named.
        if path.iter().any(|name| name.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(Why::ByHand);
        }
        let can_go = match path.as_slice() {
            [.., bucket, _] if bucket == "labels" => true,
            [.., key] => ["createdat", "updatedat", "expireat"].contains(&key.as_str()),
            [] => false,
        };
        if can_go {
            let (database, path) = (database.clone(), path.clone());
            return self.correct(finding, ActionKind::DropValue { database, path }, draft);
        }
        if database == Path::new(META_DB) { self.rebuild(finding, draft) } else { Err(Why::ByHand) }
    }

    /// A row that is wrong by what the store itself proves.
    pub(super) fn row(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let kind = match (&finding.kind, &finding.subject) {
            (FindingKind::BlobRecordSizeWrong(wrong), Subject::Blob { digest }) => {
                ActionKind::SetBlobSize { digest: digest.clone(), size_bytes: wrong.size_bytes }
            }
            (FindingKind::SnapshotSequenceBehind(behind), Subject::Record { database, path }) => {
                let (database, bucket) = (database.clone(), path.clone());
                ActionKind::SetSequence { database, bucket, sequence: behind.in_use }
            }
            (FindingKind::SnapshotIndexWrong(_), Subject::Record { database, .. }) => {
                ActionKind::IndexParents { database: database.clone() }
            }
            (FindingKind::SandboxInvalid(_), Subject::Record { path, .. }) => match path.as_slice() {
                [_, namespace, bucket, id] if bucket == "sandboxes" => {
                    ActionKind::ForgetSandbox { namespace: namespace.clone(), sandbox: id.clone() }
                }
                _ => return Err(Why::ByHand),
            },
            _ => return Err(Why::ByHand),
        };
        self.correct(finding, kind, draft)
    }

    fn correct(&self, finding: &Finding, kind: ActionKind, draft: &mut Draft) -> Result<(), Why> {
        if self.mode == Mode::Live {
            return Err(Why::Live);
        }
        // What a damaged database says is seen anew once it is rebuilt.
        if self.checked.report.findings.iter().any(is_damage_of_a_database) {
            return Err(Why::RebuildFirst);
        }
        draft.act(finding, kind, 0, 0);
        Ok(())
    }
}

fn is_damage_of_a_database(finding: &Finding) -> bool {
    finding.code().cure() == Cure::Rebuild
}
