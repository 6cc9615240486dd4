//! Blobs that are wrong or missing: right bytes from a source, else out with them.

use std::collections::BTreeSet;

use super::{ActionKind, Allow, Draft, Planner, Why};
use crate::digest::Digest;
use crate::finding::Depth;
use crate::finding::{Finding, FindingKind, Role, Subject};
use crate::oci::Document;

impl Planner<'_> {
    /// A blob that cannot be read: on a medium that fails, only what is known to be right is written.
    pub(super) fn replace_blob(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let Subject::Blob { digest } = &finding.subject else { return Err(Why::ByHand) };
        let (source, size_bytes) = self.available.get(digest).ok_or(Why::Medium)?;
        let kind = ActionKind::Replace { digest: digest.clone(), source: source.into() };
        draft.act(finding, kind, size_bytes, 0);
        Ok(())
    }

    /// A blob that is wrong or missing.
    pub(super) fn replace_or_evict_blob(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let Subject::Blob { digest } = &finding.subject else { return Err(Why::ByHand) };
        if self.available.get(digest).is_some() {
            return self.replace_blob(finding, draft);
        }
        if matches!(finding.kind, FindingKind::BlobSizeMismatch(_))
            && self.checked.report.depth == Depth::Quick
        {
            // Which of the two is wrong is only told by its bytes.
            return Err(Why::ByHand);
        }
        self.evict_blob(finding, digest, finding.kind.role(), draft)
    }

    /// An image whose target or config is not here at all.
    pub(super) fn document(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let digest = match &finding.kind {
            FindingKind::ImageTargetMissing(missing) => &missing.target,
            FindingKind::ImageConfigMissing(missing) => &missing.config,
            _ => return Err(Why::ByHand),
        };
        // Without a record, bytes in its place would not be seen: only a pull makes the record, and adopts what is there.
        self.forget_images(finding, self.size_of(digest), draft)
    }

    fn evict_blob(
        &self,
        finding: &Finding,
        digest: &Digest,
        role: Option<Role>,
        draft: &mut Draft,
    ) -> Result<(), Why> {
        self.held.may_pull(&finding.blast, self.options)?;
        self.held.may_take_blob(digest, self.options)?;
        if matches!(role, Some(Role::Index | Role::Manifest | Role::Config)) {
            self.forget_images(finding, 0, draft)?;
        }
        let kind = ActionKind::EvictBlob { digest: digest.clone(), role };
        self.act_and_pull(finding, kind, self.size_of(digest), &finding.blast.images, draft);
        Ok(())
    }

    /// CRI stays stuck on an image whose documents are wrong until all its names are gone.
    fn forget_images(&self, finding: &Finding, pull_bytes: u64, draft: &mut Draft) -> Result<(), Why> {
        self.held.may_pull(&finding.blast, self.options)?;
        if !finding.blast.containers.is_empty() && !self.options.allow.contains(&Allow::InUse) {
            let by = finding.blast.containers.iter().map(|container| container.name.clone()).collect();
            return Err(Why::Protected { allow: Allow::InUse, by });
        }
        for image in &finding.blast.images {
            let (namespace, name) = (image.namespace.clone(), image.name.clone());
            let kind = ActionKind::ForgetImage { namespace, name };
            self.act_and_pull(finding, kind, pull_bytes, &BTreeSet::from([image.clone()]), draft);
        }
        Ok(())
    }

    /// How large a blob should be, by its records or by those who name it.
    pub(super) fn size_of(&self, digest: &Digest) -> u64 {
        let inventory = &self.checked.inventory;
        let records = inventory.metadata().namespaces.values();
        let described = inventory.documents.parents.get(digest).into_iter().flatten().find_map(|parent| {
            let document: &Document = inventory.documents.facts.get(parent)?.document()?;
            let named = crate::scan::children(document).into_iter().find(|child| child.digest == *digest)?;
            u64::try_from(named.size_bytes).ok()
        });
        described
            .or_else(|| {
                records.filter_map(|namespace| namespace.blobs.get(digest)).find_map(|blob| blob.size_bytes)
            })
            .unwrap_or(0)
    }
}
