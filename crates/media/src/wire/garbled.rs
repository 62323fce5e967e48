//! Messages that are nearly right, for tests of those who read them.

use proptest::prelude::*;

/// One of `texts` with a few characters changed, left out or put in.
pub(crate) fn garbled(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        r#"[ -~]?|\\u0000|é|[{}\[\]":,\\]"#,
        0_usize..3,
    );
    (prop::sample::select(texts), prop::collection::vec(edit, 0..5)).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, put, left_out) in edits {
            let at = place.index(chars.len() + 1);
            let end = (at + left_out).min(chars.len());
            chars.splice(at..end, put.chars());
        }
        chars.into_iter().collect()
    })
}
