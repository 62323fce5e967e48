//! Who may be heard: one-time tokens with a lifetime.
//!
//! A token is compared with every one that is expected, to its last byte, so that the time it takes tells nothing of what
//! it was like. Tokens are never shown: nothing here prints. Their characters are those that no JSON encoder escapes.

/// Bytes that a token may have.
pub const LONGEST: usize = 128;

/// Why a token cannot be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Empty or longer than [`LONGEST`].
    Length,
    /// Of other characters than letters, digits and `-._~`.
    Character,
    /// Expected already.
    Known,
    /// As many are expected as there is room for.
    Full,
}

/// Whether a token can be one.
///
/// # Errors
///
/// What is wrong with it.
pub fn fit(token: &[u8]) -> Result<(), Unfit> {
    if token.is_empty() || token.len() > LONGEST {
        Err(Unfit::Length)
    } else if token
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))
    {
        Ok(())
    } else {
        Err(Unfit::Character)
    }
}

struct Place<T> {
    token: [u8; LONGEST],
    length: usize,
    until_us: u64,
    terms: T,
}

/// The tokens that are expected, each with the terms of its call.
pub struct Admission<T> {
    places: Vec<Place<T>>,
    most: usize,
}

impl<T> Admission<T> {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            places: Vec::with_capacity(most),
            most,
        }
    }

    /// Let in whoever shows `token` before `until_us`, once.
    ///
    /// # Errors
    ///
    /// What is wrong with the token, or that there are too many.
    pub fn expect(&mut self, token: &[u8], until_us: u64, terms: T, now_us: u64) -> Result<(), Unfit> {
        fit(token)?;
        self.forget(now_us);
        if self.find(token).is_some() {
            return Err(Unfit::Known);
        }
        if self.places.len() == self.most {
            return Err(Unfit::Full);
        }
        let mut padded = [0; LONGEST];
        padded[..token.len()].copy_from_slice(token);
        self.places.push(Place {
            token: padded,
            length: token.len(),
            until_us,
            terms,
        });
        Ok(())
    }

    /// The terms of this token, which is worth nothing from now on; None for one that is unknown or too old.
    pub fn admit(&mut self, token: &[u8], now_us: u64) -> Option<T> {
        self.forget(now_us);
        let found = self.find(token)?;
        Some(self.places.swap_remove(found).terms)
    }

    /// How many are expected.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    /// Expect no longer what `keep` denies.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.places.retain(|place| keep(&place.terms));
    }

    fn forget(&mut self, now_us: u64) {
        self.places.retain(|place| place.until_us > now_us);
    }

    fn find(&self, token: &[u8]) -> Option<usize> {
        let mut shown = [0; LONGEST];
        let length = token.len().min(LONGEST);
        shown[..length].copy_from_slice(&token[..length]);
        let mut found = None;
        for (n, place) in self.places.iter().enumerate() {
            let differing = place
                .token
                .iter()
                .zip(&shown)
                .fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
            if (differing == 0) & (place.length == token.len()) {
                found = Some(n);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_lets_in_once_and_in_time() {
        let mut admission = Admission::new(2);
        assert_eq!(admission.expect(b"a", 100, 1, 0), Ok(()));
        assert_eq!(admission.expect(b"a", 100, 2, 0), Err(Unfit::Known));
        assert_eq!(admission.expect(b"b", 50, 2, 0), Ok(()));
        assert_eq!(admission.expect(b"c", 50, 3, 0), Err(Unfit::Full));
        assert_eq!(admission.admit(b"b", 50), None);
        assert_eq!(admission.expect(b"c", 90, 3, 50), Ok(()), "what is too old makes room");
        assert_eq!(admission.admit(b"a", 99), Some(1));
        assert_eq!(admission.admit(b"a", 99), None);
        assert_eq!(admission.waiting(), 0);
    }

    #[test]
    fn what_is_nearly_the_token_is_not_it() {
        let mut admission = Admission::new(4);
        assert_eq!(admission.expect(b"", 9, (), 0), Err(Unfit::Length));
        assert_eq!(admission.expect(&[7; LONGEST + 1], 9, (), 0), Err(Unfit::Length));
        for token in [&b"a/b"[..], b"a=", b"a+b", b"a b"] {
            assert_eq!(admission.expect(token, 9, (), 0), Err(Unfit::Character));
        }
        assert_eq!(admission.expect(&[b'7'; LONGEST], 9, (), 0), Ok(()));
        assert_eq!(admission.expect(b"token", 9, (), 0), Ok(()));
        for shown in [
            &b"toke"[..],
            b"token\0",
            b"tokem",
            b"",
            &[b'7'; LONGEST + 1],
            &[b'7'; LONGEST - 1],
        ] {
            assert_eq!(admission.admit(shown, 0), None);
        }
        assert_eq!(admission.admit(b"token", 0), Some(()));
    }

    proptest! {
        #[test]
        fn nobody_gets_in_with_what_was_not_expected(
            expected in proptest::collection::vec(proptest::collection::vec(b'a'..b'd', 1..5), 0..8),
            shown in proptest::collection::vec(b'a'..b'd', 0..5),
        ) {
            let mut admission = Admission::new(8);
            for token in &expected {
                let _ = admission.expect(token, 10, token.clone(), 0);
            }
            let let_in = admission.admit(&shown, 5);
            prop_assert_eq!(let_in.is_some(), expected.contains(&shown));
            prop_assert!(let_in.is_none_or(|terms| terms == shown));
        }
    }
}
