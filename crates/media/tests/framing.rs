//! Framing held against tungstenite, which nobody here wrote.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::Role;
use tungstenite::{Message as Theirs, WebSocket};
use vivavoce_media::wire::frame::{Kind, LONGEST_HEADER, Message, Reader, write_header};

/// What a client reads from and writes to.
#[derive(Default)]
struct Pipe {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        ".{0,300}".prop_map(Said::Text),
        proptest::collection::vec(any::<u8>(), 0..70_000).prop_map(Said::Binary),
        proptest::collection::vec(any::<u8>(), 0..126).prop_map(Said::Ping),
    ]
}

fn client(input: Vec<u8>) -> WebSocket<Pipe> {
    let pipe = Pipe {
        input: Cursor::new(input),
        output: vec![],
    };
    WebSocket::from_raw_socket(pipe, Role::Client, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_client_of_theirs_says_is_read(messages in proptest::collection::vec(said(), 1..8), cut in 1_usize..5000) {
        let mut theirs = client(vec![]);
        for message in &messages {
            let message = match message.clone() {
                Said::Text(text) => Theirs::text(text),
                Said::Binary(bytes) => Theirs::binary(bytes),
                Said::Ping(bytes) => Theirs::Ping(bytes.into()),
            };
            theirs.send(message).expect("a pipe takes everything");
        }
        let wire = &theirs.get_ref().output;
        let (mut reader, mut buffer, mut read) = (Reader::new(1 << 20), vec![], vec![]);
        for piece in wire.chunks(cut) {
            buffer.extend_from_slice(piece);
            loop {
                let (used, message) = reader.next(&mut buffer).expect("it is proper");
                match message {
                    Some(Message::Text(text)) => read.push(Said::Text(text.to_owned())),
                    Some(Message::Binary(bytes)) => read.push(Said::Binary(bytes.to_vec())),
                    Some(Message::Ping(bytes)) => read.push(Said::Ping(bytes.to_vec())),
                    Some(other) => prop_assert!(false, "{:?}", other),
                    None => {}
                }
                if used == 0 {
                    break;
                }
                buffer.drain(..used);
            }
        }
        prop_assert_eq!(read, messages);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn what_we_say_is_read_by_a_client_of_theirs(messages in proptest::collection::vec(said(), 1..8)) {
        let mut wire = vec![];
        for message in &messages {
            let (kind, payload) = match message {
                Said::Text(text) => (Kind::Text, text.as_bytes()),
                Said::Binary(bytes) => (Kind::Binary, bytes.as_slice()),
                Said::Ping(bytes) => (Kind::Ping, bytes.as_slice()),
            };
            let mut header = [0; LONGEST_HEADER];
            let length = write_header(kind, payload.len(), &mut header);
            wire.extend_from_slice(&header[..length]);
            wire.extend_from_slice(payload);
        }
        let mut theirs = client(wire);
        for message in messages {
            let expected = match message {
                Said::Text(text) => Theirs::text(text),
                Said::Binary(bytes) => Theirs::binary(bytes),
                Said::Ping(bytes) => Theirs::Ping(bytes.into()),
            };
            prop_assert_eq!(theirs.read().expect("it is proper"), expected);
        }
    }
}
