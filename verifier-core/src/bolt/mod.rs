//! The bolt file format: a bounds-checked, total reader of databases that may be damaged, and the one way to write them.
//!
//! Everything here takes any bytes and answers with data or with a typed fault: no mmap, no `unsafe`, no panic,
//! every page read at most once, memory bounded by the nodes of one path of the tree.
//!
//! * [`Database::open`] reads the two meta pages; [`Database::walk`] does every check in one streaming pass and
//!   hands each bucket and key to a [`Visitor`] on the way.
//! * [`Database::salvage`] visits what no page leads to any more: what lies below a damaged page, and former states.
//! * [`consistent`] gives a view of a file that a running containerd writes to.
//! * [`commit`] applies [`Edits`] as one transaction and returns those that undo it; [`rewrite`] leaves the damaged part of
//!   a database behind; [`build`] makes a new one. All of them write new pages only, and then one meta page.
//!
//! # Format
//!
//! All numbers are little-endian, as on every machine containerd is built for but s390x. Page N stands at byte
//! N × page size. Pages 0 and 1 are the meta pages; the high water mark is the first page never used.
//!
//! | structure | offset | type | field |
//! |---|---|---|---|
//! | page header, 16 bytes | 0 | u64 | page id, equal to its own number |
//! | | 8 | u16 | flags, exactly one of: 1 branch, 2 leaf, 4 meta, 0x10 freelist |
//! | | 10 | u16 | count of elements |
//! | | 12 | u32 | overflow: further pages that continue this one without a header |
//! | meta page | 16 | u32 | magic 0xED0CDAED |
//! | | 20 | u32 | version 2 |
//! | | 24 | u32 | page size in bytes |
//! | | 28 | u32 | flags, unused |
//! | | 32 | u64 | root bucket: page id |
//! | | 40 | u64 | root bucket: sequence |
//! | | 48 | u64 | freelist page id; all ones: not synced |
//! | | 56 | u64 | high water mark |
//! | | 64 | u64 | txid |
//! | | 72 | u64 | FNV-1a-64 of bytes 16..72 |
//! | branch element i | 16 + 16 i | u32 | pos: its key, counted from the element's first byte |
//! | | + 4 | u32 | key size |
//! | | + 8 | u64 | child page id |
//! | leaf element i | 16 + 16 i | u32 | flags: 1 bucket |
//! | | + 4 | u32 | pos: its key, counted from the element's first byte; the value follows the key |
//! | | + 8 | u32 | key size, 1 to 32768 |
//! | | + 12 | u32 | value size |
//! | bucket value | 0 | u64 | root page id; 0: the leaf page follows inline, at 16 |
//! | | 8 | u64 | sequence |
//! | freelist page | 16 | u64… | ids, ascending; count 0xFFFF: the real count at 16, ids from 24 |
//!
//! What a writer always does, and so what is checked beyond the fields' own ranges:
//!
//! * The data of element 0 begins where the elements end, each next one where the one before ends. The rest of
//!   the last page is zero.
//! * A node of S bytes has ⌈S / page size⌉ pages; releases before bbolt 1.3.6 gave it ⌊S / page size⌋ + 1.
//! * Keys ascend strictly; a child's keys lie in its parent's `key[i] ≤ k < key[i+1]`. Only a bucket's root may be empty.
//! * An inline page has id 0, no overflow, no buckets in it, and at most a quarter of a page size.
//! * Every page below the high water mark is one of: meta, reached once from the root, the freelist, listed free.
//!
//! The transaction with the larger txid among the valid meta pages counts. Neither `slot = txid % 2` nor a distance of
//! one between both is checked: a backup made by bolt's `Tx.WriteTo` breaks both and is healthy.
//!
//! Sources: etcd-io/bbolt v1.3.6 `page.go`, `node.go`, `bucket.go`, `freelist.go`, `db.go` (meta), `tx.go` (Check, WriteTo,
//! commitFreelist); v1.4.0 `internal/common` and `db.go` `getPageSize` for the probing of meta page 1.

mod commit;
mod database;
mod edit;
mod fault;
mod freelist;
mod load;
mod merge;
mod meta;
mod node;
mod output;
mod overlay;
mod page;
mod page_set;
mod salvage;
#[cfg(test)]
mod tests;
mod tree;
mod view;
mod walk;
mod write;

pub use crate::io::ReadAt;
pub use commit::{
    Announce, CommitError, CommitFile, Committed, Keep, build, commit, commit_announced, rewrite,
    rewrite_announced,
};
pub use database::{Database, OpenError};
pub(crate) use edit::text;
pub use edit::{Edit, Edits};
pub use fault::{FaultKind, Hides, KeyRange, PageFault};
pub use meta::{Meta, MetaFault};
pub use salvage::{Found, Salvaged, Salvager, Standing, Stray};
pub use view::{ViewError, consistent};
pub use walk::{Visitor, Walk};

/// The number of a page; page N stands at byte N × page size.
pub type Pgid = u64;
