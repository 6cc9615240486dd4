//! The pages of `explain`: one for each code, in `pages/`.

use verifier_core::finding::Code;

macro_rules! pages {
    ($($name:ident = $file:literal;)*) => {
        /// The page of `code`: its first line is `CODE: title`.
        pub(crate) fn page(code: Code) -> &'static str {
            match code {
                $(Code::$name => include_str!(concat!("../pages/", $file, ".txt")),)*
                _ => "",
            }
        }
    };
}

pages! {
    BlobMissing = "blob-missing";
    BlobDigestMismatch = "blob-digest-mismatch";
    BlobSizeMismatch = "blob-size-mismatch";
    BlobUnreadable = "blob-unreadable";
    BlobNotRegular = "blob-not-regular";
    BlobUnreferenced = "blob-unreferenced";
    BlobUnreferencedCorrupt = "blob-unreferenced-corrupt";
    BlobNameInvalid = "blob-name-invalid";
    BlobRecordSizeWrong = "blob-record-size-wrong";
    ImageTargetMissing = "image-target-missing";
    ImageConfigMissing = "image-config-missing";
    ManifestUnparsable = "manifest-unparsable";
    LayerDiffIdMismatch = "layer-diffid-mismatch";
    LayerInvalid = "layer-invalid";
    IngestStale = "ingest-stale";
    MetadataValueInvalid = "metadata-value-invalid";
    MetadataUnusable = "metadata-unusable";
    SnapshotterDatabaseUnusable = "snapshotter-database-unusable";
    BoltMetaInvalid = "bolt-meta-invalid";
    BoltPageInvalid = "bolt-page-invalid";
    SnapshotFolderMissing = "snapshot-folder-missing";
    SnapshotUsageDiffers = "snapshot-usage-differs";
    SnapshotDiffers = "snapshot-differs";
    SnapshotRowMissing = "snapshot-row-missing";
    SnapshotUnreferenced = "snapshot-unreferenced";
    SnapshotParentMissing = "snapshot-parent-missing";
    SnapshotParentLoop = "snapshot-parent-loop";
    SnapshotParentDiffers = "snapshot-parent-differs";
    SnapshotChainWrong = "snapshot-chain-wrong";
    SnapshotKindWrong = "snapshot-kind-wrong";
    SnapshotUsageMissing = "snapshot-usage-missing";
    SnapshotIdShared = "snapshot-id-shared";
    SnapshotIndexWrong = "snapshot-index-wrong";
    SnapshotSequenceBehind = "snapshot-sequence-behind";
    SnapshotFolderUnreferenced = "snapshot-folder-unreferenced";
    SnapshotUnowned = "snapshot-unowned";
    LabelWrong = "label-wrong";
    ContainerSnapshotMissing = "container-snapshot-missing";
    SandboxInvalid = "sandbox-invalid";
    LeaseResourceMissing = "lease-resource-missing";
    LeaseExpired = "lease-expired";
    SnapshotterMissing = "snapshotter-missing";
    ContentMissing = "content-missing";
    ErofsLayerInvalid = "erofs-layer-invalid";
    RootEntryForeign = "root-entry-foreign";
    UuidInvalid = "uuid-invalid";
    UuidEmpty = "uuid-empty";
    ContainerFolderMissing = "container-folder-missing";
    ContainerStatusInvalid = "container-status-invalid";
    CriLeftover = "cri-leftover";
    TmpmountLeftover = "tmpmount-leftover";
    ImageNotRunnable = "image-not-runnable";
    LeaseEndless = "lease-endless";
    GcRootUnreached = "gc-root-unreached";
    PathUnreadable = "path-unreadable";
}

/// What a code means, in one line.
pub(crate) fn title(code: Code) -> &'static str {
    let line = page(code).lines().next().unwrap_or_default();
    line.split_once(": ").map_or("", |(_, title)| title)
}

/// The code that was probably meant.
pub(crate) fn nearest(text: &str) -> Code {
    let text = text.trim().to_lowercase().replace('_', "-");
    // A part of a code is nearer than any slip.
    let distance = |code: &&Code| {
        let is_part = text.len() > 2 && code.as_str().contains(&text);
        if is_part { 0 } else { distance(&text, code.as_str()) }
    };
    Code::ALL.iter().min_by_key(distance).copied().unwrap_or(Code::SnapshotDiffers)
}

/// How many characters must be inserted, deleted or replaced (Levenshtein's distance); only the first 100 count.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().take(100).enumerate() {
        let mut next = vec![i + 1];
        for ((&b, &diagonal), &above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(a != b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_with_every_part() {
        for &code in Code::ALL {
            let page = page(code);
            assert!(page.starts_with(&format!("{code}: ")), "the page of {code} begins otherwise");
            for part in
                ["\nWhat it means\n", "\nHow it comes about\n", "\nWhat containerd does\n", "\nWhat to do\n"]
            {
                assert_eq!(page.matches(part).count(), 1, "{code}: {part:?}");
            }
            assert!(page.ends_with('\n') && !page.contains('\t') && !page.contains(" \n"), "{code}: spaces");
            assert!(page.lines().all(|line| line.chars().count() <= 79), "{code}: a line is too long");
            assert!(!title(code).is_empty() && !title(code).ends_with('.'), "{code}: title");
        }
    }

    #[test]
    fn a_slip_finds_what_was_meant() {
        for (text, code) in [
            ("blob-mising", Code::BlobMissing),
            ("Snapshot_Differs", Code::SnapshotDiffers),
            ("metadata-unusable ", Code::MetadataUnusable),
            ("bolt-page", Code::BoltPageInvalid),
        ] {
            assert_eq!(nearest(text), code, "{text}");
        }
        nearest("");
        nearest(&"\u{4e2d}".repeat(10_000));
    }
}
