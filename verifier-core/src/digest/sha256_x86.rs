//! The SHA instructions of x86-64, for [`super::sha256_two`].
//!
//! `sha256rnds2` (two rounds) can start every second cycle and takes four (Zen 2 to 5, Ice Lake and later). It wants
//! the variables as ABEF and CDGH, first name in the highest lane (Intel SDM volume 2, SHA256RNDS2).

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
};

use super::sha256_two::Schedule;

/// Four words of W, the first in the lowest lane.
pub(super) type Words = __m128i;

#[derive(Clone, Copy)]
pub(super) struct Variables {
    abef: __m128i,
    cdgh: __m128i,
}

impl Variables {
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn load(state: &[u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
        Variables { abef: _mm_set_epi32(a, b, e, f), cdgh: _mm_set_epi32(c, d, g, h) }
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    pub(super) fn store(self) -> [u32; 8] {
        let Variables { abef, cdgh } = self;
        [
            _mm_extract_epi32::<3>(abef),
            _mm_extract_epi32::<2>(abef),
            _mm_extract_epi32::<3>(cdgh),
            _mm_extract_epi32::<2>(cdgh),
            _mm_extract_epi32::<1>(abef),
            _mm_extract_epi32::<0>(abef),
            _mm_extract_epi32::<1>(cdgh),
            _mm_extract_epi32::<0>(cdgh),
        ]
        .map(i32::cast_unsigned)
    }

    /// Four rounds. Two rounds turn ABEF into the next CDGH, so the names swap twice and come out right.
    #[inline]
    #[target_feature(enable = "sha")]
    pub(super) fn rounds4(&mut self, [k0, k1, k2, k3]: [u32; 4], words: Words) {
        let [k0, k1, k2, k3] = [k0, k1, k2, k3].map(u32::cast_signed);
        let words_k = _mm_add_epi32(words, _mm_set_epi32(k3, k2, k1, k0));
        self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, words_k);
        let upper_half = _mm_shuffle_epi32::<0b00_00_11_10>(words_k);
        self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, upper_half);
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn add(&mut self, before: Self) {
        self.abef = _mm_add_epi32(self.abef, before.abef);
        self.cdgh = _mm_add_epi32(self.cdgh, before.cdgh);
    }
}

/// Four words out of the bytes as they are in a block.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn from_big_endian(bytes: Words) -> Words {
    _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
}

/// The next four words of W; they take the place of the oldest four.
#[inline]
#[target_feature(enable = "sha,ssse3")]
pub(super) fn extend(w: &mut Schedule) -> Words {
    let [w0, w1, w2, w3] = *w;
    let seven_back = _mm_alignr_epi8::<4>(w3, w2);
    let next = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), seven_back), w3);
    *w = [w1, w2, w3, next];
    next
}
