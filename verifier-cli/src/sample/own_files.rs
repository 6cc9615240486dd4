//! Findings about what is absent as a whole, about containerd's own files, and about leaks.

use std::path::PathBuf;

use verifier_core::digest::ChainId;
use verifier_core::finding::{Code, ErofsFault, FindingKind, Kept, StatusFault, Subject, UuidFault};
use verifier_core::finding::{
    ContainerFolderMissing, ContainerStatusInvalid, ContentMissing, CriLeftover, ErofsLayerInvalid,
    GcRootUnreached, ImageNotRunnable, LeaseEndless, RootEntryForeign, SnapshotterMissing, TmpmountLeftover,
    UuidEmpty, UuidInvalid,
};
use verifier_core::io::FileKind;

use super::{digest, image, meta_db, snapshot};

/// What kind of finding `code` is and what it is about, if it is one of these.
pub(super) fn kind(code: Code) -> Option<(FindingKind, Subject)> {
    let path = |path: &str| Subject::Path { path: PathBuf::from(path) };
    let record = |path: &[&str]| {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        Subject::Record { database: meta_db(), path }
    };
    let uuid = || path("io.containerd.grpc.v1.introspection/uuid");
    let container = "io.containerd.grpc.v1.cri/containers/0123abcd";
    let since = || "2026-01-02T03:04:05Z".to_owned();
    let kept = Kept { blobs: 2, blob_bytes: 60 << 20, snapshots: 1, snapshot_bytes: 3 << 20 };
    Some(match code {
        Code::SnapshotterMissing => (
            SnapshotterMissing { snapshots: 12, is_empty: true }.into(),
            path("io.containerd.snapshotter.v1.overlayfs"),
        ),
        Code::ContentMissing => {
            (ContentMissing { blobs: 31 }.into(), path("io.containerd.content.v1.content"))
        }
        Code::ErofsLayerInvalid => {
            let (why, chain_id) = (ErofsFault::Magic { found: 0 }, Some(ChainId(digest('c'))));
            (ErofsLayerInvalid { why, chain_id }.into(), snapshot(3))
        }
        Code::RootEntryForeign => (RootEntryForeign { found: FileKind::File }.into(), path("tmpmounts")),
        Code::UuidInvalid => (UuidInvalid { why: UuidFault::Zeros { size_bytes: 36 } }.into(), uuid()),
        Code::UuidEmpty => (UuidEmpty {}.into(), uuid()),
        Code::ContainerFolderMissing => {
            let kind: FindingKind = ContainerFolderMissing {
                folder: container.into(),
                image: "registry.example/web:1".into(),
                snapshotter: "overlayfs".into(),
                snapshot_key: "0123abcd".into(),
            }
            .into();
            (kind, record(&["v1", "k8s.io", "containers", "0123abcd"]))
        }
        Code::ContainerStatusInvalid => {
            (ContainerStatusInvalid { why: StatusFault::Json }.into(), path(&format!("{container}/status")))
        }
        Code::CriLeftover => (CriLeftover {}.into(), path(&format!("{container}.del-status"))),
        Code::TmpmountLeftover => (TmpmountLeftover {}.into(), path("tmpmounts/containerd-mount123")),
        Code::ImageNotRunnable => {
            let (machine, platforms) = ("linux/amd64".into(), vec!["linux/s390x".into()]);
            (ImageNotRunnable { machine, platforms }.into(), image())
        }
        Code::LeaseEndless => {
            let (oldest, since) = ("build-7".into(), since());
            let kind: FindingKind = LeaseEndless { leases: 4, oldest, since, kept }.into();
            (kind, record(&["v1", "default", "leases"]))
        }
        Code::GcRootUnreached => {
            (GcRootUnreached { since: since(), kept }.into(), record(&["v1", "default"]))
        }
        _ => return None,
    })
}
