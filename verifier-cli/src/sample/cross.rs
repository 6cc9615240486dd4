//! Findings about records that disagree.

use verifier_core::digest::ChainId;
use verifier_core::finding::{Code, FindingKind, IndexEntry, LeftOver, SandboxFault, SnapshotKind, Subject};
use verifier_core::finding::{
    ContainerSnapshotMissing, LabelWrong, LeaseExpired, LeaseResourceMissing, SandboxInvalid,
    SnapshotChainWrong, SnapshotFolderUnreferenced, SnapshotIdShared, SnapshotIndexWrong, SnapshotKindWrong,
    SnapshotParentDiffers, SnapshotParentLoop, SnapshotParentMissing, SnapshotRowMissing,
    SnapshotSequenceBehind, SnapshotUnowned, SnapshotUnreferenced, SnapshotUsageMissing,
};

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
        Code::SnapshotRowMissing => (SnapshotRowMissing { backend_key: key(3) }.into(), of_snapshot),
        Code::SnapshotUnreferenced => (SnapshotUnreferenced { committed: true }.into(), snapshot(3)),
        Code::SnapshotParentMissing => (SnapshotParentMissing { parent: key(2) }.into(), snapshot(3)),
        Code::SnapshotParentLoop => (SnapshotParentLoop { keys: vec![key(3), key(4)] }.into(), snapshot(3)),
        Code::SnapshotParentDiffers => {
            (SnapshotParentDiffers { expected: Some(key(2)), actual: None }.into(), of_snapshot)
        }
        Code::SnapshotChainWrong => {
            let (expected, actual) = (Some(ChainId(digest('a'))), Some(ChainId(digest('b'))));
            let chain_id = ChainId(digest('c'));
            (SnapshotChainWrong { chain_id, expected, actual }.into(), snapshot(3))
        }
        Code::SnapshotKindWrong => {
            (SnapshotKindWrong { found: SnapshotKind::Active, children: 2 }.into(), snapshot(3))
        }
        Code::SnapshotUsageMissing => (SnapshotUsageMissing {}.into(), snapshot(3)),
        Code::SnapshotIdShared => (SnapshotIdShared { others: vec![key(4)] }.into(), snapshot(3)),
        Code::SnapshotIndexWrong => {
            let entry = IndexEntry::Missing;
            (SnapshotIndexWrong { parent_id: 2, child_id: 3, entry }.into(), record(&["parents", "2 3"]))
        }
        Code::SnapshotSequenceBehind => {
            (SnapshotSequenceBehind { sequence: 7, in_use: 12 }.into(), record(&["snapshots", "overlayfs"]))
        }
        Code::SnapshotFolderUnreferenced => {
            let path = "io.containerd.snapshotter.v1.overlayfs/snapshots/17".into();
            (SnapshotFolderUnreferenced { why: LeftOver::NoRow }.into(), Subject::Path { path })
        }
        Code::SnapshotUnowned => (SnapshotUnowned {}.into(), of_snapshot),
        Code::LabelWrong => {
            let label = "containerd.io/gc.ref.content.config".to_owned();
            let subject = record(&["content", "blob", &digest('a').to_string(), "labels", &label]);
            let (value, expected) = (digest('b').to_string(), Some(digest('d').to_string()));
            (LabelWrong { label, value, expected }.into(), subject)
        }
        Code::ContainerSnapshotMissing => (
            ContainerSnapshotMissing { snapshotter: "overlayfs".into(), key: "web".into() }.into(),
            record(&["containers", "web"]),
        ),
        Code::SandboxInvalid => {
            (SandboxInvalid { why: SandboxFault::NoMetadata }.into(), record(&["sandboxes", "pod"]))
        }
        Code::LeaseResourceMissing => {
            let missing = vec![digest('a').to_string()];
            (LeaseResourceMissing { missing, ours: false, ends: None }.into(), record(&["leases", "keep"]))
        }
        Code::LeaseExpired => (
            LeaseExpired { expired: "2026-01-02T03:04:05Z".into(), ours: false }.into(),
            record(&["leases", "keep"]),
        ),
        _ => return None,
    })
}
