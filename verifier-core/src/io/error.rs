//! Which errors speak of the disk.

use std::io;

use rustix::io::Errno;

/// The error's number; `EIO` for one that has none.
#[must_use]
pub fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())
}

/// Whether an error with that number says that the bytes are lost. Every other one is ours or the moment's: permissions,
/// too many open files, a path too long to ask for.
///
/// These are the block layer's (`blk_errors` in block/blk-core.c), and those of file systems whose checksums or structures
/// do not fit: `EUCLEAN` is `EFSCORRUPTED`, `EBADMSG` is `EFSBADCRC`.
#[must_use]
pub fn is_media_error(errno: i32) -> bool {
    let media = [Errno::IO, Errno::UCLEAN, Errno::BADMSG, Errno::REMOTEIO, Errno::NODATA, Errno::ILSEQ];
    media.iter().any(|known| known.raw_os_error() == errno)
}
