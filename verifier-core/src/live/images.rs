//! The images service: names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{Delete, Descriptor, Empty, FieldMask, Image, Images, Named, OneImage};
use super::namespace::absent_is_none;
use super::{LiveError, Namespace};

const GET: &str = "/containerd.services.images.v1.Images/Get";
const LIST: &str = "/containerd.services.images.v1.Images/List";
const CREATE: &str = "/containerd.services.images.v1.Images/Create";
const UPDATE: &str = "/containerd.services.images.v1.Images/Update";
const DELETE: &str = "/containerd.services.images.v1.Images/Delete";

/// An image record: a name and its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRow {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The target's media type.
    pub media_type: String,
    /// The target's digest.
    pub digest: String,
    /// The target's size.
    pub size_bytes: i64,
    /// The target's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Namespace<'_> {
    /// The record of a name.
    pub fn image(&self, name: &str) -> Result<Option<ImageRow>, LiveError> {
        let answer = self.ask::<_, OneImage>(GET, Named { name: name.to_owned() });
        Ok(absent_is_none(answer)?.and_then(|answer| answer.image).map(ImageRow::from))
    }

    /// All records.
    pub fn images(&self) -> Result<Vec<ImageRow>, LiveError> {
        let answer: Images = self.list(LIST, Empty {})?;
        Ok(answer.images.into_iter().map(ImageRow::from).collect())
    }

    /// Makes a record, as when a deleted one is put back. [`Code::AlreadyExists`](super::Code::AlreadyExists) where there is one.
    pub fn create_image(&self, row: &ImageRow) -> Result<(), LiveError> {
        let request = OneImage { image: Some(row.into()), update_mask: None };
        self.ask::<_, OneImage>(CREATE, request).map(drop)
    }

    /// Writes the target of a record as it is, which containerd announces as an update; says whether there is such a record.
    pub fn touch_image(&self, row: &ImageRow) -> Result<bool, LiveError> {
        let mask = FieldMask { paths: vec!["target".to_owned()] };
        let request = OneImage { image: Some(row.into()), update_mask: Some(mask) };
        Ok(absent_is_none(self.ask::<_, OneImage>(UPDATE, request))?.is_some())
    }

    /// Deletes a name, and says whether there was one. `sync` waits for the collection.
    pub fn delete_image(&self, name: &str, sync: bool) -> Result<bool, LiveError> {
        self.delete(DELETE, sync, Delete { name: name.to_owned(), sync })
    }
}

impl From<Image> for ImageRow {
    fn from(image: Image) -> ImageRow {
        let target = image.target.unwrap_or_default();
        ImageRow {
            name: image.name,
            labels: image.labels,
            media_type: target.media_type,
            digest: target.digest,
            size_bytes: target.size,
            annotations: target.annotations,
        }
    }
}

impl From<&ImageRow> for Image {
    fn from(row: &ImageRow) -> Image {
        let target = Descriptor {
            media_type: row.media_type.clone(),
            digest: row.digest.clone(),
            size: row.size_bytes,
            annotations: row.annotations.clone(),
        };
        Image { name: row.name.clone(), labels: row.labels.clone(), target: Some(target) }
    }
}
