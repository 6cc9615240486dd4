//! What a repair takes, what it leaves to do, and what is lost, in words.

use std::path::Path;

use rustix::io::Errno;
use verifier_core::CheckError;
use verifier_core::finding::Named;
use verifier_core::repair::apply::ApplyError;
use verifier_core::repair::rebuild::{Lost, LostKind};
use verifier_core::repair::{Pull, RepairError, Repaired, Room, Toll, TollKind};

use crate::render::{date, escape, escape_path, size};

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
