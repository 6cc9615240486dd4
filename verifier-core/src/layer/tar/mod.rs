//! The tar format as Go's `archive/tar` reads it (go1.19 to go1.24, reader.go and strconv.go), because containerd
//! reads it so.
//!
//! ```text
//! 0    name 100     124  size 12       257  magic 6 "ustar\0" (ustar, PAX) or "ustar " (GNU)
//! 100  mode 8       136  mtime 12      263  version 2 "00" or " \0"
//! 108  uid 8        148  checksum 8    265  user name 32     297  group name 32
//! 116  gid 8        156  type 1        329  device major 8   337  device minor 8
//!                   157  link 100      345  prefix 155 (STAR: 131, with "tar\0" at 508); GNU: atime 12, ctime 12
//! ```
//!
//! Blocks are 512 bytes. Numbers are octal digits between spaces and NULs, or base 256 if the first bit is set. The
//! data follows its header, padded to a block; links, devices, fifos and folders have none, whatever their size
//! says. Two blocks of zeros end the archive; so does the end of the stream at a block's start, after one block of
//! zeros, or within padding.
//!
//! `x` headers (PAX records), `L` and `K` (GNU long name and link) describe the entry that follows; a second `x`
//! replaces the first; a `g` header (global PAX) is an entry of its own, and what preceded it is forgotten.

mod block;
mod header;
mod pax;
mod reader;
mod sparse;
mod text;

pub use header::{EntryKind, Header, Time};
pub use reader::{Data, Reader, TarError};
