//! Reads a containerd root and proves what in it is damaged.
