//! ITU-T G.711 companding of 16-bit samples, bit-exact with the reference tables of ITU-T G.191.
//!
//! μ-law keeps 14 bits of a sample and A-law 13. Both store sign, segment (the position of the highest bit) and four
//! bits below it. Negative samples are taken in one's complement, so that −1 and 0 have the same magnitude.

use super::simd::dispatched;

/// Added to a 14-bit magnitude so that every μ-law segment begins at a power of two.
const ULAW_BIAS: u16 = 33;
const ULAW_MAX: u16 = 0x1fff;
/// A-law inverts every other bit on the wire.
const ALAW_MASK: u8 = 0x55;

const ULAW_TO_LINEAR: [i16; 256] = table(true);
const ALAW_TO_LINEAR: [i16; 256] = table(false);

/// Encode one sample as μ-law.
#[inline]
#[must_use]
pub const fn ulaw(sample: i16) -> u8 {
    let biased = (magnitude(sample) >> 2) + ULAW_BIAS;
    let clipped = if biased > ULAW_MAX { ULAW_MAX } else { biased };
    let segment = clipped.ilog2() - 5;
    let mantissa = (clipped >> (segment + 1)) as u8 & 0x0f;
    !(sign(sample) | (segment as u8) << 4 | mantissa)
}

/// Encode one sample as A-law.
#[inline]
#[must_use]
pub const fn alaw(sample: i16) -> u8 {
    let level = magnitude(sample) >> 4;
    // The first two segments share one step size; from the third on the step doubles.
    let code = if level < 32 {
        level as u8
    } else {
        let segment = level.ilog2() - 3;
        (segment as u8) << 4 | ((level >> (segment - 1)) as u8 & 0x0f)
    };
    (sign(sample) ^ 0x80 | code) ^ ALAW_MASK
}

dispatched! {
    /// Encode samples as μ-law, one byte each, into `out` up to the shorter of the two.
    pub fn ulaw_encode(samples: &[i16], out: &mut [u8]) {
        map(samples, out, ulaw);
    }

    /// Encode samples as A-law, one byte each, into `out` up to the shorter of the two.
    pub fn alaw_encode(samples: &[i16], out: &mut [u8]) {
        map(samples, out, alaw);
    }
}

/// Decode μ-law bytes into samples, into `out` up to the shorter of the two.
pub fn ulaw_decode(codes: &[u8], out: &mut [i16]) {
    map(codes, out, |code| ULAW_TO_LINEAR[code as usize]);
}

/// Decode A-law bytes into samples, into `out` up to the shorter of the two.
pub fn alaw_decode(codes: &[u8], out: &mut [i16]) {
    map(codes, out, |code| ALAW_TO_LINEAR[code as usize]);
}

#[inline(always)]
fn map<A: Copy, B>(from: &[A], to: &mut [B], convert: impl Fn(A) -> B) {
    for (target, &source) in to.iter_mut().zip(from) {
        *target = convert(source);
    }
}

const fn magnitude(sample: i16) -> u16 {
    (sample ^ (sample >> 15)) as u16
}

/// 0x80 for a negative sample, else 0.
const fn sign(sample: i16) -> u8 {
    (sample >> 8) as u8 & 0x80
}

const fn table(is_ulaw: bool) -> [i16; 256] {
    let mut linear = [0; 256];
    let mut code = 0;
    while code < 256 {
        linear[code] = if is_ulaw {
            ulaw_to_linear(code as u8)
        } else {
            alaw_to_linear(code as u8)
        };
        code += 1;
    }
    linear
}

/// The middle of the interval that a μ-law code stands for.
const fn ulaw_to_linear(code: u8) -> i16 {
    let bits = !code;
    let segment = bits >> 4 & 7;
    let middle = ((bits as i16 & 0x0f) << 1) + ULAW_BIAS as i16;
    let value = ((middle << segment) - ULAW_BIAS as i16) << 2;
    if bits & 0x80 == 0 { value } else { -value }
}

/// The middle of the interval that an A-law code stands for.
const fn alaw_to_linear(code: u8) -> i16 {
    let bits = code ^ ALAW_MASK;
    let segment = bits >> 4 & 7;
    let middle = ((bits as i16 & 0x0f) << 4) + 8;
    let value = if segment == 0 {
        middle
    } else {
        (middle + 0x100) << (segment - 1)
    };
    if bits & 0x80 != 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// FNV-1a over little-endian 16-bit words.
    fn digest(words: impl Iterator<Item = u16>) -> u64 {
        words
            .flat_map(u16::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
    }

    fn sweep() -> impl Iterator<Item = i16> {
        i16::MIN..=i16::MAX
    }

    // The expected values are the digests of ITU-T G.191's `sweep-r.u`, `.a`, `.reu` and `.rea`, which cover every
    // 16-bit input; tests/audio/test_codec.py compares with the files themselves where they are at hand.
    #[test]
    fn every_sample_encodes_as_the_reference_does() {
        assert_eq!(digest(sweep().map(|s| ulaw(s).into())), 0x5a26_6387_497a_ac85);
        assert_eq!(digest(sweep().map(|s| alaw(s).into())), 0x20b7_c7d9_8375_ff25);
    }

    #[test]
    fn every_round_trip_is_the_reference_s() {
        let through = |sample, encode: fn(i16) -> u8, decode: fn(&[u8], &mut [i16])| {
            let mut linear = [0];
            decode(&[encode(sample)], &mut linear);
            linear[0] as u16
        };
        assert_eq!(
            digest(sweep().map(|s| through(s, ulaw, ulaw_decode))),
            0xef15_83b4_0170_0e25
        );
        assert_eq!(
            digest(sweep().map(|s| through(s, alaw, alaw_decode))),
            0xe032_751e_d97c_f125
        );
    }

    proptest! {
        #[test]
        fn a_decoded_value_keeps_its_sign_and_is_near(sample: i16) {
            let mut linear = [0];
            ulaw_decode(&[ulaw(sample)], &mut linear);
            let error = (i32::from(linear[0]) - i32::from(sample)).abs();
            prop_assert!(error <= 4 + i32::from(sample).abs() / 16, "{sample} -> {}", linear[0]);
            alaw_decode(&[alaw(sample)], &mut linear);
            prop_assert_eq!(linear[0] < 0, sample < 0);
        }
    }
}
