//! Stores to test with.
