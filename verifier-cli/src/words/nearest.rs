//! The code that was probably meant.

use verifier_core::finding::Code;

/// The code that was probably meant.
pub(crate) fn nearest(text: &str) -> Code {
    let text = text.trim().to_lowercase().replace('_', "-");
    // A part of a code is nearer than any slip.
    let distance = |code: &&Code| {
        let is_part = text.len() > 2 && code.as_str().contains(&text);
        if is_part { 0 } else { distance(&text, code.as_str()) }
    };
    Code::ALL.iter().min_by_key(distance).copied().unwrap_or(Code::SnapshotDiffers)
}

/// How many characters must be inserted, deleted or replaced (Levenshtein's distance); only the first 100 count.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().take(100).enumerate() {
        let mut next = vec![i + 1];
        for ((&b, &diagonal), &above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(a != b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        for (text, code) in [
            ("blob-mising", Code::BlobMissing),
            ("Snapshot_Differs", Code::SnapshotDiffers),
            ("metadata-unusable ", Code::MetadataUnusable),
            ("bolt-page", Code::BoltPageInvalid),
        ] {
            assert_eq!(nearest(text), code, "{text}");
        }
        nearest("");
        nearest(&"\u{4e2d}".repeat(10_000));
    }
}
