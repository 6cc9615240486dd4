//! The command as a process: its streams and its exit status.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

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
