//! Nothing of its own: the benches and examples beside it are what this crate is for.
