//! The list of all kinds, and what each must say of itself.

use std::fmt;

use serde::Serialize;

use super::{Cure, Role, Severity, Subject};
use super::{absent, blob, bolt, image, kept, metadata, own_files, owners, path, rows, snapshot};

/// What a kind of finding says of itself, beside its evidence. The compiler asks each for all of it.
pub trait Fault {
    /// How bad it is.
    const SEVERITY: Severity;
    /// What `repair` does about it at best.
    const CURE: Cure;
    /// The page of `explain`, without what `repair` does: that is written from the cure.
    const PAGE: &'static str;

    /// What is wrong with the subject: the rest of a sentence that begins with it. Names in it are escaped.
    fn sentence(&self) -> String;

    /// What to do now without `repair`, in whole sentences.
    fn by_hand(&self) -> &'static str;

    /// What `repair` does about this one, where the evidence narrows it down.
    fn cure(&self) -> Cure {
        Self::CURE
    }

    /// What the subject is to an image, where that is known.
    fn role(&self) -> Option<Role> {
        None
    }

    /// What should be, where that is one value.
    fn expected(&self, _subject: &Subject) -> Option<String> {
        None
    }

    /// What is there instead.
    fn actual(&self) -> Option<String> {
        None
    }
}

impl<T: Fault> Fault for Box<T> {
    const SEVERITY: Severity = T::SEVERITY;
    const CURE: Cure = T::CURE;
    const PAGE: &'static str = T::PAGE;

    fn sentence(&self) -> String {
        (**self).sentence()
    }

    fn by_hand(&self) -> &'static str {
        (**self).by_hand()
    }

    fn cure(&self) -> Cure {
        (**self).cure()
    }

    fn role(&self) -> Option<Role> {
        (**self).role()
    }

    fn expected(&self, subject: &Subject) -> Option<String> {
        (**self).expected(subject)
    }

    fn actual(&self) -> Option<String> {
        (**self).actual()
    }
}

macro_rules! kinds {
    ($($name:ident($fault:ty) = $text:literal;)*) => {
        /// The stable name of a kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each is documented at the fault of its name")]
        pub enum Code { $($name,)* }

        impl Code {
            /// All codes there are.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The name that scripts see: kebab-case, subject first.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// How bad findings of this kind are.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => <$fault as Fault>::SEVERITY,)* }
            }

            /// What `repair` does about them at best.
            #[must_use]
            pub fn cure(self) -> Cure {
                match self { $(Code::$name => <$fault as Fault>::CURE,)* }
            }

            /// The page as it lies in `pages/`.
            pub(super) fn page_by_hand(self) -> &'static str {
                match self { $(Code::$name => <$fault as Fault>::PAGE,)* }
            }
        }

        /// What is wrong, with the evidence.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "code")]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each is documented at the fault of its name")]
        pub enum FindingKind { $(#[serde(rename = $text)] $name($fault),)* }

        $(impl From<$fault> for FindingKind {
            fn from(fault: $fault) -> Self {
                FindingKind::$name(fault)
            }
        })*

        impl FindingKind {
            /// The stable name of the kind.
            #[must_use]
            pub fn code(&self) -> Code {
                match self { $(FindingKind::$name(_) => Code::$name,)* }
            }

            /// What to do now without `repair`, in whole sentences.
            #[must_use]
            pub fn by_hand(&self) -> &'static str {
                match self { $(FindingKind::$name(fault) => fault.by_hand(),)* }
            }

            /// What `repair` does about it, as far as this evidence tells.
            #[must_use]
            pub fn cure(&self) -> Cure {
                match self { $(FindingKind::$name(fault) => fault.cure(),)* }
            }

            /// What the subject is to an image, where that is known.
            #[must_use]
            pub fn role(&self) -> Option<Role> {
                match self { $(FindingKind::$name(fault) => fault.role(),)* }
            }

            /// What should be, where that is one value.
            #[must_use]
            pub fn expected(&self, subject: &Subject) -> Option<String> {
                match self { $(FindingKind::$name(fault) => fault.expected(subject),)* }
            }

            /// What is there instead.
            #[must_use]
            pub fn actual(&self) -> Option<String> {
                match self { $(FindingKind::$name(fault) => fault.actual(),)* }
            }
        }

        /// What is wrong with the subject: the rest of a sentence that begins with it.
        impl fmt::Display for FindingKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(FindingKind::$name(fault) => f.write_str(&fault.sentence()),)* }
            }
        }
    };
}

// In the order in which findings of one severity are told.
kinds! {
    BlobMissing(blob::BlobMissing) = "blob-missing";
    BlobDigestMismatch(blob::BlobDigestMismatch) = "blob-digest-mismatch";
    BlobSizeMismatch(blob::BlobSizeMismatch) = "blob-size-mismatch";
    BlobUnreadable(blob::BlobUnreadable) = "blob-unreadable";
    BlobNotRegular(blob::BlobNotRegular) = "blob-not-regular";
    BlobUnreferenced(blob::BlobUnreferenced) = "blob-unreferenced";
    BlobUnreferencedCorrupt(blob::BlobUnreferencedCorrupt) = "blob-unreferenced-corrupt";
    BlobNameInvalid(blob::BlobNameInvalid) = "blob-name-invalid";
    BlobRecordSizeWrong(blob::BlobRecordSizeWrong) = "blob-record-size-wrong";
    ImageTargetMissing(image::ImageTargetMissing) = "image-target-missing";
    ImageConfigMissing(image::ImageConfigMissing) = "image-config-missing";
    ManifestUnparsable(image::ManifestUnparsable) = "manifest-unparsable";
    LayerDiffIdMismatch(image::LayerDiffIdMismatch) = "layer-diffid-mismatch";
    LayerInvalid(image::LayerInvalid) = "layer-invalid";
    IngestStale(path::IngestStale) = "ingest-stale";
    MetadataValueInvalid(metadata::MetadataValueInvalid) = "metadata-value-invalid";
    MetadataUnusable(metadata::MetadataUnusable) = "metadata-unusable";
    SnapshotterDatabaseUnusable(metadata::SnapshotterDatabaseUnusable) = "snapshotter-database-unusable";
    BoltMetaInvalid(bolt::BoltMetaInvalid) = "bolt-meta-invalid";
    BoltPageInvalid(bolt::BoltPageInvalid) = "bolt-page-invalid";
    SnapshotFolderMissing(snapshot::SnapshotFolderMissing) = "snapshot-folder-missing";
    SnapshotUsageDiffers(snapshot::SnapshotUsageDiffers) = "snapshot-usage-differs";
    SnapshotDiffers(Box<snapshot::TreeDamage>) = "snapshot-differs";
    SnapshotParentsBare(Box<snapshot::SnapshotParentsBare>) = "snapshot-parents-bare";
    SnapshotRowMissing(rows::SnapshotRowMissing) = "snapshot-row-missing";
    SnapshotUnreferenced(rows::SnapshotUnreferenced) = "snapshot-unreferenced";
    SnapshotParentMissing(rows::SnapshotParentMissing) = "snapshot-parent-missing";
    SnapshotParentLoop(rows::SnapshotParentLoop) = "snapshot-parent-loop";
    SnapshotParentDiffers(rows::SnapshotParentDiffers) = "snapshot-parent-differs";
    SnapshotChainWrong(rows::SnapshotChainWrong) = "snapshot-chain-wrong";
    SnapshotKindWrong(rows::SnapshotKindWrong) = "snapshot-kind-wrong";
    SnapshotUsageMissing(rows::SnapshotUsageMissing) = "snapshot-usage-missing";
    SnapshotIdShared(rows::SnapshotIdShared) = "snapshot-id-shared";
    SnapshotIndexWrong(rows::SnapshotIndexWrong) = "snapshot-index-wrong";
    SnapshotSequenceBehind(rows::SnapshotSequenceBehind) = "snapshot-sequence-behind";
    SnapshotFolderUnreferenced(snapshot::SnapshotFolderUnreferenced) = "snapshot-folder-unreferenced";
    SnapshotUnowned(snapshot::SnapshotUnowned) = "snapshot-unowned";
    LabelWrong(metadata::LabelWrong) = "label-wrong";
    ContainerSnapshotMissing(owners::ContainerSnapshotMissing) = "container-snapshot-missing";
    SandboxInvalid(owners::SandboxInvalid) = "sandbox-invalid";
    LeaseResourceMissing(owners::LeaseResourceMissing) = "lease-resource-missing";
    LeaseExpired(owners::LeaseExpired) = "lease-expired";
    SnapshotterMissing(absent::SnapshotterMissing) = "snapshotter-missing";
    ContentMissing(absent::ContentMissing) = "content-missing";
    ErofsLayerInvalid(absent::ErofsLayerInvalid) = "erofs-layer-invalid";
    RootEntryForeign(own_files::RootEntryForeign) = "root-entry-foreign";
    UuidInvalid(own_files::UuidInvalid) = "uuid-invalid";
    UuidEmpty(own_files::UuidEmpty) = "uuid-empty";
    ContainerFolderMissing(own_files::ContainerFolderMissing) = "container-folder-missing";
    ContainerStatusInvalid(own_files::ContainerStatusInvalid) = "container-status-invalid";
    CriLeftover(own_files::CriLeftover) = "cri-leftover";
    TmpmountLeftover(own_files::TmpmountLeftover) = "tmpmount-leftover";
    ImageNotRunnable(absent::ImageNotRunnable) = "image-not-runnable";
    LeaseEndless(kept::LeaseEndless) = "lease-endless";
    GcRootUnreached(kept::GcRootUnreached) = "gc-root-unreached";
    PathUnreadable(path::PathUnreadable) = "path-unreadable";
}
