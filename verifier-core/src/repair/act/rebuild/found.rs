//! What is on disk, whatever the databases say: blobs that hash to their names, and the documents among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::Interrupt;
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::event::Observer;
use crate::io::{FileKind, Folder, ReadAt as _, Time, read_full_at};
use crate::oci::{Document, guess_kind, parse};
use crate::scan::{Inventory, children};
use crate::verify::{Rehash, rehash};

/// Registries refuse manifests above 4 MiB; a larger blob is no image's document.
const DOCUMENT_LIMIT_BYTES: u64 = 16 << 20;

/// Content, verified.
#[derive(Debug, Default)]
pub struct Found {
    /// Blobs that hash to their names.
    pub blobs: BTreeMap<Digest, FoundBlob>,
    /// Regular files that hash to something else.
    pub wrong: BTreeSet<Digest>,
    /// What has a blob's name and could not be hashed: unreadable, not a file, of an unknown algorithm.
    pub unknown: BTreeSet<Digest>,
    /// The documents among the blobs.
    pub documents: BTreeMap<Digest, Document>,
    /// Whether it was asked to stop before the end.
    pub interrupted: bool,
}

/// A blob that hashes to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundBlob {
    /// Its length.
    pub size_bytes: u64,
    /// When it was written.
    pub modified: Time,
}

impl Found {
    /// Hashes every blob of `inventory` below `root`, on `threads` threads (0: one for each processor, 16 at most).
    #[must_use]
    pub fn read(
        root: &Folder,
        inventory: &Inventory,
        threads: usize,
        observer: &dyn Observer,
        interrupt: &Interrupt,
    ) -> Found {
        let mut found = Found::default();
        let files = &inventory.blobs.files;
        let mut queue: Vec<_> = files.iter().filter(|(_, file)| file.kind == FileKind::File).collect();
        queue.sort_by_key(|(_, file)| std::cmp::Reverse(file.size_bytes));
        let queue: Vec<&Digest> = queue.into_iter().map(|(digest, _)| digest).collect();
        let mut hashed = rehash(root, &queue, threads, observer, interrupt);
        for (digest, file) in files {
            match hashed.remove(digest) {
                Some(Rehash::Right { size_bytes }) => {
                    found.blobs.insert(digest.clone(), FoundBlob { size_bytes, modified: file.mtime });
                }
                Some(Rehash::Wrong { .. }) => drop(found.wrong.insert(digest.clone())),
                _ => drop(found.unknown.insert(digest.clone())),
            }
        }
        found.interrupted = interrupt.is_raised();
        found.read_documents(root);
        found
    }

    /// Whether a file has that digest for its name, right or wrong.
    #[must_use]
    pub fn has_file(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest) || self.wrong.contains(digest) || self.unknown.contains(digest)
    }

    fn read_documents(&mut self, root: &Folder) {
        for (digest, blob) in &self.blobs {
            if blob.size_bytes <= DOCUMENT_LIMIT_BYTES
                && let Some(document) = read_document(root, digest)
            {
                self.documents.insert(digest.clone(), document);
            }
        }
    }

    /// What `digest` leads to, itself included.
    pub(super) fn reached<'f>(&'f self, digest: &'f Digest, reached: &mut BTreeSet<&'f Digest>) {
        let mut queue = vec![digest];
        while let Some(digest) = queue.pop() {
            if reached.insert(digest) {
                let document = self.documents.get(digest);
                queue.extend(document.into_iter().flat_map(children).map(|child| &child.digest));
            }
        }
    }

    /// Indexes and manifests that no other document names: what images' names pointed to.
    pub(super) fn tops(&self) -> impl Iterator<Item = &Digest> {
        let named: BTreeSet<&Digest> =
            self.documents.values().flat_map(children).map(|child| &child.digest).collect();
        let is_top = |document: &Document| !matches!(document, Document::Config(_));
        let tops = self.documents.iter().filter(move |(_, document)| is_top(document));
        tops.map(|(digest, _)| digest).filter(move |digest| !named.contains(digest))
    }
}

/// The document in a blob whose digest has been verified. Nobody says what it is, so its own words do.
fn read_document(root: &Folder, digest: &Digest) -> Option<Document> {
    let file = root.file(BlobFile::path(digest)).ok()?;
    let mut first = [0; 1];
    if read_full_at(&file, &mut first, 0).ok()? != 1
        || !matches!(first, [b'{' | b' ' | b'\n' | b'\r' | b'\t'])
    {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(file.len().ok()?.min(DOCUMENT_LIMIT_BYTES)).ok()?];
    let count = read_full_at(&file, &mut bytes, 0).ok()?;
    bytes.truncate(count);
    parse(guess_kind(&bytes)?, &bytes).ok()
}
