//! Findings about records that disagree.

use verifier_core::digest::ChainId;
use verifier_core::finding::{Code, FindingKind, IndexEntry, LeftOver, SandboxFault, SnapshotKind, Subject};

use super::{digest, meta_db, snapshot};

/// What kind of finding `code` is and what it is about, if it is one of these.
pub(super) fn kind(code: Code) -> Option<(FindingKind, Subject)> {
    let record = |path: &[&str]| {
        let path = ["v1", "default"].iter().chain(path).map(|&part| part.to_owned()).collect();
        Subject::Record { database: meta_db(), path }
    };
    let chain = digest('c').to_string();
    let of_snapshot = record(&["snapshots", "overlayfs", &chain]);
    let key = |sequence: u64| format!("default/{sequence}/{}", digest('b'));
    Some(match code {
        Code::SnapshotRowMissing => (FindingKind::SnapshotRowMissing { backend_key: key(3) }, of_snapshot),
        Code::SnapshotUnreferenced => (FindingKind::SnapshotUnreferenced { committed: true }, snapshot(3)),
        Code::SnapshotParentMissing => (FindingKind::SnapshotParentMissing { parent: key(2) }, snapshot(3)),
        Code::SnapshotParentLoop => {
            (FindingKind::SnapshotParentLoop { keys: vec![key(3), key(4)] }, snapshot(3))
        }
        Code::SnapshotParentDiffers => {
            (FindingKind::SnapshotParentDiffers { expected: Some(key(2)), actual: None }, of_snapshot)
        }
        Code::SnapshotChainWrong => {
            let (expected, actual) = (Some(ChainId(digest('a'))), Some(ChainId(digest('b'))));
            let chain_id = ChainId(digest('c'));
            (FindingKind::SnapshotChainWrong { chain_id, expected, actual }, snapshot(3))
        }
        Code::SnapshotKindWrong => {
            (FindingKind::SnapshotKindWrong { found: SnapshotKind::Active, children: 2 }, snapshot(3))
        }
        Code::SnapshotUsageMissing => (FindingKind::SnapshotUsageMissing, snapshot(3)),
        Code::SnapshotIdShared => (FindingKind::SnapshotIdShared { others: vec![key(4)] }, snapshot(3)),
        Code::SnapshotIndexWrong => {
            let entry = IndexEntry::Missing;
            (
                FindingKind::SnapshotIndexWrong { parent_id: 2, child_id: 3, entry },
                record(&["parents", "2 3"]),
            )
        }
        Code::SnapshotSequenceBehind => (
            FindingKind::SnapshotSequenceBehind { sequence: 7, in_use: 12 },
            record(&["snapshots", "overlayfs"]),
        ),
        Code::SnapshotFolderUnreferenced => {
            let path = "io.containerd.snapshotter.v1.overlayfs/snapshots/17".into();
            (FindingKind::SnapshotFolderUnreferenced { why: LeftOver::NoRow }, Subject::Path { path })
        }
        Code::SnapshotUnowned => (FindingKind::SnapshotUnowned, of_snapshot),
        Code::LabelWrong => {
            let label = "containerd.io/gc.ref.content.config".to_owned();
            let subject = record(&["content", "blob", &digest('a').to_string(), "labels", &label]);
            let (value, expected) = (digest('b').to_string(), Some(digest('d').to_string()));
            (FindingKind::LabelWrong { label, value, expected }, subject)
        }
        Code::ContainerSnapshotMissing => (
            FindingKind::ContainerSnapshotMissing { snapshotter: "overlayfs".into(), key: "web".into() },
            record(&["containers", "web"]),
        ),
        Code::SandboxInvalid => {
            (FindingKind::SandboxInvalid { why: SandboxFault::NoMetadata }, record(&["sandboxes", "pod"]))
        }
        Code::LeaseResourceMissing => {
            let missing = vec![digest('a').to_string()];
            (
                FindingKind::LeaseResourceMissing { missing, ours: false, ends: None },
                record(&["leases", "keep"]),
            )
        }
        Code::LeaseExpired => (
            FindingKind::LeaseExpired { expired: "2026-01-02T03:04:05Z".into(), ours: false },
            record(&["leases", "keep"]),
        ),
        _ => return None,
    })
}
