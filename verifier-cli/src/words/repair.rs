//! What is done about a finding, and what is not, in words.

use verifier_core::finding::{Named, Role};
use verifier_core::repair::plan::{ActionKind, Allow, Refusal, SnapshotName, Why};
use verifier_core::repair::rebuild::{Lost, LostKind};

use super::subject;
use crate::render::{count_of, escape, escape_path};

/// What a rebuild could not bring back.
pub(crate) fn lost(lost: &Lost) -> String {
    let what = match lost.what {
        LostKind::Page => "what was on the",
        LostKind::Image => "the image name",
        LostKind::ImageName => "the name of the image",
        LostKind::Blob => "the record of the blob",
        LostKind::BlobFile => "the blob, which is damaged,",
        LostKind::Snapshot => "the snapshot",
        LostKind::Container => "the record of the container",
        LostKind::Value => "the value",
        _ => "the record",
    };
    format!("{what} {}", escape(&lost.key))
}

/// What an action does, in one line.
pub(crate) fn action(kind: &ActionKind) -> String {
    match kind {
        ActionKind::Rebuild { database } => {
            format!("make {} anew from what is readable", escape_path(database))
        }
        ActionKind::SetBlobSize { digest, size_bytes } => {
            format!("correct the recorded size of blob {digest} to {size_bytes} bytes")
        }
        ActionKind::SetSequence { database, bucket, sequence } => {
            format!("have {} count on from {sequence} ({})", escape_path(database), escape(bucket.join("/")))
        }
        ActionKind::IndexParents { database } => {
            format!("write the index of parents in {} anew from its rows", escape_path(database))
        }
        ActionKind::DropValue { database, path } => {
            format!("drop the value {} from {}", escape(path.join("/")), escape_path(database))
        }
        ActionKind::ForgetSandbox { namespace, sandbox } => {
            format!("take out the record of sandbox {} ({})", escape(sandbox), escape(namespace))
        }
        ActionKind::MakeFolder { path } => format!("make the folder {}, empty", escape_path(path)),
        ActionKind::TakeOut { path } => format!("move {} out", escape_path(path)),
        ActionKind::Replace { digest, source } => {
            format!("put the right bytes of blob {digest} in its place, from {}", escape(source))
        }
        ActionKind::Restore { snapshotter, backend_key, id, .. } => format!(
            "put {} snapshot {id} ({}) right from its layer",
            escape(snapshotter),
            escape(backend_key)
        ),
        ActionKind::EvictSnapshots { snapshots, .. } => {
            let names: Vec<String> = snapshots.iter().map(snapshot).collect();
            let (count, names) = (count_of(names.len(), "snapshot"), names.join(", "));
            format!("take out {count}, to be unpacked again: {names}")
        }
        ActionKind::EvictBlob { digest, role } => {
            format!("take out blob {digest}{}, to be pulled again", role_of(*role))
        }
        ActionKind::ForgetImage { namespace, name } => format!(
            "take out the image name {} ({}), to be pulled again; its intact blobs stay",
            escape(name),
            escape(namespace)
        ),
        other => escape(format!("{other:?}")),
    }
}

fn snapshot(name: &SnapshotName) -> String {
    format!("{} {}", escape(&name.snapshotter), escape(&name.backend_key))
}

fn role_of(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Index) => " (index)",
        Some(Role::Manifest) => " (manifest)",
        Some(Role::Config) => " (config)",
        Some(Role::Layer) => " (layer)",
        _ => "",
    }
}

/// What is left alone and why, in one line.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    format!("{} {}: {}", refusal.code, subject(&refusal.subject), why(&refusal.why))
}

fn why(why: &Why) -> String {
    match why {
        Why::HealsItself => "breaks nothing, and containerd puts it right by itself".into(),
        Why::MadeWrong => "the bytes are what the registry serves: the image has to be built again".into(),
        Why::Medium => "the medium fails: look at the kernel's log and the disk's health first".into(),
        Why::ByHand => "not done by this command; 'containerd-fsck explain' says what to do".into(),
        Why::NotAsked { verb } => format!("would be healed by '{}', which --only leaves out", verb.as_str()),
        Why::Protected { allow, by } => {
            let by: Vec<String> = by.iter().map(escape).collect();
            format!(
                "{} (--allow {} does it all the same): {}",
                protection(*allow),
                flag(*allow),
                by.join(", ")
            )
        }
        Why::Containers { containers } => {
            format!("containers stand on it; stop and remove them first: {}", names(containers))
        }
        Why::Snapshots { keys } => {
            let keys: Vec<String> = keys.iter().map(escape).collect();
            format!("snapshots that are no image's stand on it: {}", keys.join(", "))
        }
        Why::Mounted { how } => format!("{}; stop what uses it first", escape(how)),
        Why::RebuildFirst => "a damaged database is made anew first".into(),
        Why::Live => "containerd may be at work on it; stop containerd first".into(),
        Why::NoLayer => "no layer is known from which it could be unpacked again".into(),
        other => escape(format!("{other:?}")),
    }
}

fn names(containers: &[Named]) -> String {
    containers.iter().map(super::named).collect::<Vec<_>>().join(", ")
}

fn protection(allow: Allow) -> &'static str {
    match allow {
        Allow::Unpullable => "no registry is known to have it",
        Allow::Pinned => "it is pinned",
        Allow::Leased => "a lease holds it",
        Allow::InUse => "containers were made from it",
    }
}

fn flag(allow: Allow) -> &'static str {
    match allow {
        Allow::Unpullable => "unpullable",
        Allow::Pinned => "pinned",
        Allow::Leased => "leased",
        Allow::InUse => "in-use",
    }
}
