//! How a path differs from what its layer makes.

use verifier_core::finding::TreeDamage;
use verifier_core::finding::{Difference, DifferenceKind};

use crate::render::{errno, escape, escape_path, thousands};

/// The first paths that differ, at most `limit`, each with all that differs, and how many there are beyond those.
pub(crate) fn differences(damage: &TreeDamage, limit: usize) -> (Vec<String>, u64) {
    let by_path = damage.differences.chunk_by(|one, next| one.path == next.path);
    let shown: Vec<String> = by_path.take(limit).map(line).collect();
    let beyond = damage.paths.saturating_sub(shown.len() as u64);
    (shown, beyond)
}

/// `usr/bin/bash: 0 bytes instead of 1,265,648; mode 0644 instead of 0755`.
fn line(differences: &[Difference]) -> String {
    let kinds: Vec<String> = differences.iter().map(|difference| kind(&difference.kind)).collect();
    let path = differences.first().map(|difference| escape_path(&difference.path)).unwrap_or_default();
    let path = if path.is_empty() { "(the folder itself)" } else { &path };
    format!("{path}: {}", kinds.join("; "))
}

fn kind(kind: &DifferenceKind) -> String {
    match kind {
        DifferenceKind::Missing { expected } => format!("{expected} is missing"),
        DifferenceKind::Unexpected { actual } => format!("{actual} that the layer does not have"),
        DifferenceKind::Type { expected, actual } => format!("{actual} instead of {expected}"),
        DifferenceKind::Size { expected, actual } => {
            format!("{} bytes instead of {}", thousands(*actual), thousands(*expected))
        }
        DifferenceKind::Content { first_offset } => {
            format!("other bytes from offset {} on", thousands(*first_offset))
        }
        DifferenceKind::Unreadable { errno: number } => format!("cannot be read: {}", errno(*number)),
        DifferenceKind::Mode { expected, actual } => format!("mode {actual:04o} instead of {expected:04o}"),
        DifferenceKind::Owner { expected, actual } => {
            format!("owner {}:{} instead of {}:{}", actual.0, actual.1, expected.0, expected.1)
        }
        DifferenceKind::LinkTarget { expected, actual } => {
            format!("link to {} instead of {}", escape(actual), escape(expected))
        }
        DifferenceKind::Device { expected, actual } => {
            format!("device {}:{} instead of {}:{}", actual.0, actual.1, expected.0, expected.1)
        }
        other => attribute(other),
    }
}

fn attribute(kind: &DifferenceKind) -> String {
    match kind {
        DifferenceKind::Xattr { name, expected, actual } => {
            let what = match (expected, actual) {
                (Some(_), None) => "is missing",
                (None, Some(_)) => "is not the layer's",
                _ => "has another value",
            };
            format!("attribute {} {what}", escape(name))
        }
        DifferenceKind::Whiteout { actual: None } => "whiteout is missing".into(),
        DifferenceKind::Whiteout { actual: Some(actual) } => format!("{actual} instead of a whiteout"),
        DifferenceKind::Opaque { expected: true } => "does not hide the folders below it".into(),
        DifferenceKind::Opaque { expected: false } => "hides the folders below it".into(),
        DifferenceKind::Mtime { .. } => "another time of change".into(),
        DifferenceKind::HardLink { expected: true, other } => {
            format!("no hard link to {}", escape_path(other))
        }
        DifferenceKind::HardLink { expected: false, other } => {
            format!("a hard link to {}", escape_path(other))
        }
        other => other.name().replace('-', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use verifier_core::io::FileKind;

    #[test]
    fn a_path_is_a_line_with_all_that_differs() {
        let mut damage = sample::tree_damage();
        damage.differences = sample::differences();
        damage.paths = 20;
        let (lines, beyond) = differences(&damage, 4);
        let expected = [
            "(the folder itself): mode 0644 instead of 0755; owner 1000:0 instead of 0:0",
            "a\\nb\\xff: regular file is missing",
            "bin/sh: 0 bytes instead of 1,265,648",
            "dev/x: fifo that the layer does not have",
        ];
        assert_eq!((lines, beyond), (expected.map(str::to_owned).to_vec(), 16));
    }

    #[test]
    fn every_difference_has_words() {
        for difference in sample::differences() {
            let words = kind(&difference.kind);
            assert!(words.len() > 10 && words != difference.kind.name(), "{words}");
        }
        let whiteout = DifferenceKind::Whiteout { actual: Some(FileKind::File) };
        assert_eq!(kind(&whiteout), "regular file instead of a whiteout");
    }
}
