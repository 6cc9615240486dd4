//! The command on stores that real containerds made: three generations, live and stopped, healthy and damaged.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod real {
    pub(crate) mod at_risk;
    pub(crate) mod blobs;
    pub(crate) mod host;
    pub(crate) mod repair;
    pub(crate) mod snapshots;
    pub(crate) mod support;
}
