//! Containers of CRI, and the folders in which it keeps their state.
//!
//! When it starts, CRI reads each container's record and then the status in its folder (internal/cri/server/restart.go).
//! Without a status the container is listed as unknown, and the kubelet removes it. Without the folder it is not listed at all:
//! its record, its name and its snapshot stay for ever. Measured on 1.6.20, 1.7.24, 2.1.9 and 2.3.4.
//! The folder is made before the record and removed after it, so a record without one is never on its way.

use std::path::Path;

use super::Cross;
use super::owners::{CRI_NAMESPACE, reach_container};
use crate::finding::{ContainerFolderMissing, ContainerStatusInvalid, FindingKind, Subject};
use crate::io::Time;
use crate::metadata::ContainerRecord;
use crate::scan::CRI_CONTAINERS;
use crate::verify::candidate::{Examination, Witness};

/// What CRI labels each container with, and the value for one that is no pod's own.
const KIND: (&str, &str) = ("io.cri-containerd.kind", "container");

impl Cross<'_> {
    pub(super) fn examine_cri(&self, into: &mut Examination) {
        let Some(folders) = &self.inventory.own_files.containers else { return };
        let records = self.namespaces().filter(|(namespace, _)| *namespace == CRI_NAMESPACE);
        for (id, container) in records.flat_map(|(_, records)| &records.containers) {
            let is_cri = container.labels.get(KIND.0).is_some_and(|kind| kind == KIND.1);
            if !is_cri || !self.scope.has_image(CRI_NAMESPACE, &container.image) {
                continue;
            }
            let folder = Path::new(CRI_CONTAINERS).join(id);
            let (kind, subject) = match folders.get(id) {
                None => {
                    let subject = self.meta_record(["v1", CRI_NAMESPACE, "containers", id]);
                    let kind = ContainerFolderMissing {
                        folder,
                        image: container.image.clone(),
                        snapshotter: container.snapshotter.clone(),
                        snapshot_key: container.snapshot_key.clone(),
                    };
                    (FindingKind::from(kind), subject)
                }
                // It is written after the record.
                Some(Some(why)) if self.is_settled_container(container) => {
                    let path = folder.join("status");
                    (ContainerStatusInvalid { why: *why }.into(), Subject::Path { path })
                }
                Some(_) => continue,
            };
            let witness = Witness::Records(vec![container.created]);
            into.find_with(witness, kind, subject, reach_container(CRI_NAMESPACE, id));
        }
    }

    fn is_settled_container(&self, container: &ContainerRecord) -> bool {
        let made = container.created.map(|time| Time { seconds: time.seconds, nanoseconds: 0 });
        self.inventory.is_settled(made)
    }
}
