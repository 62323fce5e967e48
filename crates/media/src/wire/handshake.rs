//! The opening handshake of RFC 6455, the server's side, without I/O.

use sha1::{Digest, Sha1};

use super::base64;

/// A request is refused when its head is longer than this.
pub const LONGEST_HEAD: usize = 8 * 1024;

const HEADERS: usize = 64;
/// RFC 6455, 1.3.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request to speak WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// Path and query.
    pub target: &'a str,
    /// What the peer offers, as it stands in its header; empty for none.
    pub protocols: &'a str,
    key: &'a [u8],
}

/// Why a request is refused, as a status of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: no HTTP, or no proper request to upgrade.
    Bad,
    /// 404: a path that is not served.
    Path,
    /// 405: another method than GET.
    Method,
    /// 426: another version than 13.
    Version,
    /// 431: too long a head.
    TooLong,
}

impl Refusal {
    /// The whole response, after which the connection is closed.
    #[must_use]
    pub const fn response(self) -> &'static [u8] {
        match self {
            Self::Bad => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Self::Path => b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Self::Method => b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Self::Version => {
                b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            }
            Self::TooLong => {
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            }
        }
    }
}

/// Read a request from the front of `bytes`: its length and what it asks for, or None while it is not whole.
///
/// # Errors
///
/// The refusal to answer with.
pub fn read(bytes: &[u8]) -> Result<Option<(usize, Upgrade<'_>)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLong),
        Err(_) => return Err(Refusal::Bad),
    };
    if request.method != Some("GET") {
        return Err(Refusal::Method);
    }
    let header = |name: &str| {
        let mut found = request
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        found.next().and_then(|header| core::str::from_utf8(header.value).ok())
    };
    let lists = |name: &str, item: &str| {
        header(name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(item)))
    };
    if !lists("connection", "upgrade") || !lists("upgrade", "websocket") {
        return Err(Refusal::Bad);
    }
    if header("sec-websocket-version") != Some("13") {
        return Err(Refusal::Version);
    }
    // Sixteen bytes in Base64.
    let key = header("sec-websocket-key").filter(|key| base64::decode(key, &mut [0; 16]) == Some(16));
    Ok(Some((
        length,
        Upgrade {
            target: request.path.ok_or(Refusal::Bad)?,
            protocols: header("sec-websocket-protocol").unwrap_or(""),
            key: key.ok_or(Refusal::Bad)?.as_bytes(),
        },
    )))
}

impl Upgrade<'_> {
    /// Whether the peer offers this subprotocol.
    #[must_use]
    pub fn offers(&self, protocol: &str) -> bool {
        self.protocols.split(',').any(|offer| offer.trim() == protocol)
    }

    /// Append the response that agrees, with a subprotocol that was offered.
    pub fn accept(&self, protocol: Option<&str>, out: &mut Vec<u8>) {
        let mut proof = [0; base64::encoded_len(20)];
        base64::encode(
            &Sha1::new().chain_update(self.key).chain_update(MAGIC).finalize(),
            &mut proof,
        );
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        out.extend_from_slice(b"Sec-WebSocket-Accept: ");
        out.extend_from_slice(&proof);
        if let Some(protocol) = protocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(protocol.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::garbled::garbled;
    use super::*;
    use proptest::prelude::*;

    /// RFC 6455, 1.2.
    const REQUEST: &str = "GET /chat?x=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, media\r\nSec-WebSocket-Version: 13\r\n\r\n";

    #[test]
    fn the_example_of_the_standard() {
        let bytes = [REQUEST.as_bytes(), b"more"].concat();
        let (length, upgrade) = read(&bytes).expect("it is proper").expect("it is whole");
        assert_eq!((length, upgrade.target), (REQUEST.len(), "/chat?x=1"));
        assert!(upgrade.offers("media") && !upgrade.offers("med"));
        let mut out = vec![];
        upgrade.accept(Some("media"), &mut out);
        let text = String::from_utf8(out).expect("it is text");
        assert!(
            text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\nSec-WebSocket-Protocol: media\r\n\r\n"), "{text}");
    }

    #[test]
    fn it_waits_until_the_head_is_whole() {
        for cut in 0..REQUEST.len() {
            assert_eq!(read(&REQUEST.as_bytes()[..cut]), Ok(None));
        }
    }

    #[test]
    fn what_is_no_such_request_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(LONGEST_HEAD));
        for (request, refusal) in [
            (REQUEST.replace("GET", "POST"), Refusal::Method),
            (REQUEST.replace("Version: 13", "Version: 8"), Refusal::Version),
            (REQUEST.replace("keep-alive, Upgrade", "close"), Refusal::Bad),
            (REQUEST.replace("Upgrade: websocket", "Upgrade: h2c"), Refusal::Bad),
            (REQUEST.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), Refusal::Bad),
            ("\u{1}\u{2}\r\n\r\n".into(), Refusal::Bad),
            (long, Refusal::TooLong),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1)),
                Refusal::TooLong,
            ),
        ] {
            assert_eq!(read(request.as_bytes()), Err(refusal), "{request:.80}");
            assert!(refusal.response().ends_with(b"\r\n\r\n"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn nothing_like_a_request_makes_it_panic_or_pass_the_limit(
            text in garbled(&[REQUEST]),
            more in 0_usize..12_000,
        ) {
            let bytes = text.replacen("\r\n\r\n", &format!("\r\nX-More: {}\r\n\r\n", "x".repeat(more)), 1);
            if let Ok(Some((length, upgrade))) = read(bytes.as_bytes()) {
                prop_assert!(length <= LONGEST_HEAD);
                prop_assert!(upgrade.target.len() < length);
            }
        }
    }
}
