//! Media that do not give their bytes back (F16): only a read can show it.

use std::path::PathBuf;

use super::kind::{Damage, Op, Refusal};
use super::reach::Reach;
use super::snapshots::folder;
use super::subject::{Subject, metadata_db};
use crate::builder::{CONTENT, META_DB, Sample, blob_path, snapshotter_folder};

const BLOB: &str = "blob-unreadable";
const PATH: &str = "path-unreadable";

fn eio(op: Op, path: impl Into<PathBuf>) -> Refusal {
    Refusal { op, path: path.into(), errno: rustix::io::Errno::IO.raw_os_error() }
}

fn snapshots() -> PathBuf {
    snapshotter_folder("overlayfs").join("snapshots")
}

fn base(sample: &Sample) -> &str {
    sample.app.chain.first().map_or("", String::as_str)
}

fn base_snapshot(sample: &Sample) -> Subject {
    Subject::snapshot(sample, "default", "overlayfs", base(sample))
}

/// A file of the base's snapshot.
fn hosts(sample: &Sample) -> PathBuf {
    folder(sample, ("overlayfs", base(sample))).join("fs/etc/hosts")
}

pub(super) const TABLE: &[Damage] = &[
    Damage::reads(
        "layer-unreadable",
        |s| Subject::blob(&s.base.digest),
        |s| eio(Op::Read, blob_path(&s.base.digest)),
    )
    .since_blobs(BLOB)
    .reaching(Reach::BASE),
    Damage::reads(
        "layer-cannot-be-opened",
        |s| Subject::blob(&s.base.digest),
        |s| eio(Op::Open, blob_path(&s.base.digest)),
    )
    .since_blobs(BLOB)
    .reaching(Reach::BASE),
    Damage::reads(
        "manifest-unreadable",
        |s| Subject::blob(&s.tool.manifest.digest),
        |s| eio(Op::Read, blob_path(&s.tool.manifest.digest)),
    )
    .always(BLOB)
    .reaching(Reach::TOOL),
    Damage::reads(
        "config-cannot-be-opened",
        |s| Subject::blob(&s.app.config),
        |s| eio(Op::Open, blob_path(&s.app.config)),
    )
    .always(BLOB)
    .reaching(Reach::APP),
    Damage::reads(
        "blob-without-stat",
        |s| Subject::blob_file(&s.base.digest),
        |s| eio(Op::Stat, blob_path(&s.base.digest)),
    )
    .always(PATH),
    Damage::reads(
        "blobs-cannot-be-listed",
        |_| Subject::path(format!("{CONTENT}/blobs/sha256")),
        |_| eio(Op::List, format!("{CONTENT}/blobs/sha256")),
    )
    .always(PATH),
    Damage::reads(
        "ingests-cannot-be-listed",
        |_| Subject::path(format!("{CONTENT}/ingest")),
        |_| eio(Op::List, format!("{CONTENT}/ingest")),
    )
    .always(PATH),
    Damage::reads("meta-db-unreadable", |_| Subject::path(META_DB), |_| eio(Op::Read, META_DB)).always(PATH),
    Damage::reads("meta-db-cannot-be-opened", |_| Subject::path(META_DB), |_| eio(Op::Open, META_DB))
        .always(PATH),
    Damage::reads(
        "metadata-db-unreadable",
        |_| Subject::path(metadata_db("overlayfs")),
        |_| eio(Op::Read, metadata_db("overlayfs")),
    )
    .always(PATH),
    Damage::reads(
        "snapshots-cannot-be-listed",
        |_| Subject::path(snapshots()),
        |_| eio(Op::List, snapshots()),
    )
    .always(PATH),
    // A file of a tree is named in the tree's finding.
    Damage::reads("unpacked-file-unreadable", base_snapshot, |s| eio(Op::Read, hosts(s)))
        .at_full("snapshot-differs")
        .reaching(Reach::BASE_IN_DEFAULT),
];
