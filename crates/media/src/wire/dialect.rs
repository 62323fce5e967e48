//! What every dialect of media streams says and understands. One file a dialect, without I/O.

use super::frame::Message;
use crate::audio::g711;

/// How sound is coded on the wire, 20 ms a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// 8 kHz, a byte a sample.
    Ulaw,
    /// 16-bit little-endian samples at this rate.
    Linear(u32),
}

impl Coding {
    #[must_use]
    pub const fn rate_hz(self) -> u32 {
        match self {
            Self::Ulaw => 8000,
            Self::Linear(rate_hz) => rate_hz,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ulaw => "ulaw",
            Self::Linear(8000) => "pcm16-8k",
            Self::Linear(16_000) => "pcm16-16k",
            Self::Linear(24_000) => "pcm16-24k",
            Self::Linear(48_000) => "pcm16-48k",
            Self::Linear(_) => "pcm16",
        }
    }

    /// Bytes of a frame of 20 ms.
    #[must_use]
    pub const fn frame_bytes(self) -> usize {
        match self {
            Self::Ulaw => 160,
            Self::Linear(rate_hz) => rate_hz as usize / 50 * 2,
        }
    }
}

impl Coding {
    /// Decode a frame or less; how many samples there are.
    pub fn decode(self, bytes: &[u8], samples: &mut [i16]) -> usize {
        match self {
            Self::Ulaw => {
                g711::ulaw_decode(bytes, samples);
                bytes.len()
            }
            Self::Linear(_) => {
                for (sample, pair) in samples.iter_mut().zip(bytes.chunks_exact(2)) {
                    *sample = i16::from_le_bytes([pair[0], pair[1]]);
                }
                bytes.len() / 2
            }
        }
    }

    /// Encode a frame or less; how many bytes there are.
    pub fn encode(self, samples: &[i16], bytes: &mut [u8]) -> usize {
        match self {
            Self::Ulaw => {
                g711::ulaw_encode(samples, bytes);
                samples.len()
            }
            Self::Linear(_) => {
                for (pair, sample) in bytes.chunks_exact_mut(2).zip(samples) {
                    pair.copy_from_slice(&sample.to_le_bytes());
                }
                2 * samples.len()
            }
        }
    }
}

/// What a peer said, understood.
#[derive(Debug, PartialEq)]
pub enum Said<'a> {
    /// The stream began; `parameters` is the message's own JSON object of them, the token among them.
    Started {
        coding: Coding,
        stream: &'a str,
        call: &'a str,
        parameters: &'a str,
    },
    /// Sound, in the coding of the stream, and when it is by the peer's own clock, where it says so.
    Sound {
        bytes: &'a [u8],
        at_ms: Option<u64>,
    },
    Dtmf(char),
    /// A mark of ours came back.
    Mark(&'a str),
    /// The peer takes no more sound for now, or takes it again.
    Hold(bool),
    /// The stream is over.
    Stopped,
    /// Known, and of no consequence.
    Nothing,
}

/// Why a message was not understood; the stream goes on unless it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misread {
    NoJson,
    /// A field that must be there is missing or of another kind.
    Field(&'static str),
    /// A coding that is not spoken here.
    Coding,
    /// A message of a kind that the dialect does not have.
    Unknown,
    /// Sound before the stream began, or of another stream.
    Stray,
}

/// A key of a telephone's, given as text.
pub(super) fn key(text: &str) -> Result<Said<'static>, Misread> {
    match text.as_bytes() {
        [key @ (b'0'..=b'9' | b'#' | b'*' | b'A'..=b'D')] => Ok(Said::Dtmf(char::from(*key))),
        _ => Err(Misread::Field("digit")),
    }
}

/// A dialect on one connection. Writers append a whole message to `out`, framing included, and allocate nothing as long
/// as it has room.
pub trait Dialect: Send {
    /// The WebSocket subprotocol to agree to, if the dialect has one.
    fn subprotocol(&self) -> Option<&'static str>;

    /// Where in the parameters of a start the token stands.
    fn token_field(&self) -> &'static str;

    /// # Errors
    ///
    /// What was wrong with the message.
    fn read<'a>(&'a mut self, message: &'a Message<'a>) -> Result<Said<'a>, Misread>;

    /// One frame of sound in the stream's coding.
    fn sound(&self, frame: &[u8], out: &mut Vec<u8>);

    fn mark(&self, name: &str, out: &mut Vec<u8>);

    fn clear(&self, out: &mut Vec<u8>);

    /// What is said before the socket is closed.
    fn hang_up(&self, out: &mut Vec<u8>);
}
