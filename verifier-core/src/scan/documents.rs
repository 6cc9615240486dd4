//! The documents that image records lead to: indexes, manifests and configs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use crate::content::BlobFile;
use crate::digest::{ChainId, DiffId, Digest, Hasher, chain_ids};
use crate::finding::{Role, Unparsable};
use crate::io::{FileKind, Folder, NotRegular, ReadAt, errno, read_full_at};
use crate::metadata::{Metadata, pack};
use crate::oci::{
    Allowance, Config, Descriptor, Document, DocumentKind, is_image_config, is_layer, parse_within,
};
use crate::texts::Texts;

/// Registries refuse manifests above 4 MiB; a larger document is no image's.
const DOCUMENT_LIMIT_BYTES: u64 = 16 << 20;

/// Indexes may nest; real ones do so once. Beyond this the document is not followed.
const LEVEL_LIMIT: usize = 32;

/// What documents may take in memory, and how much more for each blob that has a record: an image's author decides how many
/// names are in them, but not how many blobs are here. What real ones take is a tenth of that.
const MEMORY_BYTES: usize = 24 << 20;
const MEMORY_OF_BLOB_BYTES: usize = 4 << 10;

/// What was read of one document.
#[derive(Debug)]
pub struct DocumentFact {
    /// What its descriptor says it is.
    pub kind: DocumentKind,
    /// What came of reading it.
    pub state: DocumentState,
}

/// What came of reading a document.
#[derive(Debug)]
pub enum DocumentState {
    /// Its bytes hash to its digest, or to an algorithm that cannot be computed here, and it parses.
    Parsed(Document),
    /// Its bytes hash to something else; containerd uses it all the same while it parses.
    WrongDigest {
        /// What they hash to.
        actual: Digest,
        /// How many they are.
        size_bytes: u64,
        /// What it says, if it parses.
        document: Option<Box<Document>>,
    },
    /// There is no such file.
    Absent,
    /// Something else has its name.
    NotRegular(FileKind),
    /// It could not be read.
    Unreadable(io::Error),
    /// The right bytes, but no such document.
    Unparsable(Unparsable),
    /// The right bytes, or such as cannot be told to be, which name more than may be kept.
    GivenUp {
        /// How much all documents together may take.
        limit_bytes: u64,
    },
}

impl DocumentFact {
    /// What the document says, right or wrong.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match &self.state {
            DocumentState::Parsed(document) => Some(document),
            DocumentState::WrongDigest { document, .. } => document.as_deref(),
            _ => None,
        }
    }
}

/// A layer at its place in a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerOfChain {
    /// The DiffID of the layer.
    pub diff_id: DiffId,
    /// The stack below it.
    pub parent: Option<ChainId>,
    /// The blobs that hold it, by their descriptors: the same tar may be compressed in several ways.
    pub blobs: Vec<Descriptor>,
}

/// All documents, and what they lead to.
#[derive(Debug, Default)]
pub struct Documents {
    /// By digest.
    pub facts: BTreeMap<Digest, DocumentFact>,
    /// What each blob is to those who name it.
    pub roles: BTreeMap<Digest, Role>,
    /// Who names a blob: digests of documents, sorted. A list, because most have one, and a set takes ten times its memory.
    pub parents: BTreeMap<Digest, Vec<Digest>>,
    /// The stacks of layers that the images are made of.
    pub chains: BTreeMap<ChainId, LayerOfChain>,
    /// Manifests whose layers containerd unpacks, with the stack that each ends in.
    pub tops: BTreeMap<Digest, ChainId>,
}

impl Documents {
    /// Reads all documents that the images of `metadata` lead to; `stop` is asked between two of them.
    pub fn read(root: &Folder, metadata: &Metadata, stop: &dyn Fn() -> bool) -> Documents {
        Documents::sharing(root, metadata, &Texts::default(), stop)
    }

    /// As [`Documents::read`], with texts that the records have, too.
    pub(super) fn sharing(
        root: &Folder,
        metadata: &Metadata,
        texts: &Texts,
        stop: &dyn Fn() -> bool,
    ) -> Documents {
        let mut documents = Documents::default();
        let mut memory = Memory::of(metadata);
        let mut queue = VecDeque::new();
        for image in metadata.namespaces.values().flat_map(|namespace| namespace.images.values()) {
            if let Some(digest) = &image.target.digest {
                queue.push_back((digest.clone(), texts.get(&image.target.media_type), 0));
            }
        }
        while let Some((digest, media_type, level)) = queue.pop_front() {
            if stop() {
                break;
            }
            let kind = DocumentKind::of(&media_type);
            documents.note_role(&digest, role_of(kind, &media_type));
            let Some(kind) = kind.filter(|_| !documents.facts.contains_key(&digest)) else { continue };
            let state = if level < LEVEL_LIMIT {
                memory.read(root, &digest, kind, texts)
            } else {
                DocumentState::Unparsable(Unparsable::TooManyLevels { limit: LEVEL_LIMIT })
            };
            let fact = DocumentFact { kind, state };
            for child in fact.document().into_iter().flat_map(children) {
                insert(documents.parents.entry(child.digest.clone()).or_default(), &digest);
                queue.push_back((child.digest.clone(), child.media_type.clone(), level + 1));
            }
            documents.facts.insert(digest, fact);
        }
        documents.find_chains();
        documents.pack();
        documents
    }

    /// All that `targets` lead to, themselves included.
    pub(crate) fn reached_from<'a>(
        &'a self,
        targets: impl IntoIterator<Item = &'a Digest>,
    ) -> BTreeSet<&'a Digest> {
        let mut reached = BTreeSet::new();
        let mut queue: Vec<&Digest> = targets.into_iter().collect();
        while let Some(digest) = queue.pop() {
            if reached.insert(digest) {
                let document = self.facts.get(digest).and_then(DocumentFact::document);
                queue.extend(document.into_iter().flat_map(children).map(|child| &child.digest));
            }
        }
        reached
    }

    /// `top` and the stacks below it, down to the base. It ends: each ChainID hashes the one below it.
    pub(crate) fn stack<'a>(&'a self, top: &'a ChainId) -> impl Iterator<Item = &'a ChainId> {
        std::iter::successors(Some(top), |chain_id| self.chains.get(*chain_id)?.parent.as_ref())
    }

    /// The places of each layer's blob in those stacks.
    #[must_use]
    pub fn places(&self) -> BTreeMap<&Digest, Vec<&ChainId>> {
        let mut places: BTreeMap<&Digest, Vec<&ChainId>> = BTreeMap::new();
        for (chain_id, layer) in &self.chains {
            for blob in &layer.blobs {
                places.entry(&blob.digest).or_default().push(chain_id);
            }
        }
        places
    }

    /// The config of `manifest`, where both could be read.
    #[must_use]
    pub fn config(&self, manifest: &Digest) -> Option<&Config> {
        let Some(Document::Manifest(manifest)) = self.facts.get(manifest)?.document() else { return None };
        match self.facts.get(&manifest.config.digest)?.document()? {
            Document::Config(config) => Some(config),
            _ => None,
        }
    }

    /// They were filled in no order.
    fn pack(&mut self) {
        pack(&mut self.facts);
        pack(&mut self.roles);
        pack(&mut self.parents);
        pack(&mut self.chains);
    }

    /// A blob may be named in several ways; the one that leads on counts.
    fn note_role(&mut self, digest: &Digest, role: Role) {
        let known = self.roles.entry(digest.clone()).or_insert(role);
        *known = role.min(*known);
    }

    fn find_chains(&mut self) {
        let mut chains: BTreeMap<ChainId, LayerOfChain> = BTreeMap::new();
        let mut tops = BTreeMap::new();
        for (digest, fact) in &self.facts {
            let Some(Document::Manifest(manifest)) = fact.document() else { continue };
            let Some(config) = self.config(digest) else { continue };
            let diff_ids = config.diff_ids();
            let to_unpack = is_image_config(&manifest.config.media_type)
                && manifest.layers.len() == diff_ids.len()
                && manifest.layers.iter().all(|layer| is_layer(&layer.media_type));
            if !to_unpack {
                continue;
            }
            let mut parent = None;
            for ((chain_id, diff_id), layer) in
                chain_ids(diff_ids).into_iter().zip(diff_ids).zip(&manifest.layers)
            {
                let entry = chains.entry(chain_id.clone()).or_insert_with(|| LayerOfChain {
                    diff_id: diff_id.clone(),
                    parent: parent.take(),
                    blobs: Vec::new(),
                });
                if !entry.blobs.contains(layer) {
                    entry.blobs.reserve_exact(1);
                    entry.blobs.push(layer.clone());
                }
                parent = Some(chain_id);
            }
            if let Some(top) = parent {
                tops.insert(digest.clone(), top);
            }
        }
        (self.chains, self.tops) = (chains, tops);
    }
}

/// Adds `item` to a sorted list, once.
fn insert<T: Ord + Clone>(list: &mut Vec<T>, item: &T) {
    if let Err(at) = list.binary_search(item) {
        if list.is_empty() {
            list.reserve_exact(1);
        }
        list.insert(at, item.clone());
    }
}

fn role_of(kind: Option<DocumentKind>, media_type: &str) -> Role {
    match kind {
        Some(DocumentKind::Index) => Role::Index,
        Some(DocumentKind::Manifest) => Role::Manifest,
        Some(DocumentKind::Config) => Role::Config,
        None if is_layer(media_type) => Role::Layer,
        None => Role::Other,
    }
}

/// The blobs that a document names.
pub(crate) fn children(document: &Document) -> Vec<&Descriptor> {
    match document {
        Document::Index(index) => index.manifests.iter().collect(),
        Document::Manifest(manifest) => std::iter::once(&manifest.config).chain(&manifest.layers).collect(),
        Document::Config(_) => Vec::new(),
    }
}

/// What documents may still take.
struct Memory {
    limit_bytes: usize,
    left_bytes: usize,
}

impl Memory {
    fn of(metadata: &Metadata) -> Self {
        let blobs: usize = metadata.namespaces.values().map(|records| records.blobs.len()).sum();
        let limit_bytes = MEMORY_BYTES.saturating_add(blobs.saturating_mul(MEMORY_OF_BLOB_BYTES));
        Memory { limit_bytes, left_bytes: limit_bytes }
    }

    fn read(&mut self, root: &Folder, digest: &Digest, kind: DocumentKind, texts: &Texts) -> DocumentState {
        let bytes = match read_bytes(root, digest) {
            Ok(bytes) => bytes,
            Err(state) => return state,
        };
        let actual = Hasher::new(digest.algorithm()).map(|mut hasher| {
            hasher.update(&bytes);
            hasher.finish()
        });
        // Half of what is left: one that takes much leaves enough for all that take little.
        let half = self.left_bytes / 2;
        let allowance = Allowance::new(half);
        let mut parsed = parse_within(kind, &bytes, &allowance);
        if let Ok(document) = &mut parsed {
            document.share(texts);
            self.left_bytes -= half.saturating_sub(allowance.left_bytes());
        }
        match (actual.filter(|actual| actual != digest), parsed) {
            (Some(actual), parsed) => DocumentState::WrongDigest {
                actual,
                size_bytes: bytes.len() as u64,
                document: parsed.ok().map(Box::new),
            },
            (None, Ok(document)) => DocumentState::Parsed(document),
            (None, Err(_)) if allowance.is_exceeded() => {
                DocumentState::GivenUp { limit_bytes: self.limit_bytes as u64 }
            }
            (None, Err(error)) => DocumentState::Unparsable(Unparsable::Json { error: (&error).into() }),
        }
    }
}

fn read_bytes(root: &Folder, digest: &Digest) -> Result<Vec<u8>, DocumentState> {
    let file = root.file(BlobFile::path(digest)).map_err(|error| match NotRegular::of(&error) {
        Some(kind) => DocumentState::NotRegular(kind),
        None if error.kind() == io::ErrorKind::NotFound => DocumentState::Absent,
        // A link in the place of the folder or the file.
        None if errno(&error) == rustix::io::Errno::LOOP.raw_os_error() => {
            DocumentState::NotRegular(FileKind::Symlink)
        }
        None => DocumentState::Unreadable(error),
    })?;
    let size_bytes = file.len().map_err(DocumentState::Unreadable)?;
    if size_bytes > DOCUMENT_LIMIT_BYTES {
        let limit_bytes = DOCUMENT_LIMIT_BYTES;
        return Err(DocumentState::Unparsable(Unparsable::TooLarge { size_bytes, limit_bytes }));
    }
    let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or_default()];
    let count = read_full_at(&file, &mut bytes, 0).map_err(DocumentState::Unreadable)?;
    bytes.truncate(count);
    Ok(bytes)
}
