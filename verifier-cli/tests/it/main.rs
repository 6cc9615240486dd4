//! All tests of the command, as one program: each more would link the library once more.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code: a test ends where its own footing fails"
)]

/// The command as a process: its streams and its exit status.
mod cli {
    mod alone;
    mod bad_input;
    mod check;
    mod damages;
    mod demo;
    mod edge;
    mod explain;
    mod exposition;
    mod repair;
    mod roots;
    mod signals;
    mod streams;
    mod support;
    mod sweep;
    mod usage;
}
mod many_images;
/// The command on stores that real containerds made: three generations, live and stopped, healthy and damaged.
mod real {
    pub(crate) mod at_risk;
    pub(crate) mod blobs;
    pub(crate) mod host;
    pub(crate) mod repair;
    pub(crate) mod snapshots;
    pub(crate) mod support;
}
