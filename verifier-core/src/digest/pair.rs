//! SHA-256 of two messages at a time.
//!
//! ```text
//! message        bytes, then 0x80, zeros up to 56 bytes modulo 64, length in bits (u64, big-endian)   FIPS 180-4, 5.1.1
//! digest         the eight words of the state after the last block, big-endian                         6.2.2
//! ```

use sha2::block_api::compress256;

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
use super::sha256_two::Interleaved;

pub(super) const BLOCK_BYTES: usize = 64;
/// Where the length stands in the last block.
const LENGTH_OFFSET: usize = 56;

/// FIPS 180-4, 5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Stands for the instructions on machines that this library has no kernel for.
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
#[derive(Debug, Clone, Copy)]
enum Interleaved {}

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
impl Interleaved {
    fn detect() -> Option<Self> {
        None
    }

    fn compress(self, _: [&mut [u32; 8]; 2], _: [&[[u8; 64]]; 2]) {
        match self {}
    }
}

/// How two messages are taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pairing(Option<Interleaved>);

impl Pairing {
    /// Every way that this machine has: one message after the other, by sha2, is always the first.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        std::iter::once(None).chain(Interleaved::detect().map(Some)).map(Pairing).collect()
    }

    /// The fastest way on this machine. Not optimised, the kernel is far slower than sha2, which is optimised in
    /// every profile.
    pub(super) fn detect() -> Self {
        Pairing(if cfg!(debug_assertions) { None } else { Interleaved::detect() })
    }

    fn compress(self, [state_a, state_b]: [&mut [u32; 8]; 2], [blocks_a, blocks_b]: [&[[u8; 64]]; 2]) {
        let both = blocks_a.len().min(blocks_b.len());
        let (mut rest_a, mut rest_b) = (blocks_a, blocks_b);
        if let (Some(kernel), true) = (self.0, both > 0) {
            kernel.compress([state_a, state_b], [blocks_a, blocks_b]);
            rest_a = blocks_a.get(both..).unwrap_or_default();
            rest_b = blocks_b.get(both..).unwrap_or_default();
        }
        compress256(state_a, rest_a);
        compress256(state_b, rest_b);
    }
}

/// A SHA-256 in the making. Alone it is as fast as sha2, next to another ([`Sha256::update_two`]) up to twice so.
#[derive(Clone)]
pub struct Sha256 {
    state: [u32; 8],
    /// How much was taken in.
    bytes: u64,
    /// The start of the block that is not complete yet.
    begun: [u8; BLOCK_BYTES],
    /// The length of that start, less than a block.
    begun_bytes: usize,
}

impl Default for Sha256 {
    fn default() -> Self {
        Sha256 { state: INITIAL, bytes: 0, begun: [0; BLOCK_BYTES], begun_bytes: 0 }
    }
}

impl Sha256 {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let blocks = self.stage(bytes);
        compress256(&mut self.state, blocks);
    }

    /// Takes in the next bytes of two messages. Fastest where both have about the same number of whole blocks (64
    /// bytes) to add; what one has more than the other is taken in alone.
    pub fn update_two(&mut self, bytes: &[u8], other: &mut Sha256, other_bytes: &[u8]) {
        Sha256::update_by(Pairing::detect(), [self, other], [bytes, other_bytes]);
    }

    pub(super) fn update_by(pairing: Pairing, [a, b]: [&mut Sha256; 2], [bytes_a, bytes_b]: [&[u8]; 2]) {
        let blocks = [a.stage(bytes_a), b.stage(bytes_b)];
        pairing.compress([&mut a.state, &mut b.state], blocks);
    }

    /// The digest of all bytes taken in.
    #[must_use]
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.bytes.wrapping_mul(8);
        let padded =
            if self.begun_bytes < LENGTH_OFFSET { LENGTH_OFFSET } else { LENGTH_OFFSET + BLOCK_BYTES };
        let mut padding = [0; BLOCK_BYTES];
        padding[0] = 0x80;
        self.update(padding.get(..padded - self.begun_bytes).unwrap_or_default());
        self.update(&bits.to_be_bytes());
        let mut digest = [0; 32];
        for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        digest
    }

    /// Counts `bytes`, completes the block begun before and begins the next one. The whole blocks between are the
    /// caller's to compress, at once.
    fn stage<'a>(&mut self, bytes: &'a [u8]) -> &'a [[u8; BLOCK_BYTES]] {
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        let lacking = if self.begun_bytes == 0 { 0 } else { BLOCK_BYTES - self.begun_bytes };
        let (head, bytes) = bytes.split_at(lacking.min(bytes.len()));
        self.begin(head);
        if self.begun_bytes == BLOCK_BYTES {
            compress256(&mut self.state, &[self.begun]);
            self.begun_bytes = 0;
        }
        let (blocks, tail) = bytes.as_chunks();
        self.begin(tail);
        blocks
    }

    /// Adds to the block that is not complete; there is room.
    fn begin(&mut self, bytes: &[u8]) {
        let end = self.begun_bytes + bytes.len();
        if let Some(room) = self.begun.get_mut(self.begun_bytes..end) {
            room.copy_from_slice(bytes);
            self.begun_bytes = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    fn two(pairing: Pairing, parts: &[[&[u8]; 2]]) -> [[u8; 32]; 2] {
        let (mut a, mut b) = (Sha256::default(), Sha256::default());
        for bytes in parts {
            Sha256::update_by(pairing, [&mut a, &mut b], *bytes);
        }
        [a.finish(), b.finish()]
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads a file of the host's")]
    fn two_at_a_time_where_linux_names_the_instructions() {
        // `ci/aarch64` names them for the CPU that it emulates: the file is the real one's.
        let flags = std::env::var("FSCK_CPU_FLAGS")
            .unwrap_or_else(|_| std::fs::read_to_string("/proc/cpuinfo").unwrap());
        let name = if cfg!(target_arch = "aarch64") { "sha2" } else { "sha_ni" };
        let named = flags.split_whitespace().any(|flag| flag == name);
        assert_eq!(Interleaved::detect().is_some(), named);
        assert_eq!(Pairing::detect().0.is_some(), named && !cfg!(debug_assertions));
    }

    #[test]
    fn known_answers() {
        // FIPS 180-2's examples (appendix B) and NIST's for no byte at all.
        let million = "a".repeat(if cfg!(miri) { 0 } else { 1_000_000 });
        let answers = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs\
                 mnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
            ),
            (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ];
        let answers = &answers[..if cfg!(miri) { 4 } else { 5 }];
        for pairing in Pairing::all() {
            for (one, one_digest) in answers {
                for (other, other_digest) in answers {
                    let digests = two(pairing, &[[one.as_bytes(), other.as_bytes()]]);
                    assert_eq!(digests.map(hex::encode), [*one_digest, *other_digest]);
                }
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "half a gigabyte")]
    fn lengths_above_32_bits_count() {
        let part = vec![0x5a; 1 << 20];
        let (mut ours, mut theirs) = (Sha256::default(), sha2::Sha256::new());
        for _ in 0..513 {
            ours.update(&part);
            theirs.update(&part);
        }
        assert_eq!(ours.finish(), <[u8; 32]>::from(theirs.finalize()));
    }

    /// A message, the offset in memory that it starts at, and where it is cut into parts.
    fn message() -> impl Strategy<Value = (Vec<u8>, usize, Vec<prop::sample::Index>)> {
        let bytes = prop_oneof![0..260usize, 0..5000usize]
            .prop_flat_map(|most| prop::collection::vec(any::<u8>(), most));
        (bytes, 0..64usize, prop::collection::vec(any::<prop::sample::Index>(), 5))
    }

    fn parts<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
    }

    proptest! {
        #[test]
        fn two_messages_hash_as_sha2_says((a, shift_a, cuts_a) in message(), (b, shift_b, cuts_b) in message()) {
            let expected = [&a, &b].map(|bytes| <[u8; 32]>::from(sha2::Sha256::digest(bytes)));
            let shifted = |bytes: &[u8], shift: usize| [&vec![0; shift], bytes].concat();
            let (a, b) = (shifted(&a, shift_a), shifted(&b, shift_b));
            let both: Vec<[&[u8]; 2]> = std::iter::zip(parts(&a[shift_a..], &cuts_a), parts(&b[shift_b..], &cuts_b))
                .map(|(a, b)| [a, b])
                .collect();
            for pairing in Pairing::all() {
                prop_assert_eq!(two(pairing, &both), expected);
            }
        }

        #[test]
        fn one_message_hashes_as_sha2_says((bytes, _, cuts) in message()) {
            let mut ours = Sha256::default();
            parts(&bytes, &cuts).iter().for_each(|part| ours.update(part));
            prop_assert_eq!(ours.finish(), <[u8; 32]>::from(sha2::Sha256::digest(&bytes)));
        }

        #[test]
        fn states_that_no_message_reaches_alone_compress_alike(
            states in any::<[[u32; 8]; 2]>(),
            bytes in prop::collection::vec(any::<u8>(), 0..1200),
            cut in any::<prop::sample::Index>(),
        ) {
            let blocks = bytes.as_chunks().0;
            let (blocks_a, blocks_b) = blocks.split_at(cut.index(blocks.len() + 1));
            let [mut a, mut b] = states;
            compress256(&mut a, blocks_a);
            compress256(&mut b, blocks_b);
            for pairing in Pairing::all() {
                let [mut ours_a, mut ours_b] = states;
                pairing.compress([&mut ours_a, &mut ours_b], [blocks_a, blocks_b]);
                prop_assert_eq!([ours_a, ours_b], [a, b]);
            }
        }
    }
}
