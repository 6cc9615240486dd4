//! What of the host lies behind damage, and what to set.

use verifier_core::host::Advice;

use crate::render::{count, escape, escape_path, size};

/// One thing, and what to do about it.
pub(crate) fn host(advice: &Advice) -> String {
    match advice {
        Advice::DiskNearlyFull { free_bytes, size_bytes } => format!(
            "The disk is nearly full ({} of {} left): writes that fail leave half of things behind. Make room: remove images \
             that nothing uses, or lower the kubelet's imageGCHighThresholdPercent.",
            size(*free_bytes),
            size(*size_bytes)
        ),
        Advice::InodesNearlyUsedUp { free, total } => format!(
            "The file system has {free} of {} left: unpacking fails half way. Remove images that nothing uses, or make the \
             file system anew with more inodes (mkfs.ext4 -i).",
            count(*total, "inode")
        ),
        Advice::MountedReadOnly => "The file system is mounted read-only. If that is not configured, the kernel found an error \
             on it: see its log, and run the file system's own fsck."
            .into(),
        Advice::NotMounted { mount_point, source, instead } => format!(
            "{} is configured to be mounted on {} and is not: what was looked at lies on {}. Mount it before containerd starts \
             (RequiresMountsFor={} in containerd's unit).",
            escape(source),
            escape_path(mount_point),
            escape(instead),
            escape_path(mount_point)
        ),
        Advice::MountedFromAnother { mount_point, source, instead } => format!(
            "{} is configured to be mounted on {}, and {} is: what was looked at may not be what containerd wrote. Mount the one \
             that belongs there, or put right /etc/fstab or the mount unit.",
            escape(source),
            escape_path(mount_point),
            escape(instead)
        ),
        Advice::IoErrors { device, lines, last } => format!(
            "The kernel's log has {} about I/O errors of {}, the last: {}. Check the disk (smartctl -a) and replace it; no \
             repair lasts on it.",
            count(*lines, "line"),
            escape(device),
            escape(last)
        ),
        Advice::FailedRequests { device, requests } => format!(
            "{} counts {} that failed. Check the disk (smartctl -a) and its cabling.",
            escape(device),
            count(*requests, "request")
        ),
        Advice::HolderUnknown { why } => format!(
            "Whether a containerd holds this root cannot be told ({}): it is treated as if one did.",
            escape(why)
        ),
        Advice::NoFolderSync { version } => format!(
            "The installed containerd {} does not sync the folder of a blob that it commits: a crash right after a pull may lose it. 2.2 and \
             later do.",
            escape(version)
        ),
        Advice::ParallelUnpackBug { version } => format!(
            "The installed containerd {} may lose whiteouts when it unpacks layers in parallel: use 2.2.3 or later, and unpack anew what it \
             unpacked.",
            escape(version)
        ),
        Advice::UnpackedFilesNotSynced => "containerd does not sync the files that it unpacks: a crash within a minute of a pull \
             empties them. Set image_pull_with_sync_fs = true in containerd's CRI plugin (and sync_fs = true in its diff \
             service)."
            .into(),
        other => escape(format!("{other:?}")),
    }
}
