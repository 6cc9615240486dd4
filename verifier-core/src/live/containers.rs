//! The containers service, read only: what is in use.

use super::message::{Container, Containers, Empty};
use super::{LiveError, Namespace};

const LIST: &str = "/containerd.services.containers.v1.Containers/List";

/// A container, running or not, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    /// Its id.
    pub id: String,
    /// The name of its image; may be empty.
    pub image: String,
    /// The snapshotter of its snapshot; may be empty.
    pub snapshotter: String,
    /// The key of its snapshot; may be empty.
    pub snapshot_key: String,
}

impl Namespace<'_> {
    /// All containers, stopped ones too.
    pub fn containers(&self) -> Result<Vec<ContainerRow>, LiveError> {
        let answer: Containers = self.list(LIST, Empty {})?;
        let row = |container: Container| ContainerRow {
            id: container.id,
            image: container.image,
            snapshotter: container.snapshotter,
            snapshot_key: container.snapshot_key,
        };
        Ok(answer.containers.into_iter().map(row).collect())
    }
}
