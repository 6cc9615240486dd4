//! Layers: the first byte chooses how they are applied, the rest is a tar, read to its end and applied twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verifier_core::layer::tar::{Data, Header, Reader};
use verifier_core::layer::tree::{Inode, NodeId, Rules, Tree};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, tar)) = bytes.split_first() else { return };
    let rules = Rules { overlay: choice & 1 != 0, user_namespace: choice & 2 != 0 };
    let mut tree = Tree::new(rules, 10_000, 1 << 20);
    for _ in 0..2 {
        if !apply(&mut tree, tar) {
            return;
        }
        tree.next_layer(choice & 4 != 0);
    }
});

/// Applies a tar; whether it went well. What the tree then says of itself must hold together.
fn apply(tree: &mut Tree, tar: &[u8]) -> bool {
    let mut reader = Reader::new(tar);
    let mut header = Header::default();
    while let Ok(true) = reader.next(&mut header) {
        let Ok(applied) = tree.apply(&header) else { return false };
        let size = applied.and_then(|(_, inode)| tree.get(inode)).map(Inode::size_bytes);
        let mut length: u64 = 0;
        let whole = loop {
            match reader.data() {
                Ok(Data::Bytes(bytes)) => length += bytes.len() as u64,
                Ok(Data::Zeros(count)) => length += count,
                Ok(Data::End) => break true,
                Err(_) => break false,
            }
        };
        assert!(!whole || size.is_none_or(|size| size == length), "a file is as long as its header says");
    }
    if tree.finish_layer().is_err() {
        return false;
    }
    let mut folders = vec![NodeId::ROOT];
    while let Some(folder) = folders.pop() {
        for node in tree.names_in(folder).collect::<Vec<_>>() {
            assert_eq!(tree.child(folder, tree.name(node)), Some(node));
            assert!(tree.inode(node).is_some_and(|(_, inode)| inode.names() > 0));
            folders.push(node);
        }
    }
    true
}
