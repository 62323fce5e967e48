//! WebSocket framing after RFC 6455, the server's side, without I/O and without allocation on the frame path.
//!
//! Bytes from the peer lie in a buffer of the caller's; [`Reader::next`] unmasks one message in place and says how many
//! bytes of the buffer it took. Only a fragmented message is copied, into room that is kept for the next one.

use core::fmt;

/// Opcodes of RFC 6455, 11.8.
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LONGEST_CONTROL: usize = 125;
/// Two bytes of kind and length, eight of a long length, four of the mask.
pub const LONGEST_HEADER: usize = 14;

/// What a peer said.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The status code, 1005 where none was sent, and the reason.
    Close(u16, &'a str),
}

/// What ends a connection, with the status code to close it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A client's frame without a mask.
    Unmasked,
    /// A reserved bit or opcode.
    Reserved,
    /// A control frame that is long or fragmented.
    Control,
    /// A continuation of nothing, or a new message inside another.
    Fragments,
    /// Text or a reason that is no UTF-8.
    Text,
    /// A close frame of one byte, or with a code that must not be sent.
    Close,
    /// A message beyond the limit.
    TooLong,
}

impl Fault {
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Text => 1007,
            Self::TooLong => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmasked => "a frame of a client without a mask",
            Self::Reserved => "a reserved bit or opcode",
            Self::Control => "a control frame that is long or fragmented",
            Self::Fragments => "fragments that do not belong together",
            Self::Text => "text that is no UTF-8",
            Self::Close => "a close frame that cannot be",
            Self::TooLong => "a message beyond the limit",
        })
    }
}

/// A frame's header as it was read.
#[derive(Clone, Copy)]
struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Bytes of the header itself.
    length: usize,
    payload: usize,
}

/// Reads one connection's messages.
pub struct Reader {
    limit: usize,
    /// The opcode of a message whose fragments are in `parts`.
    begun: Option<u8>,
    parts: Vec<u8>,
}

impl Reader {
    /// `limit` is the longest message in bytes, its fragments taken together.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            begun: None,
            parts: Vec::new(),
        }
    }

    /// Change how long a message may be.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Take the next message from the front of `bytes`.
    ///
    /// Returns how many bytes were used and the message, if a whole one was there; a fragment uses bytes and gives no
    /// message. Zero bytes used means that more must be received first.
    ///
    /// # Errors
    ///
    /// The fault for which RFC 6455 asks to fail the connection. The reader must not be used afterwards.
    pub fn next<'a>(&'a mut self, bytes: &'a mut [u8]) -> Result<(usize, Option<Message<'a>>), Fault> {
        let Some(header) = self.header(bytes)? else {
            return Ok((0, None));
        };
        let end = header.length + header.payload;
        if bytes.len() < end {
            return Ok((0, None));
        }
        let payload = &mut bytes[header.length..end];
        unmask(payload, header.mask);
        if header.opcode >= CLOSE {
            return Ok((end, Some(control(header.opcode, payload)?)));
        }
        if header.last && self.begun.is_none() {
            return Ok((end, Some(data(header.opcode, payload)?)));
        }
        if header.opcode != CONTINUATION {
            self.begun = Some(header.opcode);
            self.parts.clear();
        }
        self.parts.extend_from_slice(payload);
        if !header.last {
            return Ok((end, None));
        }
        let opcode = self.begun.take().unwrap_or(BINARY);
        Ok((end, Some(data(opcode, &self.parts)?)))
    }

    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (last, opcode) = (first & FINAL != 0, first & 0x0f);
        if first & RESERVED != 0 || !matches!(opcode, CONTINUATION..=BINARY | CLOSE..=PONG) {
            return Err(Fault::Reserved);
        }
        if second & MASKED == 0 {
            return Err(Fault::Unmasked);
        }
        let short = usize::from(second & 0x7f);
        if opcode >= CLOSE && (!last || short > LONGEST_CONTROL) {
            return Err(Fault::Control);
        }
        if opcode < CLOSE && (opcode == CONTINUATION) != self.begun.is_some() {
            return Err(Fault::Fragments);
        }
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((length, rest)) = rest.split_at_checked(extra) else {
            return Ok(None);
        };
        let payload = if extra == 0 {
            short as u64
        } else {
            length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let before = if opcode == CONTINUATION { self.parts.len() } else { 0 };
        // Known before the payload is there, so that no room is made for what will be refused.
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        if opcode < CLOSE && payload.saturating_add(before) > self.limit {
            return Err(Fault::TooLong);
        }
        let Some(mask) = rest.first_chunk::<4>() else {
            return Ok(None);
        };
        Ok(Some(Header {
            last,
            opcode,
            mask: *mask,
            length: 2 + extra + 4,
            payload,
        }))
    }
}

fn data(opcode: u8, payload: &[u8]) -> Result<Message<'_>, Fault> {
    if opcode == TEXT {
        core::str::from_utf8(payload)
            .map(Message::Text)
            .map_err(|_| Fault::Text)
    } else {
        Ok(Message::Binary(payload))
    }
}

fn control(opcode: u8, payload: &[u8]) -> Result<Message<'_>, Fault> {
    match (opcode, payload) {
        (PING, _) => Ok(Message::Ping(payload)),
        (PONG, _) => Ok(Message::Pong(payload)),
        (_, []) => Ok(Message::Close(1005, "")),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            // 7.4: below 1000 and these are never sent; up to 2999 only what is registered is.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Fault::Close);
            }
            core::str::from_utf8(reason)
                .map(|reason| Message::Close(code, reason))
                .map_err(|_| Fault::Text)
        }
        (_, [_]) => Err(Fault::Close),
    }
}

/// Apply the mask, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = [a, b, c, d, a, b, c, d];
    let mut words = payload.chunks_exact_mut(wide.len());
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(wide) {
        *byte ^= key;
    }
}

/// The kinds of frames that a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Text = TEXT,
    Binary = BINARY,
    Close = CLOSE,
    Ping = PING,
    Pong = PONG,
}

/// Write the header of an unmasked, whole frame; returns its length.
///
/// # Panics
///
/// If `out` is shorter than ten bytes.
pub fn write_header(kind: Kind, payload: usize, out: &mut [u8]) -> usize {
    out[0] = FINAL | kind as u8;
    match payload {
        0..=125 => {
            out[1] = payload as u8;
            2
        }
        126..=0xffff => {
            out[1] = 126;
            out[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..=125 => out.push(MASKED | n as u8),
            n @ 126..=0xffff => {
                out.push(MASKED | 126);
                out.extend((n as u16).to_be_bytes());
            }
            n => {
                out.push(MASKED | 127);
                out.extend((n as u64).to_be_bytes());
            }
        }
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        out
    }

    /// RFC 6455, 5.7: a masked "Hello".
    const HELLO: [u8; 11] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

    #[test]
    fn the_example_of_the_standard() {
        let mut bytes = HELLO;
        let mut reader = Reader::new(100);
        assert_eq!(reader.next(&mut bytes), Ok((11, Some(Message::Text("Hello")))));
    }

    #[test]
    fn a_message_is_taken_when_all_of_it_is_there() {
        for cut in 0..HELLO.len() {
            let mut bytes = HELLO;
            assert_eq!(Reader::new(100).next(&mut bytes[..cut]), Ok((0, None)));
            assert_eq!(bytes, HELLO, "what is not whole is not unmasked");
        }
    }

    #[test]
    fn fragments_are_joined_around_control_frames() {
        let mut reader = Reader::new(10);
        let mask = [1, 2, 3, 4];
        assert_eq!(reader.next(&mut frame(0x01, mask, b"Hel")), Ok((9, None)));
        assert_eq!(
            reader.next(&mut frame(0x89, mask, b"?")),
            Ok((7, Some(Message::Ping(b"?"))))
        );
        assert_eq!(reader.next(&mut frame(0x00, mask, b"")), Ok((6, None)));
        assert_eq!(
            reader.next(&mut frame(0x80, mask, b"lo")),
            Ok((8, Some(Message::Text("Hello"))))
        );
        assert_eq!(
            reader.next(&mut frame(0x82, mask, b"x")),
            Ok((7, Some(Message::Binary(b"x"))))
        );
    }

    #[test]
    fn what_the_standard_forbids_is_a_fault() {
        let mask = [9, 8, 7, 6];
        let long = [0_u8; 126];
        let cases: [(Vec<u8>, Fault); 11] = [
            (vec![0x81, 0x05], Fault::Unmasked),
            (frame(0xc1, mask, b""), Fault::Reserved),
            (frame(0x83, mask, b""), Fault::Reserved),
            (frame(0x09, mask, b""), Fault::Control),
            (frame(0x89, mask, &long), Fault::Control),
            (frame(0x80, mask, b"x"), Fault::Fragments),
            (frame(0x81, mask, b"\xff"), Fault::Text),
            (frame(0x88, mask, b"x"), Fault::Close),
            (frame(0x88, mask, &[0x03, 0xed]), Fault::Close),
            (frame(0x88, mask, &[0x03, 0xe8, 0xff]), Fault::Text),
            (frame(0x82, mask, &long), Fault::TooLong),
        ];
        for (mut bytes, fault) in cases {
            assert_eq!(Reader::new(125).next(&mut bytes), Err(fault));
        }
        let mut reader = Reader::new(4);
        assert_eq!(reader.next(&mut frame(0x02, mask, b"abc")), Ok((9, None)));
        assert_eq!(reader.next(&mut frame(0x80, mask, b"de")), Err(Fault::TooLong));
    }

    #[test]
    fn a_length_that_no_machine_has_is_refused_at_once() {
        let mut bytes = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(1000).next(&mut bytes), Err(Fault::TooLong));
    }

    #[test]
    fn close_has_a_code_and_a_reason() {
        let mask = [0; 4];
        let said = |payload: &[u8], expected: Message<'_>| {
            assert_eq!(
                Reader::new(1).next(&mut frame(0x88, mask, payload)),
                Ok((6 + payload.len(), Some(expected)))
            );
        };
        said(b"", Message::Close(1005, ""));
        said(&[0x03, 0xe8], Message::Close(1000, ""));
        said(&[0x0f, 0xa0, b'o', b'k'], Message::Close(4000, "ok"));
    }

    proptest! {
        #[test]
        fn what_a_client_masks_is_read_however_it_is_cut(
            payloads in proptest::collection::vec((any::<[u8; 4]>(), proptest::collection::vec(any::<u8>(), 0..200)), 1..6),
            cut in 1_usize..300,
        ) {
            let wire: Vec<u8> = payloads.iter().flat_map(|(mask, payload)| frame(0x82, *mask, payload)).collect();
            let mut reader = Reader::new(1000);
            let (mut buffer, mut read) = (vec![], vec![]);
            for piece in wire.chunks(cut) {
                buffer.extend_from_slice(piece);
                loop {
                    let (used, message) = reader.next(&mut buffer).expect("it is proper");
                    if let Some(Message::Binary(payload)) = message {
                        read.push(payload.to_vec());
                    }
                    if used == 0 {
                        break;
                    }
                    buffer.drain(..used);
                }
            }
            let expected: Vec<_> = payloads.into_iter().map(|(_, payload)| payload).collect();
            prop_assert_eq!(read, expected);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic_or_pass_the_limit(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(50);
            let mut at = 0;
            while let Ok((used, message)) = reader.next(&mut bytes[at..]) {
                match message {
                    Some(Message::Binary(payload)) => prop_assert!(payload.len() <= 50),
                    Some(Message::Text(text)) => prop_assert!(text.len() <= 50),
                    _ => {}
                }
                if used == 0 {
                    break;
                }
                at += used;
            }
        }
    }

    #[test]
    fn headers_have_the_shortest_length() {
        let mut out = [0; 10];
        assert_eq!(
            (write_header(Kind::Text, 125, &mut out), &out[..2]),
            (2, &[0x81, 125][..])
        );
        assert_eq!(
            (write_header(Kind::Binary, 126, &mut out), &out[..4]),
            (4, &[0x82, 126, 0, 126][..])
        );
        assert_eq!(
            (write_header(Kind::Binary, 65536, &mut out), out),
            (10, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0])
        );
    }
}
