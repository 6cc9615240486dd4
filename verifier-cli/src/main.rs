//! `containerd-fsck`: finds and proves damage in a containerd root.
fn main() {}
