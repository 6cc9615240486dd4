//! What can be wrong with who holds things: containers, sandboxes, leases.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::text::escape;

/// A container without the snapshot of its root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerSnapshotMissing {
    pub snapshotter: String,
    pub key: String,
}

impl Fault for ContainerSnapshotMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/container-snapshot-missing.txt");

    fn sentence(&self) -> String {
        format!("its {} snapshot {} does not exist", escape(&self.snapshotter), escape(&self.key))
    }

    fn by_hand(&self) -> &'static str {
        "Remove the container and create it again; with CRI, the kubelet does so."
    }
}

/// F17: a sandbox's record without what CRI must find in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SandboxInvalid {
    pub why: SandboxFault,
}

impl Fault for SandboxInvalid {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ForgetSandbox;
    const PAGE: &'static str = include_str!("pages/sandbox-invalid.txt");

    fn sentence(&self) -> String {
        match self.why {
            SandboxFault::NoMetadata => "lacks the metadata that CRI keeps of a pod",
            SandboxFault::NoRuntime => "lacks its runtime",
        }
        .into()
    }

    fn by_hand(&self) -> &'static str {
        "Remove this sandbox's record only; containerd 2.0.7, 2.1.4 or later does so itself where the metadata is missing."
    }
}

/// F12: a lease on what is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseResourceMissing {
    pub missing: Vec<String>,
    /// Whether a repair of this project made it.
    pub ours: bool,
    /// When it ends by itself.
    pub ends: Option<String>,
}

impl Fault for LeaseResourceMissing {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/lease-resource-missing.txt");

    fn sentence(&self) -> String {
        let ends = self.ends.as_ref().map(|ends| format!("; it ends at {}", escape(ends)));
        let (missing, ends) = (super::first_names(&self.missing), ends.unwrap_or_default());
        format!(
            "{}holds what is not there: {missing}{ends}",
            if self.ours { "made by a repair, " } else { "" }
        )
    }

    fn by_hand(&self) -> &'static str {
        if self.ours {
            return OURS;
        }
        "Nothing: containerd passes over it. If its owner is gone, remove the lease (ctr leases rm)."
    }
}

/// F12: a lease that has ended and was not collected yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseExpired {
    pub expired: String,
    /// Whether a repair of this project made it.
    pub ours: bool,
}

impl Fault for LeaseExpired {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/lease-expired.txt");

    fn sentence(&self) -> String {
        let ours = if self.ours { "made by a repair, " } else { "" };
        format!("{ours}ended at {}", escape(&self.expired))
    }

    fn by_hand(&self) -> &'static str {
        COLLECTED
    }
}

const OURS: &str = "Nothing: a repair of this tool made it, to keep intact layers until they are pulled again. It ends by itself, \
                    and containerd then removes it.";

/// What to do about what the collector takes.
pub(super) const COLLECTED: &str = "Nothing: containerd removes it in its next collections.";

/// What a sandbox's record lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxFault {
    /// The extension `metadata`, in which CRI keeps what it knows of the pod.
    NoMetadata,
    /// The bucket `runtime`, without which no sandbox of the namespace can be listed.
    NoRuntime,
}
