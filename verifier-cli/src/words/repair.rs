//! What is done about a finding, and what is not, in words.

use std::path::Path;

use rustix::io::Errno;
use verifier_core::CheckError;
use verifier_core::finding::{Named, Role};
use verifier_core::repair::apply::ApplyError;
use verifier_core::repair::plan::{ActionKind, Allow, Refusal, SnapshotName, Why};
use verifier_core::repair::rebuild::{Lost, LostKind};
use verifier_core::repair::{Pull, RepairError, Repaired, Room, Toll, TollKind};

use super::subject;
use crate::render::{count_of, date, escape, escape_path, size};

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
        LostKind::Sandbox => "the record of the sandbox",
        LostKind::Value => "the value",
        _ => "the record",
    };
    format!("{what} {}", escape(&lost.key))
}

/// What goes with a damaged database, in one line.
pub(crate) fn toll(toll: &Toll) -> String {
    let database = escape_path(&toll.database);
    let is_meta = toll.database.ends_with("meta.db");
    match toll.kind {
        TollKind::Everything if is_meta => format!(
            "{database} is made anew from nothing: the names of all images, all containers, leases and labels will be lost"
        ),
        TollKind::Everything => format!(
            "{database} is made anew from nothing: all of its snapshots are taken out, and what containers wrote in them is lost"
        ),
        TollKind::SinceBackup { seconds } => format!(
            "{database} is made anew from a backup of {}: names and containers that are newer will be lost",
            date(seconds)
        ),
        _ => format!("{database} is made anew from what is readable: what the damaged part held may be lost"),
    }
}

/// The command that pulls an image again.
pub(crate) fn pull(pull: &Pull, address: &Path) -> String {
    let Named { namespace, name } = &pull.image;
    let (socket, name) = (quoted(&address.to_string_lossy()), quoted(name));
    let command = if namespace == "k8s.io" {
        format!("crictl --runtime-endpoint unix://{socket} pull {name}")
    } else {
        format!("ctr --namespace {} --address {socket} images pull {name}", quoted(namespace))
    };
    if pull.is_pullable { command } else { format!("{command}  # no registry is known to have it") }
}

/// As one word for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    let text = escape(text);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What has to follow a repair, in a few words.
pub(crate) fn healed(repaired: &Repaired) -> String {
    let (pulls, lost) = (repaired.pulls().len(), repaired.lost().len());
    let pulls = match pulls {
        0 => None,
        1 => Some("1 image must be pulled again".into()),
        more => Some(format!("{more} images must be pulled again")),
    };
    let lost = match lost {
        0 => None,
        1 => Some("1 record is lost".into()),
        more => Some(format!("{more} records are lost")),
    };
    pulls.into_iter().chain(lost).collect::<Vec<String>>().join(" and ")
}

/// Why an action was not done, and what helps.
pub(crate) fn failure(error: &ApplyError, room: &Room) -> String {
    with_help(escape(error.to_string()), error.errno(), Some(room))
}

/// Why a repair stopped, and what helps.
pub(crate) fn trouble(error: &RepairError) -> String {
    let text = match error {
        RepairError::Check(CheckError::NoSuch { what, name }) => {
            return format!("no {what} '{}' in this store", escape(name));
        }
        RepairError::Api(api) => {
            return format!("{} (--address names another socket)", escape(api.to_string()));
        }
        other => escape(other.to_string()),
    };
    with_help(text, error.errno(), None)
}

fn with_help(text: String, errno: Option<i32>, room: Option<&Room>) -> String {
    let is = |known: Errno| errno == Some(known.raw_os_error());
    let help = if is(Errno::NOSPC) || is(Errno::DQUOT) {
        let needs = room.map(needs).map(|needs| format!("{needs}; ")).unwrap_or_default();
        format!("{needs}'containerd-fsck repair --purge all' frees what former runs kept")
    } else if is(Errno::ROFS) {
        "the file system is read-only: see the kernel's log for the reason, then 'mount -o remount,rw'".into()
    } else if is(Errno::PERM) && !text.contains("lsattr") {
        "as root: 'lsattr -d' shows whether it is immutable or append-only, 'chattr -i -a' ends that".into()
    } else if is(Errno::ACCESS) {
        "run it as root".into()
    } else if is(Errno::IO) {
        "the medium fails: look at the kernel's log and the disk's health".into()
    } else {
        return text;
    };
    format!("{text} ({help})")
}

/// `needs up to 205 MiB, 1.2 GiB are free`.
pub(crate) fn needs(room: &Room) -> String {
    let needs = format!("needs up to {}", size(room.needed_bytes));
    match room.free_bytes {
        Some(free) => format!("{needs}, {} are free", size(free)),
        None => needs,
    }
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
