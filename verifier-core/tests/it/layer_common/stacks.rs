//! Stacks of random layers.

use std::collections::BTreeSet;

use testdata::layers::{Candidates, Entry, Layer};
use verifier_core::layer::tar::{Header, Reader};
use verifier_core::layer::tree::{Lookup, Names, NodeId, Rules, Trail, Tree, root_path};

use super::Snapshotter;

fn header(entry: &Entry) -> Header {
    let bytes = Layer::of(std::slice::from_ref(entry));
    let mut header = Header::default();
    assert!(Reader::new(bytes.as_slice()).next(&mut header).unwrap());
    header
}

/// The folders of a tree that no entry made.
fn implied(tree: &Tree) -> Vec<Vec<u8>> {
    let (mut found, mut folders) = (Vec::new(), vec![NodeId::ROOT]);
    while let Some(folder) = folders.pop() {
        for node in tree.names_in(folder) {
            folders.push(node);
            if tree.inode(node).unwrap().1.inherits().attributes {
                found.push(tree.path(node));
            }
        }
    }
    found
}

/// Whether containerd can look up a parent that no entry made in the layers below: it fails where one of them has a
/// file on the way.
fn can_be_looked_up(path: &[u8], lowers: &[Tree]) -> bool {
    for lower in lowers.iter().rev() {
        let Ok(resolved) = root_path(lower, path) else { return false };
        match lower.lookup(&resolved, &mut Trail::default()) {
            Lookup::Missing => {}
            Lookup::NotFolder | Lookup::Loop => return false,
            Lookup::Other | Lookup::Link(_) => return true,
        }
    }
    true
}

/// A stack of random layers that containerd should take, and for each an entry more that it should not.
pub(crate) struct Stack {
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) refused: Vec<Vec<u8>>,
}

/// Layers at random, for that seed.
pub(crate) fn stack(seed: u64, layers: usize, entries: usize, snapshotter: Snapshotter) -> Stack {
    let mut candidates = Candidates::new(seed);
    let mut made = Stack { layers: Vec::new(), refused: Vec::new() };
    let mut lowers: Vec<Tree> = Vec::new();
    let whole = snapshotter != Snapshotter::Overlayfs;
    for at in 0..layers {
        let rules = Rules { overlay: !whole && at > 0, user_namespace: false };
        let mut tree = match lowers.last() {
            Some(below) if whole => {
                let mut tree = below.clone();
                tree.next_layer(snapshotter == Snapshotter::Native);
                tree
            }
            _ => Tree::new(rules, 1_000_000, 1 << 30),
        };
        let (mut taken, mut refused, mut looked_up) = (Vec::new(), None, BTreeSet::new());
        while taken.len() < entries {
            let entry = candidates.entry();
            let mut next = tree.clone();
            if next.apply(&header(&entry)).is_err() {
                refused = Some([taken.as_slice(), &[entry]].concat());
            } else if next.clone().finish_layer().is_ok() {
                let mut new = implied(&next);
                new.retain(|path| !whole && !looked_up.contains(path));
                if new.iter().all(|path| can_be_looked_up(path, &lowers)) {
                    looked_up.extend(new);
                    tree = next;
                    taken.push(entry);
                }
            }
        }
        tree.finish_layer().unwrap();
        lowers.push(tree);
        made.layers.push(Layer::of(&taken));
        made.refused.extend(refused.map(|entries| Layer::of(&entries)));
    }
    made
}
