//! The one way this library reads a disk.
//!
//! Everything below a containerd root is reached through a [`Folder`]: an open directory whose lookups cannot
//! leave it (`openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`). Nothing here can write below it. A file is only
//! opened after it has proved to be a regular file, so that no fifo blocks and no device is touched, and with
//! `O_NOATIME` where the kernel allows it, so that a check leaves every timestamp as it was.
//!
//! Every operation passes a [`Gate`]: tests use it to make the nth call fail as a dying disk would.

mod buffer;
mod error;
mod folder;
mod gate;
mod hold;
pub(crate) mod locks;
pub(crate) mod mounts;
mod outside;
mod read_at;
mod stat;

pub use buffer::Buffer;
pub use error::{errno, is_media_error};
pub use folder::{Entry, File, Folder, NotRegular};
pub use gate::{Gate, Op, Reader};
pub use hold::Holder;
pub(crate) use hold::hold;
pub use locks::{LockState, Unseen};
pub(crate) use outside::{Beside, open_file};
pub use outside::{read_file, write_file};
pub use read_at::{ReadAt, read_full_at};
pub use stat::{FileKind, Stat, Time};
