//! The bolt file format.

/// A page that breaks a rule of the format.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PageFault {
    /// The page's number.
    pub pgid: u64,
}
