//! What making a damaged database anew may cost: told before it is done.

use std::path::PathBuf;

use serde::Serialize;

use super::plan::{ActionKind, RepairPlan};
use crate::finding::Code;
use crate::layout::META_DB;
use crate::state::{StateDir, backups};

/// What goes with a damaged database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Toll {
    /// The database, below the root.
    pub database: PathBuf,
    /// What of it.
    #[serde(flatten)]
    pub kind: TollKind,
}

/// How much of a database goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "loses", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TollKind {
    /// All that is not told by what is on disk: names of images, containers, leases; or, of a snapshotter, what containers wrote.
    Everything,
    /// What was written since a backup was made.
    SinceBackup {
        /// When it was made: seconds since 1970.
        seconds: i64,
    },
    /// What the damaged part held.
    DamagedPart,
}

/// The newest copy of meta.db that a sweep kept and that can be read, and when it was made.
pub(super) fn newest_backup(state: Option<&StateDir>) -> Option<(i64, Vec<u8>)> {
    let kept = backups::list(state?, "meta");
    kept.iter().find_map(|backup| Some((backup.seconds, backups::open(backup).ok()?)))
}

/// What the rebuilds of `plan` may lose.
pub(super) fn of(plan: &RepairPlan, state: Option<&StateDir>) -> Vec<Toll> {
    let toll = |database: &PathBuf, codes: &[Code]| {
        let is_unusable =
            |code: &Code| matches!(code, Code::MetadataUnusable | Code::SnapshotterDatabaseUnusable);
        let backup = || newest_backup(state).filter(|_| database.as_os_str() == META_DB);
        let kind = match codes.iter().any(is_unusable) {
            false => TollKind::DamagedPart,
            true => backup().map_or(TollKind::Everything, |(seconds, _)| TollKind::SinceBackup { seconds }),
        };
        Toll { database: database.clone(), kind }
    };
    let rebuilds = plan.actions.iter().filter_map(|action| match &action.kind {
        ActionKind::Rebuild { database } => {
            Some(toll(database, &action.because.iter().map(|because| because.code).collect::<Vec<_>>()))
        }
        _ => None,
    });
    rebuilds.collect()
}
