//! What nothing needs and stands in the way: out with it.

use std::path::PathBuf;

use super::{ActionKind, Draft, Planner, Why};
use crate::content::BlobFile;
use crate::finding::{Finding, Subject};

impl Planner<'_> {
    pub(super) fn waste(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let path = match &finding.subject {
            Subject::Blob { digest } => BlobFile::path(digest),
            Subject::Path { path } => path.clone(),
            Subject::Ingest { folder } => self.ingest(folder).ok_or(Why::ByHand)?,
            _ => return Err(Why::ByHand),
        };
        if let Some(how) = self.mounted.path(&path) {
            return Err(Why::Mounted { how: how.into() });
        }
        draft.act(finding, ActionKind::TakeOut { path }, 0, 0);
        Ok(())
    }

    fn ingest(&self, folder: &std::path::Path) -> Option<PathBuf> {
        let ingests = &self.checked.inventory.ingests;
        ingests.iter().find(|ingest| ingest.name == folder.as_os_str()).map(|ingest| ingest.path())
    }
}
