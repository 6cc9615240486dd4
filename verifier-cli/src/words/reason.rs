//! Why something was not verified.

use rustix::io::Errno;
use verifier_core::finding::Reason;

use crate::render::{count, errno, escape, thousands};

/// Why, in a few words.
pub(crate) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::UnknownAlgorithm => "digests of that algorithm cannot be computed here".into(),
        Reason::LayerDiscarded => "the layer was discarded after unpacking, or never needed".into(),
        Reason::LayerNotPulled => "neither the layer nor its snapshot is here: only a part was pulled".into(),
        Reason::NoLayer => "no layer made it: committed by hand, or a build's cache".into(),
        Reason::UnknownSnapshotter { snapshotter, snapshots, of_images, .. } => {
            let how = if snapshotter == "erofs" {
                "; that each layer is there and whole was checked, what is in it was not"
            } else {
                ""
            };
            format!(
                "{} of {}, {} of them of images, cannot be read here{how}",
                count(*snapshots, "snapshot"),
                escape(snapshotter),
                thousands(*of_images)
            )
        }
        Reason::GraphDriver { folder, driver, images, layers, .. } => format!(
            "Docker's own store in {} ({}): {} in {}, not read",
            escape(folder),
            escape(driver),
            count(*images, "image"),
            count(*layers, "layer")
        ),
        Reason::NotComparable { what } => format!("cannot be compared: {}", escape(what)),
        Reason::LayerDamaged => "the layer's own blob is damaged".into(),
        Reason::LowerMissing => "snapshots below it are missing".into(),
        Reason::StoppedEarly { why } => format!("not read to the end: {}", escape(why)),
        Reason::NotAtRisk { blobs, snapshots } => {
            let (blobs, snapshots) = (count(*blobs, "blob"), count(*snapshots, "snapshot"));
            format!("not at risk, so not read: {blobs} and {snapshots}")
        }
        Reason::VerifiedBefore { subjects } => {
            format!("verified within the period: {}", count(*subjects, "subject"))
        }
        Reason::LeftForLater { subjects } => {
            format!("left for the next sweep: {}", count(*subjects, "subject"))
        }
        Reason::Interrupted => "the run was stopped".into(),
        Reason::PermissionDenied => "permission denied".into(),
        Reason::KeptChanging => "it kept changing".into(),
        Reason::System { errno: number } if *number == Errno::LOOP.raw_os_error() => {
            "a symbolic link leads to it, and none inside a root is followed (a bind mount is)".into()
        }
        Reason::System { errno: number } if *number == Errno::NOSYS.raw_os_error() => {
            format!("{}; is /proc mounted?", errno(*number))
        }
        Reason::System { errno: number } => errno(*number),
        other => escape(format!("{other:?}")),
    }
}
