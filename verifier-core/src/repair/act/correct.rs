//! Single rows of a stopped store, put right by what the store itself proves.

use std::path::PathBuf;

use super::rebuild::write_index;
use crate::bolt::Edits;
use crate::layout::META_DB;
use crate::metadata::encode;
use crate::repair::plan::ActionKind;
use crate::scan::Inventory;

/// The database that an action corrects, and the edits that do it; `None` for actions of other kinds.
pub(in crate::repair) fn edits(inventory: &Inventory, kind: &ActionKind) -> Option<(PathBuf, Edits)> {
    let mut edits = Edits::new();
    let database = match kind {
        ActionKind::SetBlobSize { digest, size_bytes } => {
            let size = encode::varint(i64::try_from(*size_bytes).ok()?);
            let namespaces = inventory.metadata().namespaces.iter();
            let wrong = namespaces.filter(|(_, records)| {
                records.blobs.get(digest).is_some_and(|record| record.size_bytes != Some(*size_bytes))
            });
            for (namespace, _) in wrong {
                edits.put(["v1", namespace, "content", "blob", &digest.to_string()], "size", &size);
            }
            META_DB.into()
        }
        ActionKind::SetSequence { database, bucket, sequence } => {
            edits.set_sequence(bucket, *sequence);
            database.clone()
        }
        ActionKind::IndexParents { database } => {
            let mut databases = inventory.snapshotters.values().filter_map(|one| one.database.as_ref());
            let rows = databases.find(|one| one.path == *database)?.records()?;
            write_index(rows, &mut edits);
            database.clone()
        }
        ActionKind::DropValue { database, path } => {
            let (key, buckets) = path.split_last()?;
            edits.delete(buckets, key);
            database.clone()
        }
        ActionKind::ForgetSandbox { namespace, sandbox } => {
            edits.delete_bucket(["v1", namespace, "sandboxes", sandbox]);
            META_DB.into()
        }
        _ => return None,
    };
    Some((database, edits))
}
