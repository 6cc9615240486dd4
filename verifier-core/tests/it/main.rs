//! All tests of the library through its public surface, as one program: each more would link the library once more.
//!
//! What is counted by the process (memory, open files) is measured in a process of its own (`alone`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "all of it is test code: a test ends where its own footing fails"
)]

mod alone;
mod at_risk;
mod bolt_commit;
mod bolt_containerd;
mod bolt_damage;
mod bolt_large;
mod bolt_powercut;
mod bolt_real;
mod bolt_rewrite;
mod bolt_support;
mod cross;
mod damage;
mod damage_limits;
mod databases;
mod held;
mod hostile_documents;
mod layer_bad_input;
mod layer_check;
mod layer_common;
mod layer_damage;
mod layer_large;
mod layer_random;
mod layer_rootless;
mod layer_rules;
mod layer_small;
mod left_over;
mod links;
#[cfg(feature = "live")]
mod live_client;
#[cfg(feature = "live")]
mod live_common;
#[cfg(feature = "live")]
mod live_cri;
#[cfg(feature = "live")]
mod live_disagree;
#[cfg(feature = "live")]
mod live_repair;
#[cfg(feature = "live")]
mod live_undo;
mod normal_life;
mod obstacles;
mod once;
mod parents;
mod peak;
mod powercut;
mod rebuild;
mod rebuild_common;
mod rebuild_pages;
mod repair_common;
mod repair_damage;
mod repair_protocol;
mod restore_catalogue;
mod restore_common;
mod restore_damage;
mod restore_kill;
mod restore_missing;
mod restore_mounted;
mod restore_powercut;
mod restore_random;
mod restore_trouble;
mod scale;
mod soak;
mod sweep;
mod trouble;
mod unread;
