//! All tests of the crate, as one program.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of it is test code: a test ends where its own footing fails"
)]

mod bed;
mod builder;
mod golden;
