//! Base64 of RFC 4648 with padding, as media streams carry it inside JSON text.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NONE: u8 = 0xff;
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut n = 0;
    while n < 64 {
        values[ALPHABET[n] as usize] = n as u8;
        n += 1;
    }
    values
};

/// The length of `count` bytes when encoded.
#[must_use]
pub const fn encoded_len(count: usize) -> usize {
    count.div_ceil(3) * 4
}

/// Encode `bytes` into the front of `out`; returns the length.
///
/// # Panics
///
/// If `out` is shorter than [`encoded_len`].
pub fn encode(bytes: &[u8], out: &mut [u8]) -> usize {
    let length = encoded_len(bytes.len());
    for (three, four) in bytes.chunks(3).zip(out[..length].chunks_exact_mut(4)) {
        let [a, b, c] = [three[0], *three.get(1).unwrap_or(&0), *three.get(2).unwrap_or(&0)];
        let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        for (n, sign) in four.iter_mut().enumerate() {
            *sign = if n > three.len() {
                b'='
            } else {
                ALPHABET[(bits >> (18 - 6 * n)) as usize & 63]
            };
        }
    }
    length
}

/// Decode text as it stands in a JSON string, where `/` may be written `\/`, into the front of `out`.
///
/// Returns the number of bytes; None for what is no base64 or does not fit.
#[must_use]
pub fn decode(text: &str, out: &mut [u8]) -> Option<usize> {
    let text = text.as_bytes();
    let (mut bits, mut signs, mut length, mut pads) = (0_u32, 0_usize, 0_usize, 0_usize);
    let mut at = 0;
    while let Some(&sign) = text.get(at) {
        at += 1;
        let value = match sign {
            b'=' => {
                pads += 1;
                0
            }
            b'\\' if text.get(at) == Some(&b'/') => continue,
            _ => VALUES[sign as usize],
        };
        if value == NONE || (pads > 0 && sign != b'=') {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        signs += 1;
        if signs % 4 == 0 {
            let three = out.get_mut(length..)?;
            let count = 3_usize.checked_sub(pads)?;
            let [_, bytes @ ..] = bits.to_be_bytes();
            three.get_mut(..count)?.copy_from_slice(&bytes[..count]);
            length += count;
            bits = 0;
        }
    }
    (signs % 4 == 0 && pads < 3).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = [0; 16];
            assert_eq!(encode(plain.as_bytes(), &mut out), text.len());
            assert_eq!(&out[..text.len()], text.as_bytes());
            assert_eq!(decode(text, &mut out), Some(plain.len()));
            assert_eq!(&out[..plain.len()], plain.as_bytes());
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        let mut out = [0; 16];
        for text in [
            "Z",
            "Zg",
            "Zg=",
            "=Zg=",
            "Zg==Zg==",
            "Z===",
            "====",
            "Zm9v Zm9v",
            "Zm9-",
            r"Zm9\v",
        ] {
            assert_eq!(decode(text, &mut out), None, "{text}");
        }
        assert_eq!(decode("Zm9vYmFy", &mut out[..5]), None);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut text = vec![0; encoded_len(bytes.len())];
            encode(&bytes, &mut text);
            let text = String::from_utf8(text).expect("it is ASCII");
            let mut out = vec![0; bytes.len()];
            prop_assert_eq!(decode(&text, &mut out), Some(bytes.len()));
            prop_assert_eq!(&out, &bytes);
            let escaped = text.replace('/', r"\/");
            prop_assert_eq!(decode(&escaped, &mut out), Some(bytes.len()));
            prop_assert_eq!(&out, &bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = decode(&text, &mut [0; 8]);
        }
    }
}
