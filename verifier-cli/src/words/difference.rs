//! How a path differs from what its layer makes.

use verifier_core::finding::{Difference, TreeDamage};

use crate::render::escape_path;

/// The first paths that differ, at most `limit`, each with all that differs, and how many there are beyond those.
pub(crate) fn differences(damage: &TreeDamage, limit: usize) -> (Vec<String>, u64) {
    let by_path = damage.differences.chunk_by(|one, next| one.path == next.path);
    let shown: Vec<String> = by_path.take(limit).map(line).collect();
    let beyond = damage.paths.saturating_sub(shown.len() as u64);
    (shown, beyond)
}

/// `usr/bin/bash: 0 bytes instead of 1,265,648; mode 0644 instead of 0755`.
fn line(differences: &[Difference]) -> String {
    let kinds: Vec<String> = differences.iter().map(|difference| difference.kind.to_string()).collect();
    let path = differences.first().map(|difference| escape_path(&difference.path)).unwrap_or_default();
    let path = if path.is_empty() { "(the folder itself)" } else { &path };
    format!("{path}: {}", kinds.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use verifier_core::finding::DifferenceKind;
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
            let words = difference.kind.to_string();
            assert!(words.len() > 10 && words != difference.kind.name(), "{words}");
        }
        let whiteout = DifferenceKind::Whiteout { actual: Some(FileKind::File) };
        assert_eq!(whiteout.to_string(), "regular file instead of a whiteout");
    }
}
