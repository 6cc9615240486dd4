//! The tree that a layer makes: containerd's `applyNaive` (pkg/archive/tar.go) in memory.
//!
//! A [`Tree`] is an arena of names and inodes, compact enough for hundreds of thousands of entries (about 100 bytes
//! each). A name keeps its place when what it names is removed: containerd remembers which paths a layer has written
//! by their text, not by what stands there later. Hard links are names that share an inode.
//!
//! What can not be known from the layer alone is marked so, not guessed: the attributes of parents that no entry
//! made ([`Inode::inherits`]), times that the clock set ([`Inode::mtime`]).

mod acl;
mod apply;
mod arena;
mod attributes;
mod create;
mod folders;
mod inode;
mod layers;
mod lookup;
mod path;
mod resolve;
mod view;

pub use acl::effective_acl;
pub use apply::{ApplyError, Rules, Tree};
pub use arena::NodeId;
pub use attributes::{Attribute, is_comparable, without_owner};
pub use folders::Folders;
pub use inode::{Inherits, Inode, InodeId, Outcome};
pub use path::{clean, join};
pub use resolve::{Lookup, Names, Trail, root_path};
