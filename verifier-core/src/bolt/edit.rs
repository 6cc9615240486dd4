//! What a transaction changes: a list of edits that can be kept in a journal.

use serde::{Deserialize, Serialize};

/// One change to the logical tree. Paths are the names of the buckets from the root down.
///
/// As JSON, each name, key and value is a string where it is UTF-8, else `{"hex": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum Edit {
    /// Sets a value; makes the buckets on the way.
    Put {
        /// The bucket.
        #[serde(with = "text::path")]
        path: Vec<Vec<u8>>,
        /// The key, 1 to 32768 bytes.
        #[serde(with = "text")]
        key: Vec<u8>,
        /// The new value.
        #[serde(with = "text")]
        value: Vec<u8>,
    },
    /// Removes a value, if it is there.
    Delete {
        /// The bucket.
        #[serde(with = "text::path")]
        path: Vec<Vec<u8>>,
        /// The key.
        #[serde(with = "text")]
        key: Vec<u8>,
    },
    /// Makes a bucket and those on the way, where they do not exist.
    CreateBucket {
        /// The bucket.
        #[serde(with = "text::path")]
        path: Vec<Vec<u8>>,
    },
    /// Removes a bucket and all that is in it, if it is there.
    DeleteBucket {
        /// The bucket.
        #[serde(with = "text::path")]
        path: Vec<Vec<u8>>,
    },
    /// Sets the number from which the bucket's next id follows; makes the buckets on the way.
    SetSequence {
        /// The bucket; empty for the root bucket.
        #[serde(with = "text::path")]
        path: Vec<Vec<u8>>,
        /// The last id given out.
        sequence: u64,
    },
}

/// Edits that are applied together, one after the other, in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(pub Vec<Edit>);

/// An owned path of bucket names.
fn path<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Vec<Vec<u8>> {
    names.into_iter().map(|name| name.as_ref().to_vec()).collect()
}

impl Edits {
    /// No edits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an edit.
    pub fn push(&mut self, edit: Edit) {
        self.0.push(edit);
    }

    /// Adds [`Edit::Put`].
    pub fn put<N: AsRef<[u8]>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) {
        let (key, value) = (key.as_ref().to_vec(), value.as_ref().to_vec());
        self.push(Edit::Put { path: path(names), key, value });
    }

    /// Adds [`Edit::Delete`].
    pub fn delete<N: AsRef<[u8]>>(&mut self, names: impl IntoIterator<Item = N>, key: impl AsRef<[u8]>) {
        self.push(Edit::Delete { path: path(names), key: key.as_ref().to_vec() });
    }

    /// Adds [`Edit::CreateBucket`].
    pub fn create_bucket<N: AsRef<[u8]>>(&mut self, names: impl IntoIterator<Item = N>) {
        self.push(Edit::CreateBucket { path: path(names) });
    }

    /// Adds [`Edit::DeleteBucket`].
    pub fn delete_bucket<N: AsRef<[u8]>>(&mut self, names: impl IntoIterator<Item = N>) {
        self.push(Edit::DeleteBucket { path: path(names) });
    }

    /// Adds [`Edit::SetSequence`].
    pub fn set_sequence<N: AsRef<[u8]>>(&mut self, names: impl IntoIterator<Item = N>, sequence: u64) {
        self.push(Edit::SetSequence { path: path(names), sequence });
    }
}

impl Extend<Edit> for Edits {
    fn extend<I: IntoIterator<Item = Edit>>(&mut self, edits: I) {
        self.0.extend(edits);
    }
}

/// Bytes as JSON: text where they are text.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Borrowed<'b> {
        Text(&'b str),
        Hex { hex: String },
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Owned {
        Text(String),
        Hex { hex: String },
    }

    fn borrow(bytes: &[u8]) -> Borrowed<'_> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Borrowed::Text(text),
            Err(_) => Borrowed::Hex { hex: hex::encode(bytes) },
        }
    }

    fn own<E: serde::de::Error>(owned: Owned) -> Result<Vec<u8>, E> {
        match owned {
            Owned::Text(text) => Ok(text.into_bytes()),
            Owned::Hex { hex } => hex::decode(hex).map_err(E::custom),
        }
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        borrow(bytes).serialize(to)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        own(Owned::deserialize(from)?)
    }

    pub(super) mod path {
        use super::{Deserialize as _, Deserializer, Owned, Serializer, borrow, own};

        pub(in super::super) fn serialize<S: Serializer>(path: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(path.iter().map(|name| borrow(name)))
        }

        pub(in super::super) fn deserialize<'d, D: Deserializer<'d>>(
            from: D,
        ) -> Result<Vec<Vec<u8>>, D::Error> {
            Vec::<Owned>::deserialize(from)?.into_iter().map(own).collect()
        }
    }
}
