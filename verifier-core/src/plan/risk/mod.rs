//! What a crash put at risk.

pub(super) mod at_risk;
pub(super) mod stamp;

pub(in crate::plan) use at_risk::blobs_made;
pub use at_risk::{AtRisk, Distrust, Selection, Sign};
pub use stamp::{DatabaseMark, Stamp};
