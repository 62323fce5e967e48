//! Asterisk's `chan_websocket` (22.8 and later) with JSON control messages: sound in binary frames, events in text.
//!
//! Source: Asterisk documentation, "WebSocket Channel Driver"; names of fields from captured messages. A message over
//! 65,500 bytes drops the call, so sound is sent a frame at a time. While the peer's queue of 20 s is nearly full it says
//! `MEDIA_XOFF`.

use super::dialect::{Coding, Dialect, Misread, Said, key};
use super::frame::{Kind, LONGEST_HEADER, Message, write_header};
use super::json::Fields;

/// One channel of Asterisk's.
#[derive(Default)]
pub struct Asterisk {
    coding: Option<Coding>,
}

/// The fields of an event that are looked at, whatever their order.
#[derive(Default)]
struct Event<'a> {
    event: Option<&'a str>,
    connection: Option<&'a str>,
    channel: Option<&'a str>,
    format: Option<&'a str>,
    variables: Option<&'a str>,
    digit: Option<&'a str>,
    mark: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn of(text: &'a str) -> Result<Self, Misread> {
        let mut found = Self::default();
        for field in Fields::new(text) {
            let (key, value) = field.map_err(|_| Misread::NoJson)?;
            let place = match key {
                "event" => &mut found.event,
                "connection_id" => &mut found.connection,
                "channel" => &mut found.channel,
                "format" => &mut found.format,
                "digit" => &mut found.digit,
                "correlation_id" => &mut found.mark,
                "channel_variables" => {
                    if let super::json::Value::Object(object) = value {
                        found.variables = Some(object);
                    }
                    continue;
                }
                _ => continue,
            };
            *place = value.plain();
        }
        Ok(found)
    }
}

fn coding(format: &str) -> Option<Coding> {
    Some(match format {
        "ulaw" => Coding::Ulaw,
        "slin" => Coding::Linear(8000),
        "slin16" => Coding::Linear(16_000),
        "slin24" => Coding::Linear(24_000),
        "slin48" => Coding::Linear(48_000),
        _ => return None,
    })
}

fn frame(kind: Kind, parts: &[&[u8]], out: &mut Vec<u8>) {
    let mut header = [0; LONGEST_HEADER];
    let length = write_header(kind, parts.iter().map(|part| part.len()).sum(), &mut header);
    out.extend_from_slice(&header[..length]);
    for part in parts {
        out.extend_from_slice(part);
    }
}

impl Dialect for Asterisk {
    fn subprotocol(&self) -> Option<&'static str> {
        Some("media")
    }

    fn token_field(&self) -> &'static str {
        "TOKEN"
    }

    fn read<'a>(&'a mut self, message: &'a Message<'a>) -> Result<Said<'a>, Misread> {
        let text = match message {
            Message::Binary(bytes) if self.coding.is_some() => return Ok(Said::Sound { bytes, at_ms: None }),
            Message::Binary(_) => return Err(Misread::Stray),
            Message::Text(text) => text,
            _ => return Err(Misread::Unknown),
        };
        let event = Event::of(text)?;
        match event.event.ok_or(Misread::Field("event"))? {
            "MEDIA_START" if self.coding.is_some() => Err(Misread::Stray),
            "MEDIA_START" => {
                let coding = coding(event.format.ok_or(Misread::Field("format"))?).ok_or(Misread::Coding)?;
                self.coding = Some(coding);
                Ok(Said::Started {
                    coding,
                    stream: event.connection.ok_or(Misread::Field("connection_id"))?,
                    call: event.channel.ok_or(Misread::Field("channel"))?,
                    parameters: event.variables.unwrap_or("{}"),
                })
            }
            "DTMF_END" => key(event.digit.ok_or(Misread::Field("digit"))?),
            "MEDIA_MARK_PROCESSED" => event.mark.map(Said::Mark).ok_or(Misread::Field("correlation_id")),
            "MEDIA_XOFF" => Ok(Said::Hold(true)),
            "MEDIA_XON" => Ok(Said::Hold(false)),
            "QUEUE_DRAINED" | "MEDIA_BUFFERING_COMPLETED" | "STATUS" | "ERROR" => Ok(Said::Nothing),
            _ => Err(Misread::Unknown),
        }
    }

    fn sound(&self, sound: &[u8], out: &mut Vec<u8>) {
        frame(Kind::Binary, &[sound], out);
    }

    /// `name` must need no escape in JSON.
    fn mark(&self, name: &str, out: &mut Vec<u8>) {
        let parts: [&[u8]; 3] = [
            br#"{"command":"MARK_MEDIA","correlation_id":""#,
            name.as_bytes(),
            br#""}"#,
        ];
        frame(Kind::Text, &parts, out);
    }

    fn clear(&self, out: &mut Vec<u8>) {
        frame(Kind::Text, &[br#"{"command":"FLUSH_MEDIA"}"#], out);
    }

    fn hang_up(&self, out: &mut Vec<u8>) {
        frame(Kind::Text, &[br#"{"command":"HANGUP"}"#], out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::garbled::garbled;
    use super::*;
    use proptest::prelude::*;

    const START: &str = r#"{"event":"MEDIA_START","connection_id":"c1","channel":"WebSocket/x-1","channel_id":"17.3","format":"slin16","optimal_frame_size":640,"ptime":20,"channel_variables":{"TOKEN":"t"}}"#;

    #[test]
    fn a_channel_begins_then_sound_is_binary() {
        let mut asterisk = Asterisk::default();
        assert_eq!(asterisk.read(&Message::Binary(&[0; 640])), Err(Misread::Stray));
        let expected = Said::Started {
            coding: Coding::Linear(16_000),
            stream: "c1",
            call: "WebSocket/x-1",
            parameters: r#"{"TOKEN":"t"}"#,
        };
        assert_eq!(asterisk.read(&Message::Text(START)), Ok(expected));
        let said = Said::Sound {
            bytes: &[1, 2],
            at_ms: None,
        };
        assert_eq!(asterisk.read(&Message::Binary(&[1, 2])), Ok(said));
        assert_eq!(Coding::Linear(16_000).frame_bytes(), 640);
    }

    #[test]
    fn events() {
        for (text, said) in [
            (
                r##"{"event":"DTMF_END","channel_id":"17.3","digit":"#"}"##,
                Ok(Said::Dtmf('#')),
            ),
            (r#"{"event":"MEDIA_XOFF"}"#, Ok(Said::Hold(true))),
            (r#"{"event":"MEDIA_XON"}"#, Ok(Said::Hold(false))),
            (
                r#"{"event":"MEDIA_MARK_PROCESSED","correlation_id":"m1"}"#,
                Ok(Said::Mark("m1")),
            ),
            (r#"{"event":"QUEUE_DRAINED"}"#, Ok(Said::Nothing)),
            (
                r#"{"event":"MEDIA_START","format":"opus","connection_id":"c","channel":"x"}"#,
                Err(Misread::Coding),
            ),
            (
                r#"{"event":"MEDIA_START","format":"ulaw"}"#,
                Err(Misread::Field("connection_id")),
            ),
            (r#"{"event":"OTHER"}"#, Err(Misread::Unknown)),
            ("{}", Err(Misread::Field("event"))),
            ("no", Err(Misread::NoJson)),
        ] {
            assert_eq!(Asterisk::default().read(&Message::Text(text)), said, "{text}");
        }
    }

    #[test]
    fn commands() {
        let mut out = vec![];
        Asterisk::default().sound(&[7; 640], &mut out);
        assert_eq!((out[..4].to_vec(), out.len()), (vec![0x82, 126, 2, 128], 644));
        out.clear();
        Asterisk::default().mark("m1", &mut out);
        assert_eq!(&out[2..], br#"{"command":"MARK_MEDIA","correlation_id":"m1"}"#);
        out.clear();
        Asterisk::default().clear(&mut out);
        assert_eq!(&out[2..], br#"{"command":"FLUSH_MEDIA"}"#);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            texts in proptest::collection::vec(garbled(&[
                START,
                r#"{"event":"DTMF_END","channel_id":"17.3","digit":"7","duration_ms":120}"#,
                r#"{"event":"MEDIA_MARK_PROCESSED","correlation_id":"m1"}"#,
                r#"{"event":"MEDIA_XOFF","channel_id":"17.3"}"#,
                r#"{"event":"STATUS","queue_length":43,"bulk_media":false}"#,
            ]), 1..8),
        ) {
            let mut asterisk = Asterisk::default();
            for text in &texts {
                match asterisk.read(&Message::Text(text)) {
                    Ok(Said::Started { parameters, .. }) => prop_assert_eq!(&parameters[..1], "{"),
                    Ok(Said::Sound { .. }) => prop_assert!(false, "text is no sound"),
                    _ => {}
                }
            }
        }
    }
}
