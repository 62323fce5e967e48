//! A scanner for the JSON of media streams: fields of an object one after the other, nothing copied, nothing allocated.
//!
//! Source: RFC 8259. Text keeps its escapes until it is asked for; nested values are scanned over and given as they are.

/// How deep values may be nested in what is scanned over.
const DEEPEST: usize = 32;

/// Where a message stopped being JSON, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoJson(pub usize);

/// A value as it stands in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Between its quotation marks, escapes and all.
    Text(&'a str),
    Number(&'a str),
    Bool(bool),
    Null,
    /// With its braces.
    Object(&'a str),
    /// With its brackets.
    Array(&'a str),
}

impl<'a> Value<'a> {
    /// Text without escapes in it, as names and numbers are.
    #[must_use]
    pub fn plain(self) -> Option<&'a str> {
        match self {
            Self::Text(text) if !text.contains('\\') => Some(text),
            _ => None,
        }
    }

    /// A number, also one that is written as text: Twilio does both.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Text(digits) | Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The fields of an object; nothing for other values.
    #[must_use]
    pub fn fields(self) -> Fields<'a> {
        Fields::new(if let Self::Object(text) = self { text } else { "{}" })
    }
}

/// The fields of an object in the order in which they stand. After an error there are no more.
#[derive(Clone)]
pub struct Fields<'a> {
    text: &'a str,
    at: usize,
    first: bool,
    over: bool,
}

impl<'a> Fields<'a> {
    /// `text` is to hold one object and white space around it; anything else is the first item's error.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            first: true,
            over: false,
        }
    }

    fn read(&mut self) -> Result<Option<(&'a str, Value<'a>)>, NoJson> {
        let bytes = self.text.as_bytes();
        let mut at = blank(bytes, self.at);
        if self.first {
            at = blank(bytes, expect(bytes, at, b'{')?);
        }
        if bytes.get(at) == Some(&b'}') {
            let end = blank(bytes, at + 1);
            return if end == bytes.len() { Ok(None) } else { Err(NoJson(end)) };
        }
        if !self.first {
            at = blank(bytes, expect(bytes, at, b',')?);
        }
        self.first = false;
        let end = string_end(bytes, at)?;
        let key = &self.text[at + 1..end - 1];
        at = blank(bytes, expect(bytes, blank(bytes, end), b':')?);
        let (value, end) = value(self.text, at)?;
        self.at = end;
        Ok(Some((key, value)))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a str, Value<'a>), NoJson>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read().transpose();
        self.over = !matches!(read, Some(Ok(_)));
        read
    }
}

fn blank(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

fn expect(bytes: &[u8], at: usize, byte: u8) -> Result<usize, NoJson> {
    if bytes.get(at) == Some(&byte) {
        Ok(at + 1)
    } else {
        Err(NoJson(at))
    }
}

/// The position after the closing quotation mark of the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Result<usize, NoJson> {
    let mut at = expect(bytes, at, b'"')?;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => {
                let known = matches!(
                    bytes.get(at + 1),
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u')
                );
                if !known {
                    return Err(NoJson(at));
                }
                at += 2;
            }
            Some(0x20..) => at += 1,
            _ => return Err(NoJson(at)),
        }
    }
}

fn value(text: &str, at: usize) -> Result<(Value<'_>, usize), NoJson> {
    let bytes = text.as_bytes();
    let word = |word: &str, value| {
        if bytes[at..].starts_with(word.as_bytes()) {
            Ok((value, at + word.len()))
        } else {
            Err(NoJson(at))
        }
    };
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at).map(|end| (Value::Text(&text[at + 1..end - 1]), end)),
        Some(b'{') => nested_end(bytes, at).map(|end| (Value::Object(&text[at..end]), end)),
        Some(b'[') => nested_end(bytes, at).map(|end| (Value::Array(&text[at..end]), end)),
        Some(b't') => word("true", Value::Bool(true)),
        Some(b'f') => word("false", Value::Bool(false)),
        Some(b'n') => word("null", Value::Null),
        Some(b'-' | b'0'..=b'9') => {
            let count = bytes[at..]
                .iter()
                .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .count();
            Ok((Value::Number(&text[at..at + count]), at + count))
        }
        _ => Err(NoJson(at)),
    }
}

/// The position after the bracket that closes the one at `at`. What stands between is only looked at for brackets and
/// strings: it is checked when its own fields are read.
fn nested_end(bytes: &[u8], start: usize) -> Result<usize, NoJson> {
    let mut closing = [0_u8; DEEPEST];
    let mut depth = 0;
    let mut at = start;
    loop {
        match bytes.get(at) {
            Some(open @ (b'{' | b'[')) => {
                *closing.get_mut(depth).ok_or(NoJson(at))? = if *open == b'{' { b'}' } else { b']' };
                depth += 1;
                at += 1;
            }
            Some(close @ (b'}' | b']')) => {
                if closing[depth - 1] != *close {
                    return Err(NoJson(at));
                }
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Ok(at);
                }
            }
            Some(b'"') => at = string_end(bytes, at)?,
            Some(_) => at += 1,
            None => return Err(NoJson(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(text: &str) -> Result<Vec<(&str, Value<'_>)>, NoJson> {
        Fields::new(text).collect()
    }

    #[test]
    fn a_message_of_twilio() {
        let text = r#"{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"no+JhoaJjpzS\/w=="},"streamSid":"MZ18"}"#;
        let found = fields(text).expect("it is JSON");
        assert_eq!(found[0], ("event", Value::Text("media")));
        assert_eq!(found[1].1.number(), Some(3));
        let media: Vec<_> = found[2].1.fields().map(|field| field.expect("it is JSON")).collect();
        assert_eq!(media[3], ("payload", Value::Text(r"no+JhoaJjpzS\/w==")));
        assert_eq!(media[3].1.plain(), None);
        assert_eq!(found[3].1.plain(), Some("MZ18"));
    }

    #[test]
    fn every_kind_of_value() {
        let found = fields(r#" { "a" : -1.5e3 , "b":[1,{"c":"]"}],"d":true,"e":false,"f":null,"g":{} } "#);
        let expected = [
            ("a", Value::Number("-1.5e3")),
            ("b", Value::Array(r#"[1,{"c":"]"}]"#)),
            ("d", Value::Bool(true)),
            ("e", Value::Bool(false)),
            ("f", Value::Null),
            ("g", Value::Object("{}")),
        ];
        assert_eq!(found.as_deref(), Ok(&expected[..]));
        assert_eq!(fields("{}"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let deep = format!(r#"{{"a":{}}}"#, "[".repeat(100));
        for text in [
            "",
            "[]",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1}x"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":[}]}"#,
            r#"{"a":tru}"#,
            &deep,
        ] {
            assert!(fields(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = fields(&text);
        }

        #[test]
        fn nothing_like_json_makes_it_panic(text in r#"[{}\[\]",:\\ a1tfn]{0,60}"#) {
            let _ = fields(&text);
        }
    }
}
