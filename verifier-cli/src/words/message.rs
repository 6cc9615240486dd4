//! What is wrong, in one sentence.

use verifier_core::finding::{
    Finding, FindingKind, Named, Role, StaleIngest, Subject, TreeDamage, Unparsable, Unusable, Usage,
};

use crate::render::{count, errno, escape, escape_path, exact, size};

/// What is wrong and with what, in one line that names the subject first. All in it is escaped.
pub(crate) fn message(finding: &Finding) -> String {
    format!("{}: {}", heading(finding), fault(finding))
}

/// The subject, and what it is to an image where that is known.
pub(crate) fn heading(finding: &Finding) -> String {
    let role = match &finding.kind {
        FindingKind::BlobMissing { role, .. }
        | FindingKind::BlobDigestMismatch { role, .. }
        | FindingKind::BlobSizeMismatch { role, .. }
        | FindingKind::BlobUnreadable { role, .. }
        | FindingKind::BlobNotRegular { role, .. } => *role,
        FindingKind::ManifestUnparsable { role, .. } => Some(*role),
        FindingKind::LayerDiffIdMismatch { .. } | FindingKind::LayerInvalid { .. } => Some(Role::Layer),
        _ => None,
    };
    let role = role.map(|role| format!(" ({})", role_name(role))).unwrap_or_default();
    subject(&finding.subject) + &role
}

/// What it is about, as the operator would name it.
pub(crate) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Store => "the store".into(),
        Subject::Blob { digest } => format!("blob {digest}"),
        Subject::Image { namespace, name } => format!("image {} in {}", escape(name), escape(namespace)),
        Subject::Ingest { folder } => format!("ingest {}", escape_path(folder)),
        Subject::Snapshot { snapshotter, key, id } => {
            format!("{} snapshot {id} ({})", escape(snapshotter), escape(key))
        }
        Subject::Database { path } => format!("database {}", escape_path(path)),
        Subject::Record { database, path } => {
            let path: Vec<String> = path.iter().map(escape).collect();
            format!("record {} in {}", path.join(" / "), escape_path(database))
        }
        Subject::Path { path } => escape_path(path),
        other => escape(format!("{other:?}")),
    }
}

/// An image or a container with its namespace.
pub(crate) fn named(named: &Named) -> String {
    format!("{} ({})", escape(&named.name), escape(&named.namespace))
}

/// What is wrong with the subject.
pub(crate) fn fault(finding: &Finding) -> String {
    match &finding.kind {
        FindingKind::BlobMissing { size_bytes, .. } => {
            let of = size_bytes.map(|bytes| format!(" of {}", size(bytes))).unwrap_or_default();
            format!("is recorded, but its file{of} is gone")
        }
        FindingKind::BlobDigestMismatch { actual, size_bytes, recorded_size_bytes, .. } => {
            digest_mismatch(actual, *size_bytes, *recorded_size_bytes)
        }
        FindingKind::BlobSizeMismatch { recorded_size_bytes, size_bytes, .. } => {
            format!("its file has {}, its record says {}", exact(*size_bytes), exact(*recorded_size_bytes))
        }
        FindingKind::BlobUnreadable { errno: number, .. } => {
            format!("its file cannot be read: {}", errno(*number))
        }
        FindingKind::BlobNotRegular { found, .. } => format!("where its file should be there is a {found}"),
        FindingKind::ManifestUnparsable { why, .. } => unparsable(why),
        kind => other_fault(kind),
    }
}

fn digest_mismatch(actual: &impl std::fmt::Display, bytes: u64, recorded: Option<u64>) -> String {
    match recorded {
        Some(recorded) if recorded != bytes => format!(
            "its bytes hash to {actual}; there are {} of them, its record says {}",
            crate::render::thousands(bytes),
            crate::render::thousands(recorded)
        ),
        _ => format!("its {} hash to {actual}", exact(bytes)),
    }
}

fn other_fault(kind: &FindingKind) -> String {
    match kind {
        FindingKind::BlobUnreferenced { size_bytes } => {
            format!("holds {} that no record, lease or download names", size(*size_bytes))
        }
        FindingKind::BlobUnreferencedCorrupt { actual, size_bytes } => format!(
            "no record names it, and its {} hash to {actual}: a pull would adopt them",
            exact(*size_bytes)
        ),
        FindingKind::BlobNameInvalid { found } => {
            format!("a {found} whose name is no digest; containerd's garbage collection stops at it")
        }
        FindingKind::BlobRecordSizeWrong { recorded_size_bytes, size_bytes } => format!(
            "its {} are right, but its record says {}",
            exact(*size_bytes),
            exact(*recorded_size_bytes)
        ),
        FindingKind::ImageTargetMissing { target } => {
            format!("its target {target} has neither a record nor a file")
        }
        FindingKind::ImageConfigMissing { manifest, config } => {
            format!("config {config} of manifest {manifest} has neither a record nor a file")
        }
        FindingKind::LayerDiffIdMismatch { expected, actual } => {
            format!("unpacks to a tar that hashes to {actual}; the image's config says {expected}")
        }
        FindingKind::LayerInvalid { error } => {
            format!("has the right digest, but cannot be unpacked: {}", escape(error))
        }
        FindingKind::IngestStale { why, size_bytes } => stale_ingest(*why, *size_bytes),
        _ => metadata_fault(kind),
    }
}

fn metadata_fault(kind: &FindingKind) -> String {
    match kind {
        FindingKind::MetadataValueInvalid { error } => {
            format!("its value is none that containerd writes: {}", escape(error))
        }
        FindingKind::MetadataUnusable { why, blobs, snapshots } => format!(
            "{}, while {} and {} are on disk. A containerd that is started now {}",
            unusable(why),
            count(*blobs, "blob"),
            count(*snapshots, "snapshot"),
            match why {
                Unusable::Absent | Unusable::Empty =>
                    "takes the store for empty, and deletes all of them after the first pull",
                _ => "cannot open it, and serves none of them",
            }
        ),
        FindingKind::SnapshotterDatabaseUnusable { why } => {
            format!("{}; no snapshot of this snapshotter can be used", unusable(why))
        }
        FindingKind::PathUnreadable { errno: number } => format!("cannot be read: {}", errno(*number)),
        _ => snapshot_fault(kind),
    }
}

fn snapshot_fault(kind: &FindingKind) -> String {
    match kind {
        FindingKind::SnapshotFolderMissing { .. } => "is recorded, but its folder is gone".into(),
        FindingKind::SnapshotUsageDiffers { recorded, actual } => {
            format!("occupies {}; when it was committed, it was {}", usage(*actual), usage(*recorded))
        }
        FindingKind::SnapshotDiffers(damage) => tree_damage(damage),
        other => super::database::fault(other)
            .or_else(|| super::own_files::fault(other))
            .unwrap_or_else(|| super::cross::fault(other)),
    }
}

/// How many paths differ, and in what.
fn tree_damage(damage: &TreeDamage) -> String {
    let kinds: Vec<String> = damage
        .counts
        .iter()
        .map(|(kind, number)| format!("{}: {}", escape(kind), crate::render::thousands(*number)))
        .collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let verb = if damage.paths == 1 { "is" } else { "are" };
    format!(
        "{} {verb} not as its layer made them{kinds}; layer {}",
        count(damage.paths, "path"),
        damage.layer
    )
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Index => "index",
        Role::Manifest => "manifest",
        Role::Config => "config",
        Role::Layer => "layer",
        Role::Other => "referenced content",
    }
}

/// What a snapshot occupies, in words.
pub(super) fn usage(usage: Usage) -> String {
    format!("{} in {}", exact(usage.size_bytes), count(usage.inodes, "inode"))
}

fn unparsable(why: &Unparsable) -> String {
    match why {
        Unparsable::Json { error } => format!("has the right digest, but cannot be read: {}", escape(error)),
        Unparsable::TooLarge { size_bytes, limit_bytes } => {
            format!("has {}, more than the {} that are read of one", exact(*size_bytes), exact(*limit_bytes))
        }
        Unparsable::TooManyLevels { limit } => {
            format!("nests or names more than the {limit} indexes that are followed")
        }
        other => escape(format!("cannot be used: {other:?}")),
    }
}

fn stale_ingest(why: StaleIngest, bytes: u64) -> String {
    let why = match why {
        StaleIngest::NoRecord => "metadata no longer knows it",
        StaleIngest::NoRef => "it does not say what it is for",
    };
    format!("{} of a download that nothing will finish: {why}", size(bytes))
}

/// Why a database cannot be used.
pub(super) fn unusable(why: &Unusable) -> String {
    match why {
        Unusable::Absent => "is gone".into(),
        Unusable::Empty => "has 0 bytes".into(),
        Unusable::NoMeta { error } => format!("has no valid meta page ({})", escape(error)),
        Unusable::NotRegular { found } => format!("is a {found}"),
        other => escape(format!("cannot be used: {other:?}")),
    }
}
