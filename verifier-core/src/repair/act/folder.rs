//! A folder of containerd's own that is gone: an empty one in its place.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::io::FileKind;
use crate::repair::Put;
use crate::repair::quarantine::run::Run;

/// What CRI gives its containers' folders, and those above them.
const MODE: u32 = 0o755;

/// Makes the folder `path` below the root, and those above it that are missing, in one step. That it is there is as good.
///
/// # Errors
/// What the system reports; `ENOTDIR` when something else has the name.
pub(in crate::repair) fn make(run: &mut Run<'_>, path: &Path) -> io::Result<()> {
    let root = run.disk().root();
    let mut missing = None;
    for above in path.ancestors().take_while(|above| !above.as_os_str().is_empty()) {
        match root.stat(above) {
            Ok(stat) if stat.kind == FileKind::Folder => break,
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing = Some(above),
            Err(error) => return Err(error),
        }
    }
    let Some(top) = missing else { return Ok(()) };
    let item = run.new_item();
    let items = run.items();
    items.make_dir(&item, MODE)?;
    items.set_mode(&item, MODE)?;
    let mut dir = items.dir(Path::new(&item))?;
    for name in path.strip_prefix(top).map_err(io::Error::other)? {
        dir.make_dir(name, MODE)?;
        dir.set_mode(OsStr::new(name), MODE)?;
        dir = dir.dir(Path::new(name))?;
    }
    run.put_all(&[Put { item, path: top.into() }])
}
