//! containerd's own files: names that must be folders, its UUID, what CRI keeps of its containers, and what was left.

use std::fs;

use super::hit;
use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::Sample;

const FOREIGN: &str = "root-entry-foreign";
const UUID: &str = "uuid-invalid";
const STATUS: &str = "container-status-invalid";

pub(super) const TABLE: &[Damage] = &[
    Damage::files(
        "tmpmounts-is-a-file",
        |_| Subject::path("tmpmounts"),
        |_, root| fs::write(root.join("tmpmounts"), "no folder"),
    )
    .always(FOREIGN),
    Damage::files(
        "plugin-folder-is-a-fifo",
        |_| Subject::path("io.containerd.snapshotter.v1.blockfile"),
        |_, root| {
            let path = root.join("io.containerd.snapshotter.v1.blockfile");
            fs::write(&path, "")?;
            hit::fifo(&path)
        },
    )
    .always(FOREIGN),
    Damage::files(
        "uuid-of-zeros",
        |_| Subject::path(Sample::UUID),
        |_, root| hit::rewrite(&root.join(Sample::UUID), |bytes| bytes.fill(0)),
    )
    .always(UUID),
    Damage::files(
        "uuid-cut",
        |_| Subject::path(Sample::UUID),
        |_, root| hit::truncate(&root.join(Sample::UUID)),
    )
    .always(UUID),
    Damage::files(
        "uuid-is-a-folder",
        |_| Subject::path(Sample::UUID),
        |_, root| hit::folder(&root.join(Sample::UUID)),
    )
    .always(UUID),
    Damage::files(
        "uuid-empty",
        |_| Subject::path(Sample::UUID),
        |_, root| hit::empty(&root.join(Sample::UUID)),
    )
    .always("uuid-empty"),
    Damage::files(
        "folder-of-cri-s-container-missing",
        |_| Subject::meta_record(["v1", "k8s.io", "containers", Sample::WORK]),
        |_, root| fs::remove_dir_all(root.join(Sample::WORK_FOLDER)),
    )
    .always("container-folder-missing")
    .reaching(Reach::WORK),
    Damage::files(
        "all-of-cri-missing",
        |_| Subject::meta_record(["v1", "k8s.io", "containers", Sample::WORK]),
        |_, root| fs::remove_dir_all(root.join("io.containerd.grpc.v1.cri")),
    )
    .always("container-folder-missing")
    .reaching(Reach::WORK),
    Damage::files(
        "container-status-missing",
        |_| status(),
        |_, root| fs::remove_file(root.join(status_path())),
    )
    .always(STATUS)
    .reaching(Reach::WORK),
    Damage::files("container-status-empty", |_| status(), |_, root| hit::empty(&root.join(status_path())))
        .always(STATUS)
        .reaching(Reach::WORK),
    Damage::files(
        "container-status-of-zeros",
        |_| status(),
        |_, root| hit::rewrite(&root.join(status_path()), |bytes| bytes.fill(0)),
    )
    .always(STATUS)
    .reaching(Reach::WORK),
    Damage::files(
        "removal-of-a-container-cut-off",
        |_| Subject::path(removed()),
        |_, root| fs::write(root.join(removed()), "{}"),
    )
    .always("cri-leftover"),
    Damage::files(
        "write-of-a-status-cut-off",
        |_| Subject::path(written()),
        |_, root| fs::write(root.join(written()), "{"),
    )
    .always("cri-leftover"),
    Damage::files(
        "mount-point-of-a-pull",
        |_| Subject::path("tmpmounts/containerd-mount1234"),
        |_, root| fs::create_dir_all(root.join("tmpmounts/containerd-mount1234")),
    )
    .always("tmpmount-leftover"),
];

fn status_path() -> String {
    format!("{}/status", Sample::WORK_FOLDER)
}

fn status() -> Subject {
    Subject::path(status_path())
}

fn removed() -> &'static str {
    "io.containerd.grpc.v1.cri/containers/gone.del-status"
}

fn written() -> String {
    format!("{}/.tmp-status1234", Sample::WORK_FOLDER)
}
