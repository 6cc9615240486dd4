//! Evicting blobs and names: exactly what must be pulled again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hold::FOR_PULL;
use super::{Act, Held, LiveError, Resource};

/// How long what need not be pulled again stays when nobody pulls: a week.
const UNTIL_PULLED: Duration = Duration::from_secs(7 * 86_400);

/// What became of a blob that was evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEvicted {
    /// The blob.
    pub digest: String,
    /// The namespaces whose rows were deleted now; none if there were no rows any more.
    pub namespaces: Vec<String>,
    /// Whether its file is gone. One may stay: without any row nothing has containerd look for it, an ingest may expect it,
    /// or the collector stops at a foreign name before it. Then the caller moves it away.
    pub file: FileLeft,
}

/// Whether there still is something where a blob's file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileLeft {
    /// Nothing.
    Gone,
    /// Something.
    Remains,
    /// It could not be looked at.
    Unknown(io::ErrorKind),
}

/// What became of names that were removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesRemoved {
    /// The names that were removed now.
    pub removed: Vec<String>,
    /// The lease that holds what the next pull need not fetch. It ends by itself after a week; after the pull it may be released.
    pub lease: String,
}

impl Held<'_> {
    /// Deletes the rows of blobs in all namespaces and collects, once for all of them.
    ///
    /// `(digest, path of the file)`. A caller who has moved a wrong file away before leaves nobody a chance to adopt it between
    /// the deletion of the last row and the collection; and has it still.
    pub fn evict_blobs(&mut self, blobs: &[(String, PathBuf)]) -> Result<Vec<BlobEvicted>, LiveError> {
        let namespaces = self.store.live.namespaces()?;
        let mut evicted = Vec::new();
        for (digest, _) in blobs {
            let mut had = Vec::new();
            for name in &namespaces {
                if self.delete_row(name, digest)? {
                    had.push(name.clone());
                }
            }
            evicted.push(had);
        }
        if let Some(name) = namespaces.first().filter(|_| !blobs.is_empty()) {
            let namespace = self.store.live.namespace(name);
            self.store.collect(&namespace)?;
        }
        let outcomes = blobs.iter().zip(evicted);
        Ok(outcomes
            .map(|((digest, file), namespaces)| BlobEvicted {
                digest: digest.clone(),
                namespaces,
                file: file_left(file),
            })
            .collect())
    }

    /// Deletes names, the last one only once containerd has collected, and has CRI forget the image by that.
    ///
    /// First what the next pull need not fetch goes into a lease of its own that outlives [`Held::release`]: `digests`, and
    /// `snapshots` (snapshotter, key). For images whose config or manifest is wrong and nothing else.
    pub fn remove_names(
        &mut self,
        namespace: &str,
        names: &[String],
        digests: &[String],
        snapshots: &[(String, String)],
    ) -> Result<NamesRemoved, LiveError> {
        let lease = self.keep_for_pull(namespace, digests, snapshots)?;
        let namespace = self.store.live.namespace(namespace);
        let mut removed = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let Some(row) = namespace.image(name)? else { continue };
            self.store.before(&Act::DeleteImage { namespace: namespace.name().to_owned(), row })?;
            let last = at.saturating_add(1) == names.len();
            if namespace.delete_image(name, last)? {
                removed.push(name.clone());
            }
        }
        Ok(NamesRemoved { removed, lease })
    }

    /// Leases what is reached only through something that is evicted, until it is pulled; the id of that lease.
    pub fn keep_for_pull(
        &mut self,
        namespace: &str,
        digests: &[String],
        snapshots: &[(String, String)],
    ) -> Result<String, LiveError> {
        let lease = self.store.lease(FOR_PULL);
        let content = digests.iter().map(|digest| Resource::content(digest));
        let trees = snapshots.iter().map(|(snapshotter, key)| Resource::snapshot(snapshotter, key));
        let namespace = self.store.live.namespace(namespace);
        self.store.fill_lease(&namespace, &lease, content.chain(trees).collect(), UNTIL_PULLED)?;
        Ok(lease)
    }

    fn delete_row(&mut self, namespace: &str, digest: &str) -> Result<bool, LiveError> {
        let namespace = self.store.live.namespace(namespace);
        let Some(row) = namespace.blob(digest)? else { return Ok(false) };
        self.store.before(&Act::DeleteBlob { namespace: namespace.name().to_owned(), row })?;
        namespace.delete_blob(digest)
    }
}

fn file_left(file: &Path) -> FileLeft {
    match file.symlink_metadata() {
        Ok(_) => FileLeft::Remains,
        Err(why) if why.kind() == io::ErrorKind::NotFound => FileLeft::Gone,
        Err(why) => FileLeft::Unknown(why.kind()),
    }
}
