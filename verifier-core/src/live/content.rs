//! The content service: rows of blobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{Blob, Blobs, Empty, FieldMask, Named, OneBlob, UpdateBlob};
use super::namespace::absent_is_none;
use super::{LiveError, Namespace};

const INFO: &str = "/containerd.services.content.v1.Content/Info";
const LIST: &str = "/containerd.services.content.v1.Content/List";
const UPDATE: &str = "/containerd.services.content.v1.Content/Update";
const DELETE: &str = "/containerd.services.content.v1.Content/Delete";

/// A namespace's row of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRow {
    /// Its digest as containerd wrote it.
    pub digest: String,
    /// The size that the row claims.
    pub size_bytes: i64,
    /// The row's labels.
    pub labels: BTreeMap<String, String>,
}

impl Namespace<'_> {
    /// The row of a blob.
    pub fn blob(&self, digest: &str) -> Result<Option<BlobRow>, LiveError> {
        let answer = self.ask::<_, OneBlob>(INFO, Named { name: digest.to_owned() });
        Ok(absent_is_none(answer)?.and_then(|answer| answer.info).map(BlobRow::from))
    }

    /// All rows, by digest.
    pub fn blobs(&self) -> Result<Vec<BlobRow>, LiveError> {
        let mut rows = Vec::new();
        self.stream(LIST, Empty {}, |part: Blobs| rows.extend(part.info.into_iter().map(BlobRow::from)))?;
        Ok(rows)
    }

    /// Sets one label of a row; an empty value removes it (core/metadata/boltutil writes no empty labels).
    pub fn label_blob(&self, digest: &str, key: &str, value: &str) -> Result<bool, LiveError> {
        let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let info = Blob { digest: digest.to_owned(), size: 0, labels };
        let mask = FieldMask { paths: vec![format!("labels.{key}")] };
        let answer = self.ask::<_, OneBlob>(UPDATE, UpdateBlob { info: Some(info), update_mask: Some(mask) });
        Ok(absent_is_none(answer)?.is_some())
    }

    /// Deletes a row, and says whether there was one. The file goes with the next collection, if no row is left anywhere.
    pub fn delete_blob(&self, digest: &str) -> Result<bool, LiveError> {
        self.delete(DELETE, false, Named { name: digest.to_owned() })
    }
}

impl From<Blob> for BlobRow {
    fn from(blob: Blob) -> BlobRow {
        BlobRow { digest: blob.digest, size_bytes: blob.size, labels: blob.labels }
    }
}
