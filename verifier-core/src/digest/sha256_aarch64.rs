//! The SHA instructions of aarch64, for [`super::sha256_two`].
//!
//! `sha256h` and `sha256h2` are the two halves of four rounds: the next ABCD and the next EFGH, first name in the lowest
//! lane (Arm Architecture Reference Manual, C7.2, SHA256H and SHA256H2).

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vdupq_n_u32, vgetq_lane_u32, vreinterpretq_u8_u32, vreinterpretq_u32_u8,
    vrev32q_u8, vsetq_lane_u32, vsha256h2q_u32, vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32,
};

use super::sha256_two::Schedule;

/// Four words of W, the first in the lowest lane.
pub(super) type Words = uint32x4_t;

#[derive(Clone, Copy)]
pub(super) struct Variables {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
}

impl Variables {
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn load(state: &[u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = *state;
        Variables { abcd: lanes([a, b, c, d]), efgh: lanes([e, f, g, h]) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn store(self) -> [u32; 8] {
        let Variables { abcd, efgh } = self;
        [
            vgetq_lane_u32::<0>(abcd),
            vgetq_lane_u32::<1>(abcd),
            vgetq_lane_u32::<2>(abcd),
            vgetq_lane_u32::<3>(abcd),
            vgetq_lane_u32::<0>(efgh),
            vgetq_lane_u32::<1>(efgh),
            vgetq_lane_u32::<2>(efgh),
            vgetq_lane_u32::<3>(efgh),
        ]
    }

    /// Four rounds.
    #[inline]
    #[target_feature(enable = "sha2")]
    pub(super) fn rounds4(&mut self, k: [u32; 4], words: Words) {
        let Variables { abcd, efgh } = *self;
        let words_k = vaddq_u32(words, lanes(k));
        self.abcd = vsha256hq_u32(abcd, efgh, words_k);
        self.efgh = vsha256h2q_u32(efgh, abcd, words_k);
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn add(&mut self, before: Self) {
        self.abcd = vaddq_u32(self.abcd, before.abcd);
        self.efgh = vaddq_u32(self.efgh, before.efgh);
    }
}

/// The first in the lowest lane.
#[inline]
#[target_feature(enable = "neon")]
fn lanes([w0, w1, w2, w3]: [u32; 4]) -> uint32x4_t {
    let lanes = vsetq_lane_u32::<1>(w1, vdupq_n_u32(w0));
    vsetq_lane_u32::<3>(w3, vsetq_lane_u32::<2>(w2, lanes))
}

/// Four words out of the bytes as they are in a block.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn from_big_endian(bytes: Words) -> Words {
    vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(bytes)))
}

/// The next four words of W; they take the place of the oldest four.
#[inline]
#[target_feature(enable = "sha2")]
pub(super) fn extend(w: &mut Schedule) -> Words {
    let [w0, w1, w2, w3] = *w;
    let next = vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
    *w = [w1, w2, w3, next];
    next
}
