//! The client's side of WebSocket and of Twilio's messages, without I/O.
//!
//! Sources: RFC 6455; twilio.com/docs/voice/media-streams/websocket-messages.

use vivavoce_media::wire::base64;

/// μ-law bytes of 20 ms.
pub const FRAME: usize = 160;
/// A mask of zeros leaves the payload as it is; the server unmasks it all the same.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The request that opens a connection.
#[must_use]
pub fn request(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// Append a masked text message.
pub fn text(payload: &[u8], out: &mut Vec<u8>) {
    frame(0x81, payload, out);
}

/// Append the answer to a ping.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    frame(0x8a, payload, out);
}

fn frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// The two messages with which a stream begins.
pub fn begin(stream: &str, token: &str, out: &mut Vec<u8>) {
    text(br#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, out);
    let start = format!(
        r#"{{"event":"start","sequenceNumber":"1","streamSid":"{stream}","start":{{"accountSid":"AC00000000000000000000000000000000","streamSid":"{stream}","callSid":"CA{}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{"token":"{token}"}}}}}}"#,
        &stream[2..]
    );
    text(start.as_bytes(), out);
}

/// The `n`-th message of sound.
pub fn media(n: u64, stream: &str, frame: &[u8; FRAME], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    use std::io::Write;
    scratch.clear();
    // Writing to a vector does not fail.
    let _ = write!(
        scratch,
        r#"{{"event":"media","sequenceNumber":"{}","media":{{"track":"inbound","chunk":"{n}","timestamp":"{}","payload":""#,
        n + 1,
        n * 20
    );
    let at = scratch.len();
    scratch.resize(at + base64::encoded_len(FRAME), 0);
    base64::encode(frame, &mut scratch[at..]);
    let _ = write!(scratch, r#""}},"streamSid":"{stream}"}}"#);
    text(scratch, out);
}

/// A message of the server's.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// μ-law bytes in Base64.
    Media(&'a [u8]),
    Clear,
    /// The whole message, to be sent back.
    Mark(&'a [u8]),
    Ping(&'a [u8]),
    Close,
    Other,
}

/// Read one message from the front of `bytes`; None where it is not whole.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(usize, Heard<'_>)> {
    let (header, length) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        length => (2, usize::from(length)),
    };
    let payload = bytes.get(header..header + length)?;
    let heard = match bytes[0] & 0x0f {
        8 => Heard::Close,
        9 => Heard::Ping(payload),
        1 => message(payload),
        _ => Heard::Other,
    };
    Some((header + length, heard))
}

fn message(payload: &[u8]) -> Heard<'_> {
    const KEY: &[u8] = br#""payload""#;
    if let Some(at) = find(payload, KEY) {
        let rest = &payload[at + KEY.len()..];
        let Some(first) = rest.iter().position(|byte| *byte == b'"').map(|at| at + 1) else {
            return Heard::Other;
        };
        let Some(length) = rest[first..].iter().position(|byte| *byte == b'"') else {
            return Heard::Other;
        };
        return Heard::Media(&rest[first..first + length]);
    }
    if find(payload, br#""clear""#).is_some() {
        Heard::Clear
    } else if find(payload, br#""mark""#).is_some() {
        Heard::Mark(payload)
    } else {
        Heard::Other
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_told_apart() {
        let cases: [(&[u8], Heard<'_>); 4] = [
            (
                br#"{"event":"media","streamSid":"MZ","media":{"payload":"//8="}}"#,
                Heard::Media(b"//8="),
            ),
            (br#"{"event": "clear"}"#, Heard::Clear),
            (
                br#"{"event":"mark","mark":{"name":"x"}}"#,
                Heard::Mark(br#"{"event":"mark","mark":{"name":"x"}}"#),
            ),
            (b"{}", Heard::Other),
        ];
        for (payload, expected) in cases {
            let framed = [&[0x81, payload.len() as u8], payload].concat();
            assert_eq!(read(&framed), Some((framed.len(), expected)));
            assert_eq!(read(&framed[..framed.len() - 1]), None);
        }
        assert_eq!(read(&[0x89, 1, b'?']), Some((3, Heard::Ping(b"?"))));
        assert_eq!(read(&[0x88, 0]), Some((2, Heard::Close)));
    }

    #[test]
    fn what_a_caller_says_is_read_by_the_plane() {
        use vivavoce_media::wire::frame::{Message, Reader};
        let (mut out, mut scratch) = (vec![], vec![]);
        media(3, "MZ7", &[0xff; FRAME], &mut scratch, &mut out);
        let mut reader = Reader::new(4096);
        let (used, message) = reader.next(&mut out).expect("it is framed well");
        let Some(Message::Text(text)) = message else {
            panic!("a text message")
        };
        assert!(text.starts_with(
            r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"3","timestamp":"60","#
        ));
        assert!(used > text.len());
    }
}
