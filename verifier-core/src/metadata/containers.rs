//! `containers/<id>` and `sandboxes/<id>`.

use std::collections::BTreeSet;

use super::labels::Labels;
use super::value;
use crate::finding::ValueError;
use crate::texts::Texts;
use crate::time::Timestamp;

/// A container, running or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerRecord {
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// The name of the image it was made from; the record of that name may be gone.
    pub image: String,
    /// The snapshotter of its root file system.
    pub snapshotter: String,
    /// The key of its active snapshot.
    pub snapshot_key: String,
    /// The sandbox it belongs to, if any.
    pub sandbox_id: String,
    /// The runtime's name.
    pub runtime: String,
    /// Its labels.
    pub labels: Labels,
}

impl ContainerRecord {
    pub(super) fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([], b"updatedat") => self.updated = Some(value::time(value)?),
            ([], b"image") => self.image = value::text(value)?,
            ([], b"snapshotter") => self.snapshotter = value::text(value)?,
            ([], b"snapshotKey") => self.snapshot_key = value::text(value)?,
            ([], b"sandboxid") => self.sandbox_id = value::text(value)?,
            ([bucket], b"name") if bucket == b"runtime" => self.runtime = value::text(value)?,
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, (key, value), texts)?,
            _ => {}
        }
        Ok(())
    }
}

/// A sandbox (a pod, to CRI).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxRecord {
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// The controller that runs it.
    pub sandboxer: String,
    /// The runtime's name; every sandbox's record has it.
    pub runtime: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// The names of its extensions; CRI keeps all that it knows of a pod in one called `metadata`.
    pub extensions: BTreeSet<String>,
}

impl SandboxRecord {
    pub(super) fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([], b"updatedat") => self.updated = Some(value::time(value)?),
            ([], b"sandboxer") => self.sandboxer = value::text(value)?,
            ([bucket], b"name") if bucket == b"runtime" => self.runtime = Some(value::text(value)?),
            ([bucket], _) if bucket == b"extensions" => {
                self.extensions.insert(value::text(key)?);
            }
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, (key, value), texts)?,
            _ => {}
        }
        Ok(())
    }
}
