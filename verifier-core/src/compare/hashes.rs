//! The blob's hash and the tar's, side by side.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::io::Buffer;

/// Two hashes of two streams that come in pieces, in turn. A piece of the blob waits for one of the tar: two at a time
/// take little longer than one ([`Hasher::update_two`]).
pub(super) struct Hashes {
    blob: Option<Hasher>,
    tar: Option<Hasher>,
    /// A piece of the blob.
    waiting: Option<Buffer>,
    /// The two streams are the same: the tar's hash is both.
    plain: bool,
}

impl Hashes {
    /// With an algorithm, the blob's is computed with it, if this library can; without, nothing is.
    pub(super) fn new(algorithm: Option<&Algorithm>) -> Hashes {
        let (blob, tar) = (algorithm.and_then(Hasher::new), algorithm.map(|_| Hasher::sha256()));
        Hashes { blob, tar, waiting: None, plain: false }
    }

    /// The blob is the tar. Comes before any of its bytes.
    pub(super) fn set_plain(&mut self) {
        if matches!(self.blob, Some(Hasher::Sha256(_))) {
            self.blob = None;
            self.plain = true;
        }
    }

    /// Takes the next piece of the blob; gives back the buffer of one that is done with.
    pub(super) fn blob(&mut self, bytes: Buffer) -> Option<Buffer> {
        let Some(hasher) = &mut self.blob else { return Some(bytes) };
        let before = self.waiting.replace(bytes);
        if let Some(before) = &before {
            hasher.update(before.bytes());
        }
        before
    }

    /// Takes the next piece of the tar; gives back the buffer of a piece of the blob that is done with.
    pub(super) fn tar(&mut self, bytes: &[u8]) -> Option<Buffer> {
        let tar = self.tar.as_mut()?;
        match (&mut self.blob, self.waiting.take()) {
            (Some(blob), Some(waiting)) => {
                tar.update_two(bytes, blob, waiting.bytes());
                Some(waiting)
            }
            (_, waiting) => {
                tar.update(bytes);
                waiting
            }
        }
    }

    /// The tar is not complete: it has no digest.
    pub(super) fn forget_tar(&mut self) {
        self.tar = None;
    }

    /// The blob's digest and the tar's.
    pub(super) fn finish(self) -> (Option<Digest>, Option<Digest>) {
        let tar = self.tar.map(Hasher::finish);
        let blob = match (self.blob, self.waiting) {
            (Some(mut hasher), waiting) => {
                hasher.update(waiting.unwrap_or_default().bytes());
                Some(hasher.finish())
            }
            (None, _) => tar.clone().filter(|_| self.plain),
        };
        (blob, tar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.read(&bytes, 0, bytes.len()).unwrap();
        buffer
    }

    #[test]
    fn each_stream_has_its_own_digest() {
        let digest = |algorithm: &Algorithm, bytes: &[u8]| Hasher::digest(algorithm, bytes);
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut hashes = Hashes::new(Some(&algorithm));
            // tar, blob, blob, tar, tar, blob
            hashes.tar(b"one");
            assert!(hashes.blob(buffer(b"first")).is_none());
            assert_eq!(hashes.blob(buffer(b"second")).unwrap().bytes(), b"first");
            assert_eq!(hashes.tar(&[7; 1000]).unwrap().bytes(), b"second");
            assert!(hashes.tar(b"three").is_none());
            hashes.blob(buffer(b"third"));
            let tar = [b"one".as_slice(), &[7; 1000], b"three"].concat();
            let expected = (digest(&algorithm, b"firstsecondthird"), digest(&Algorithm::Sha256, &tar));
            assert_eq!(hashes.finish(), (Some(expected.0), Some(expected.1)));
        }
        let mut plain = Hashes::new(Some(&Algorithm::Sha256));
        plain.set_plain();
        assert!(plain.blob(buffer(b"same")).is_some());
        plain.tar(b"same");
        let same = Some(digest(&Algorithm::Sha256, b"same"));
        assert_eq!(plain.finish(), (same.clone(), same));
        assert_eq!(Hashes::new(None).finish(), (None, None));
    }
}
