//! Builds the tree of one bucket from its keys in order, page by page.

use super::Pgid;
use super::commit::CommitError;
use super::output::Output;
use super::page::{self, BRANCH, BUCKET, ELEMENT_BYTES, HEADER_BYTES, LEAF};

/// Fewest children that bolt expects a branch to have: it merges a node that became small with one beside it.
const MIN_CHILDREN: usize = 2;

/// A bucket under construction: the leaf that fills up, and above it a branch per level.
///
/// Memory: one node per level, each of a page or, with keys larger than a page, of at most four keys.
#[derive(Debug, Default)]
pub(super) struct BucketWriter {
    leaf: NodeWriter,
    branches: Vec<NodeWriter>,
    has_buckets: bool,
}

impl BucketWriter {
    /// Adds a value. Keys must come in ascending order.
    pub(super) fn value(
        &mut self,
        out: &mut Output<'_>,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), CommitError> {
        self.push(out, 0, key, value)
    }

    /// Adds a bucket with the value that [`finish`](Self::finish) returned.
    pub(super) fn bucket(
        &mut self,
        out: &mut Output<'_>,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), CommitError> {
        self.has_buckets = true;
        self.push(out, BUCKET, name, value)
    }

    fn push(
        &mut self,
        out: &mut Output<'_>,
        flags: u32,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), CommitError> {
        let more = (ELEMENT_BYTES + key.len() + value.len()) as u64;
        if !self.leaf.entries.is_empty() && self.leaf.bytes() + more > out.page_size() {
            self.flush_leaf(out)?;
        }
        self.leaf.push(flags, key, value, 0)
    }

    fn flush_leaf(&mut self, out: &mut Output<'_>) -> Result<(), CommitError> {
        let count = self.leaf.entries.len();
        let (key, pgid) = self.leaf.write(out, LEAF, count)?;
        self.child(out, 0, &key, pgid)
    }

    /// Adds a page to the branch of a level, and what that fills to those above. A branch that is written keeps two children
    /// back, so that the last one of the level has enough of them.
    fn child(
        &mut self,
        out: &mut Output<'_>,
        level: usize,
        key: &[u8],
        pgid: Pgid,
    ) -> Result<(), CommitError> {
        let (mut level, mut key, mut pgid) = (level, key.to_vec(), pgid);
        loop {
            if level >= self.branches.len() {
                self.branches.push(NodeWriter::default());
            }
            let Some(branch) = self.branches.get_mut(level) else { return Ok(()) };
            branch.push(0, &key, &[], pgid)?;
            let count = branch.entries.len();
            if branch.bytes() <= out.page_size() || count < 2 * MIN_CHILDREN {
                return Ok(());
            }
            (key, pgid) = branch.write(out, BRANCH, count - MIN_CHILDREN)?;
            level += 1;
        }
    }

    /// Writes what is left; returns the bucket's value: its root page or, for a small one, the page itself, and its sequence.
    pub(super) fn finish(self, out: &mut Output<'_>, sequence: u64) -> Result<Vec<u8>, CommitError> {
        let small = self.leaf.bytes() <= out.page_size() / 4;
        if self.branches.is_empty() && !self.has_buckets && small {
            let mut value = header(0, sequence);
            value.extend_from_slice(&[0; 8]);
            value.extend_from_slice(&LEAF.to_le_bytes());
            value.extend_from_slice(&self.leaf.count()?.to_le_bytes());
            value.extend_from_slice(&[0; 4]);
            self.leaf.encode(LEAF, self.leaf.entries.len(), &mut value);
            return Ok(value);
        }
        Ok(header(self.finish_root(out)?, sequence))
    }

    /// Writes what is left; returns the root page.
    pub(super) fn finish_root(mut self, out: &mut Output<'_>) -> Result<Pgid, CommitError> {
        let count = self.leaf.entries.len();
        let (mut key, mut pgid) = self.leaf.write(out, LEAF, count)?;
        let mut level = 0;
        // The levels grow while they are finished: what one writes goes to the one above.
        while level < self.branches.len() {
            self.child(out, level, &key, pgid)?;
            let Some(branch) = self.branches.get_mut(level) else { break };
            let count = branch.entries.len();
            (key, pgid) = branch.write(out, BRANCH, count)?;
            level += 1;
        }
        Ok(pgid)
    }
}

fn header(root: Pgid, sequence: u64) -> Vec<u8> {
    [root.to_le_bytes(), sequence.to_le_bytes()].concat()
}

/// A node under construction.
#[derive(Debug, Default)]
struct NodeWriter {
    entries: Vec<Entry>,
    /// The keys and values, one after the other.
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    flags: u32,
    key_size: u32,
    value_size: u32,
    child: Pgid,
}

impl Entry {
    fn data_bytes(&self) -> usize {
        self.key_size as usize + self.value_size as usize
    }
}

impl NodeWriter {
    /// Bytes of the node, its header included.
    fn bytes(&self) -> u64 {
        (HEADER_BYTES + ELEMENT_BYTES * self.entries.len() + self.data.len()) as u64
    }

    fn count(&self) -> Result<u16, CommitError> {
        u16::try_from(self.entries.len()).map_err(|_| CommitError::TooLarge { bytes: self.bytes() })
    }

    fn push(&mut self, flags: u32, key: &[u8], value: &[u8], child: Pgid) -> Result<(), CommitError> {
        let size = |bytes: &[u8]| {
            u32::try_from(bytes.len()).map_err(|_| CommitError::TooLarge { bytes: bytes.len() as u64 })
        };
        self.entries.push(Entry { flags, key_size: size(key)?, value_size: size(value)?, child });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// Writes the first `count` elements as a page and forgets them; returns the first key and the page.
    fn write(
        &mut self,
        out: &mut Output<'_>,
        flags: u16,
        count: usize,
    ) -> Result<(Vec<u8>, Pgid), CommitError> {
        let entries = self.entries.get(..count).unwrap_or_default();
        let data_bytes: usize = entries.iter().map(Entry::data_bytes).sum();
        let bytes = HEADER_BYTES + ELEMENT_BYTES * count + data_bytes;
        let first = entries.first().map_or(0, |entry| entry.key_size as usize);
        let key = self.data.get(..first).unwrap_or_default().to_vec();
        let short = u16::try_from(count).map_err(|_| CommitError::TooLarge { bytes: bytes as u64 })?;
        let pgid = out.begin(flags, short, bytes as u64)?;
        let mut encoded = Vec::with_capacity(bytes);
        self.encode(flags, count, &mut encoded);
        out.write(&encoded)?;
        out.end()?;
        self.entries.drain(..count);
        self.data.drain(..data_bytes);
        Ok((key, pgid))
    }

    /// The elements and their data, as they follow the page header.
    fn encode(&self, flags: u16, count: usize, to: &mut Vec<u8>) {
        let entries = self.entries.get(..count).unwrap_or_default();
        let mut place = ELEMENT_BYTES * count;
        for (index, entry) in entries.iter().enumerate() {
            // Cannot be cut: a node larger than 4 GiB has more pages than a file may have.
            let position = u32::try_from(place - ELEMENT_BYTES * index).unwrap_or(u32::MAX);
            let mut element = [0; ELEMENT_BYTES];
            if flags == LEAF {
                page::set(&mut element, 0, &entry.flags.to_le_bytes());
                page::set(&mut element, 4, &position.to_le_bytes());
                page::set(&mut element, 8, &entry.key_size.to_le_bytes());
                page::set(&mut element, 12, &entry.value_size.to_le_bytes());
            } else {
                page::set(&mut element, 0, &position.to_le_bytes());
                page::set(&mut element, 4, &entry.key_size.to_le_bytes());
                page::set(&mut element, 8, &entry.child.to_le_bytes());
            }
            to.extend_from_slice(&element);
            place += entry.data_bytes();
        }
        to.extend_from_slice(self.data.get(..place - ELEMENT_BYTES * count).unwrap_or_default());
    }
}
