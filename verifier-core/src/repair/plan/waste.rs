//! What nothing needs and stands in the way: out with it.

use std::path::PathBuf;

use super::{ActionKind, Draft, Planner, Why};
use crate::content::BlobFile;
use crate::finding::{Code, ContainerFolderMissing, Finding, FindingKind, Subject};
use crate::scan::Mode;

impl Planner<'_> {
    pub(super) fn waste(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let path = match &finding.subject {
            Subject::Blob { digest } => BlobFile::path(digest),
            Subject::Path { path } => path.clone(),
            Subject::Ingest { folder } => self.ingest(folder).ok_or(Why::ByHand)?,
            _ => return Err(Why::ByHand),
        };
        if finding.code() == Code::TmpmountLeftover && self.mode == Mode::Live {
            return Err(Why::Live);
        }
        if let Some(how) = self.mounted.path(&path) {
            return Err(Why::Mounted { how: how.into() });
        }
        draft.act(finding, ActionKind::TakeOut { path }, 0, 0);
        Ok(())
    }

    /// A folder in which CRI keeps a container. It reads them when it starts, so only then does a new one help.
    pub(super) fn folder(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let FindingKind::ContainerFolderMissing(ContainerFolderMissing { folder, .. }) = &finding.kind else {
            return Err(Why::ByHand);
        };
        if self.mode == Mode::Live {
            return Err(Why::Live);
        }
        draft.act(finding, ActionKind::MakeFolder { path: folder.clone() }, 0, 0);
        Ok(())
    }

    fn ingest(&self, folder: &std::path::Path) -> Option<PathBuf> {
        let ingests = &self.checked.inventory.ingests;
        ingests.iter().find(|ingest| ingest.name == folder.as_os_str()).map(|ingest| ingest.path())
    }
}
