//! What is wrong with parts that are absent as a whole, with containerd's own files and with what nothing else keeps, and what to
//! do about it.

use verifier_core::finding::{ErofsFault, FindingKind, Kept, StatusFault, UuidFault};

use crate::render::{count, escape, escape_path, exact, size};

/// What is wrong with the subject, for these kinds.
pub(super) fn fault(kind: &FindingKind) -> Option<String> {
    Some(match kind {
        FindingKind::SnapshotterMissing { snapshots, is_empty } => format!(
            "{}, while meta.db has {} of this snapshotter",
            if *is_empty { "there is nothing in it" } else { "the folder is gone" },
            count(*snapshots, "snapshot")
        ),
        FindingKind::ContentMissing { blobs } => {
            format!("there is no content in it, while meta.db has {}", count(*blobs, "blob"))
        }
        FindingKind::ErofsLayerInvalid { why, .. } => format!("its layer.erofs {}", erofs(why)),
        FindingKind::RootEntryForeign { found } => {
            format!("is a {found}, where containerd needs a folder")
        }
        FindingKind::UuidInvalid { why } => uuid(*why),
        FindingKind::UuidEmpty => "has 0 bytes where a UUID should be".into(),
        FindingKind::ContainerFolderMissing { folder, snapshotter, snapshot_key, .. } => format!(
            "CRI's folder {} is gone; the record still holds the {} snapshot {}",
            escape_path(folder),
            escape(snapshotter),
            escape(snapshot_key)
        ),
        FindingKind::ContainerStatusInvalid { why } => status(*why),
        FindingKind::CriLeftover => "left by a write or a removal that was cut off".into(),
        FindingKind::TmpmountLeftover => "left by a pull that was cut off".into(),
        FindingKind::ImageNotRunnable { machine, platforms } => {
            let platforms: Vec<String> = platforms.iter().map(escape).collect();
            format!("is here for {} only; this machine is {}", platforms.join(", "), escape(machine))
        }
        FindingKind::LeaseEndless { leases, oldest, since, kept } => format!(
            "{} without an end, the oldest ({}) of {}, hold {} that nothing else keeps",
            count(*leases, "lease"),
            escape(oldest),
            escape(since),
            held(kept)
        ),
        FindingKind::GcRootUnreached { since, kept } => format!(
            "the label containerd.io/gc.root, the oldest of {}, holds {} that no image or container needs",
            escape(since),
            held(kept)
        ),
        _ => return None,
    })
}

fn erofs(why: &ErofsFault) -> String {
    match why {
        ErofsFault::Missing => "is gone".into(),
        ErofsFault::NotRegular { found } => format!("is a {found}"),
        ErofsFault::Empty => "has 0 bytes".into(),
        ErofsFault::Magic { found: 0 } => "begins with zeros: it was never written out".into(),
        ErofsFault::Magic { found } => format!("is no erofs image (magic number {found:#010x})"),
        ErofsFault::Checksum { recorded, actual } => {
            format!("has a damaged superblock (checksum {actual:#010x}, should be {recorded:#010x})")
        }
        ErofsFault::Short { size_bytes, expected_bytes } => {
            format!("has {}, should have {}", exact(*size_bytes), exact(*expected_bytes))
        }
        ErofsFault::Occupies { size_bytes, recorded_bytes } => format!(
            "occupies {}; when it was committed, it was {}",
            exact(*size_bytes),
            exact(*recorded_bytes)
        ),
        other => escape(format!("{other:?}")),
    }
}

fn uuid(why: UuidFault) -> String {
    match why {
        UuidFault::Zeros { size_bytes } => format!("{} of zeros where a UUID should be", exact(size_bytes)),
        UuidFault::Text { size_bytes } => format!("{} that are no UUID", exact(size_bytes)),
        UuidFault::NotRegular { found } => format!("is a {found}"),
        other => escape(format!("{other:?}")),
    }
}

fn status(why: StatusFault) -> String {
    match why {
        StatusFault::Missing => "is gone: CRI lists the container as unknown".into(),
        StatusFault::Empty => "has 0 bytes: CRI lists the container as unknown".into(),
        StatusFault::Json => "cannot be read: CRI lists the container as unknown".into(),
        StatusFault::NotRegular { found } => format!("is a {found}: CRI lists the container as unknown"),
        other => escape(format!("{other:?}")),
    }
}

fn held(kept: &Kept) -> String {
    let mut parts = Vec::new();
    if kept.blobs > 0 {
        parts.push(format!("{} of {}", count(kept.blobs, "blob"), size(kept.blob_bytes)));
    }
    if kept.snapshots > 0 {
        let bytes = match kept.snapshot_bytes {
            0 => String::new(),
            bytes => format!(" (committed: {})", size(bytes)),
        };
        parts.push(format!("{}{bytes}", count(kept.snapshots, "snapshot")));
    }
    parts.join(" and ")
}

/// What to do now, for these kinds.
pub(super) fn advice(kind: &FindingKind) -> Option<&'static str> {
    Some(match kind {
        FindingKind::SnapshotterMissing { .. } => {
            "Do not start containerd: it would make an empty folder, and every pull and container would fail on what \
             meta.db still says. Mount the disk that belongs there, or put the folder back. If the snapshotter's \
             root_path is configured elsewhere, nothing is wrong: check that folder's disk. If it is lost, remove the \
             images and containers by name (ctr), and pull again."
        }
        FindingKind::ContentMissing { .. } => {
            "Do not start containerd. Mount the disk that belongs there, or put the folder back. If it is lost, \
             containers run on as long as their snapshots exist; remove every name of the images and pull them again."
        }
        FindingKind::ErofsLayerInvalid { .. } => {
            "Start no container on it. Pulling again changes nothing while the snapshot is recorded: remove it and the \
             snapshots above it (ctr snapshots rm, the topmost first), then pull the image again; layers that are here \
             and intact are not fetched."
        }
        FindingKind::RootEntryForeign { .. } => {
            "Move it away while containerd is stopped; containerd makes the folder when it starts. A link may lead to a \
             disk that is not mounted: mount that instead."
        }
        FindingKind::UuidInvalid { .. } | FindingKind::UuidEmpty => {
            "Delete the file, also while containerd runs: the next call writes a new one. Nothing depends on the old \
             value."
        }
        FindingKind::ContainerFolderMissing { .. } => {
            "Make the folder, empty, with mode 0755, while containerd is stopped: then CRI lists the container as unknown, \
             and the kubelet removes it with its snapshot."
        }
        FindingKind::ContainerStatusInvalid { .. } => {
            "Nothing: the kubelet removes the container and creates it again. Its exit code and times are lost."
        }
        FindingKind::CriLeftover | FindingKind::TmpmountLeftover => {
            "Move it away while containerd is stopped and nothing is mounted there; it does no harm."
        }
        FindingKind::ImageNotRunnable { .. } => {
            "If containers are to run from it here, pull it for this machine (ctr images pull --platform). Images that \
             are kept for other machines may stay as they are."
        }
        FindingKind::LeaseEndless { .. } => {
            "Nothing, while the client that made them lives (builders hold their cache so). If it is gone, remove its \
             leases (ctr leases ls, ctr leases rm): the next collection frees what they held."
        }
        FindingKind::GcRootUnreached { .. } => {
            "Nothing, if somebody wants it. Else remove the snapshots (ctr snapshots rm), or the label of the blobs (ctr \
             content label DIGEST containerd.io/gc.root=): the next collection frees them."
        }
        FindingKind::LeaseResourceMissing { ours: true, .. }
        | FindingKind::LeaseExpired { ours: true, .. } => {
            "Nothing: a repair of this tool made it, to keep intact layers until they are pulled again. It ends by itself, \
             and containerd then removes it."
        }
        _ => return None,
    })
}
