//! Each damage causes exactly its fault, and hides no more than it must.

#![expect(clippy::cast_possible_truncation, reason = "the fixture's numbers are small")]

mod fixture;
mod meta;
mod node;
mod salvage;
mod tree;
mod view;

use super::FaultKind as Kind;
use super::page::{BRANCH, FREELIST, LEAF, META};
use super::*;
use fixture::*;

const WHOLE: [&str; 15] = [
    "large 3",
    "large/v=xxxxxxxx",
    "end large",
    "small 5",
    "small/a=1",
    "small/b=2",
    "end small",
    "tree 2",
    "tree/c=3",
    "tree/e=4",
    "tree/m=5",
    "tree/nested 9",
    "tree/nested/n=6",
    "end tree/nested",
    "end tree",
];

/// Damages the fixture.
fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = healthy();
    damage(&mut file);
    file
}

/// The file has this one fault, and everything but the lines that begin with one of `hidden` is still shown.
#[track_caller]
fn only(file: &[u8], pgid: Pgid, kind: Kind, hidden: &[&str]) {
    assert_eq!(faults(file), [(pgid, kind)]);
    let kept = |line: &&str| !hidden.iter().any(|hidden| line.starts_with(hidden));
    assert_eq!(lines(file), WHOLE.into_iter().filter(kept).collect::<Vec<_>>());
    let walk = Database::open(&file).unwrap().walk(&mut ());
    assert_eq!(walk.complete, hidden.is_empty(), "complete");
}
