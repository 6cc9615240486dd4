//! Two SHA-256 compressions at once with the SHA instructions of x86-64 or aarch64.
//!
//! A CPU can start the next of its round instructions before the last one has its result, and within a message each
//! needs the result of the one before: one message leaves some of the unit idle, on x86-64 half of it. The rounds of a
//! second, independent message fill the gaps. A third would not fit there: a message needs six of the sixteen vector
//! registers.
//!
//! Notation here and in the files that name the instructions is FIPS 180-4's: working variables a to h, message
//! schedule W, constants K.
#![expect(unsafe_code, reason = "the CPU's SHA instructions, used only where they were detected")]

use std::hint::black_box;

#[cfg(target_arch = "aarch64")]
use super::sha256_aarch64::{Variables, Words, extend, from_big_endian};
#[cfg(target_arch = "x86_64")]
use super::sha256_x86::{Variables, Words, extend, from_big_endian};

/// Proof that this CPU has the instructions: exists only where they were detected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interleaved(());

impl Interleaved {
    /// `None` on a CPU without the instructions.
    pub(super) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let present = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        #[cfg(target_arch = "aarch64")]
        let present = cfg!(target_endian = "little")
            && std::arch::is_aarch64_feature_detected!("neon")
            && std::arch::is_aarch64_feature_detected!("sha2");
        present.then_some(Interleaved(()))
    }

    /// Takes both messages' blocks into their states, as many of each as the shorter list has.
    pub(super) fn compress(self, states: [&mut [u32; 8]; 2], blocks: [&[[u8; 64]]; 2]) {
        // SAFETY: `self` exists, so `detect` found each feature that `compress` is compiled with. This is all that
        // it asks for: it takes references only, and does nothing with raw pointers.
        unsafe { compress(states, blocks) }
    }
}

/// K of rounds 0 to 15: four rounds a row.
const K_FIRST: [[u32; 4]; 4] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
];

/// K of rounds 16 to 63, for which W is computed from the sixteen words before.
const K_LATER: [[[u32; 4]; 4]; 3] = [
    [
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    ],
    [
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    ],
    [
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ],
];

/// The last sixteen words of W, oldest first.
pub(super) type Schedule = [Words; 4];

#[cfg_attr(target_arch = "x86_64", target_feature(enable = "sha,sse4.1,ssse3"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon,sha2"))]
fn compress([state_a, state_b]: [&mut [u32; 8]; 2], [blocks_a, blocks_b]: [&[[u8; 64]]; 2]) {
    let mut a = Variables::load(state_a);
    let mut b = Variables::load(state_b);
    for (block_a, block_b) in blocks_a.iter().zip(blocks_b) {
        let (before_a, before_b) = (a, b);
        let mut w_a = load_block(block_a);
        let mut w_b = load_block(block_b);
        for ((k, words_a), words_b) in K_FIRST.into_iter().zip(w_a).zip(w_b) {
            a.rounds4(k, words_a);
            b.rounds4(k, words_b);
        }
        // Not unrolled, as the compiler cannot know how often: it would sort all rounds of one message before those
        // of the other, further apart than a CPU looks ahead (on x86-64 1.5 instead of 2.0 times one message's rate).
        for &k16 in black_box(K_LATER.as_slice()) {
            for k in k16 {
                a.rounds4(k, extend(&mut w_a));
                b.rounds4(k, extend(&mut w_b));
            }
        }
        a.add(before_a);
        b.add(before_b);
    }
    *state_a = a.store();
    *state_b = b.store();
}

/// The block's sixteen big-endian words.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "ssse3"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn load_block(block: &[u8; 64]) -> Schedule {
    // SAFETY: both types are 64 bytes of plain data, for which every bit pattern is a value.
    let [w0, w1, w2, w3] = unsafe { std::mem::transmute::<[u8; 64], Schedule>(*block) };
    [from_big_endian(w0), from_big_endian(w1), from_big_endian(w2), from_big_endian(w3)]
}
