//! Twilio Media Streams: JSON text frames, μ-law at 8 kHz in Base64.
//!
//! Source: "Media Streams - WebSocket Messages", twilio.com/docs/voice/media-streams/websocket-messages. Sequence numbers,
//! chunks and timestamps come as text. On `clear` the peer empties its buffer and returns every mark that waits.

use super::base64;
use super::dialect::{Coding, Dialect, Misread, Said, key};
use super::frame::{Kind, LONGEST_HEADER, Message, write_header};
use super::json::{Fields, Value};

/// Sound of one message: 100 ms, five times what Twilio sends.
const MOST_BYTES: usize = 800;
const ULAW: &str = "audio/x-mulaw";

/// One stream of Twilio's.
pub struct Twilio {
    sound: [u8; MOST_BYTES],
    /// Each message of ours up to its own content; empty before the stream began.
    media: Vec<u8>,
    stream: String,
}

impl Default for Twilio {
    fn default() -> Self {
        Self {
            sound: [0; MOST_BYTES],
            media: Vec::new(),
            stream: String::new(),
        }
    }
}

/// The fields of a message that are looked at, whatever their order.
#[derive(Default)]
struct Envelope<'a> {
    event: Option<&'a str>,
    stream: Option<&'a str>,
    start: Option<Value<'a>>,
    media: Option<Value<'a>>,
    dtmf: Option<Value<'a>>,
    mark: Option<Value<'a>>,
}

impl<'a> Envelope<'a> {
    fn of(text: &'a str) -> Result<Self, Misread> {
        let mut envelope = Self::default();
        for field in Fields::new(text) {
            let (key, value) = field.map_err(|_| Misread::NoJson)?;
            match key {
                "event" => envelope.event = value.plain(),
                "streamSid" => envelope.stream = value.plain(),
                "start" => envelope.start = Some(value),
                "media" => envelope.media = Some(value),
                "dtmf" => envelope.dtmf = Some(value),
                "mark" => envelope.mark = Some(value),
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// A field of an object that must be there.
fn field<'a>(object: Option<Value<'a>>, name: &'static str) -> Result<Value<'a>, Misread> {
    for field in object.ok_or(Misread::Field(name))?.fields() {
        let (key, value) = field.map_err(|_| Misread::NoJson)?;
        if key == name {
            return Ok(value);
        }
    }
    Err(Misread::Field(name))
}

fn plain<'a>(object: Option<Value<'a>>, name: &'static str) -> Result<&'a str, Misread> {
    field(object, name)?.plain().ok_or(Misread::Field(name))
}

impl Twilio {
    fn started<'a>(&mut self, envelope: &Envelope<'a>) -> Result<Said<'a>, Misread> {
        if !self.stream.is_empty() {
            return Err(Misread::Stray);
        }
        let format = field(envelope.start, "mediaFormat")?;
        let eight = field(Some(format), "sampleRate")?.number() == Some(8000);
        if plain(Some(format), "encoding")? != ULAW || !eight {
            return Err(Misread::Coding);
        }
        let stream = plain(envelope.start, "streamSid")?;
        let parameters = match field(envelope.start, "customParameters") {
            Ok(Value::Object(parameters)) => parameters,
            _ => "{}",
        };
        self.stream = stream.to_owned();
        self.media = format!(r#"{{"event":"media","streamSid":"{stream}","media":{{"payload":""#).into_bytes();
        Ok(Said::Started {
            coding: Coding::Ulaw,
            stream,
            call: plain(envelope.start, "callSid")?,
            parameters,
        })
    }

    fn heard<'a>(&'a mut self, envelope: &Envelope<'_>) -> Result<Said<'a>, Misread> {
        if self.stream.is_empty() || envelope.stream != Some(&self.stream) {
            return Err(Misread::Stray);
        }
        let (mut payload, mut at_ms) = (None, None);
        for field in envelope.media.into_iter().flat_map(Value::fields) {
            let (key, value) = field.map_err(|_| Misread::NoJson)?;
            match key {
                // What we send is echoed as "outbound" where a stream asks for both tracks.
                "track" if value.plain() == Some("outbound") => return Ok(Said::Nothing),
                "timestamp" => at_ms = value.number(),
                "payload" => payload = Some(value),
                _ => {}
            }
        }
        let Some(Value::Text(payload)) = payload else {
            return Err(Misread::Field("payload"));
        };
        let count = base64::decode(payload, &mut self.sound).ok_or(Misread::Field("payload"))?;
        Ok(Said::Sound {
            bytes: &self.sound[..count],
            at_ms,
        })
    }

    fn text(&self, parts: &[&str], out: &mut Vec<u8>) {
        let mut header = [0; LONGEST_HEADER];
        let length = write_header(Kind::Text, parts.iter().map(|part| part.len()).sum(), &mut header);
        out.extend_from_slice(&header[..length]);
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

impl Dialect for Twilio {
    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn token_field(&self) -> &'static str {
        "token"
    }

    fn read<'a>(&'a mut self, message: &'a Message<'a>) -> Result<Said<'a>, Misread> {
        let Message::Text(text) = message else {
            return Err(Misread::Unknown);
        };
        let envelope = Envelope::of(text)?;
        match envelope.event.ok_or(Misread::Field("event"))? {
            "media" => self.heard(&envelope),
            "start" => self.started(&envelope),
            "connected" => Ok(Said::Nothing),
            "dtmf" => key(plain(envelope.dtmf, "digit")?),
            "mark" => plain(envelope.mark, "name").map(Said::Mark),
            "stop" => Ok(Said::Stopped),
            _ => Err(Misread::Unknown),
        }
    }

    fn sound(&self, frame: &[u8], out: &mut Vec<u8>) {
        const END: &[u8] = br#""}}"#;
        let payload = base64::encoded_len(frame.len());
        let mut header = [0; LONGEST_HEADER];
        let length = write_header(Kind::Text, self.media.len() + payload + END.len(), &mut header);
        out.extend_from_slice(&header[..length]);
        out.extend_from_slice(&self.media);
        let at = out.len();
        out.resize(at + payload, 0);
        base64::encode(frame, &mut out[at..]);
        out.extend_from_slice(END);
    }

    /// `name` must need no escape in JSON.
    fn mark(&self, name: &str, out: &mut Vec<u8>) {
        let parts = [
            r#"{"event":"mark","streamSid":""#,
            &self.stream,
            r#"","mark":{"name":""#,
            name,
            r#""}}"#,
        ];
        self.text(&parts, out);
    }

    fn clear(&self, out: &mut Vec<u8>) {
        self.text(&[r#"{"event":"clear","streamSid":""#, &self.stream, r#""}"#], out);
    }

    /// Nothing: the call goes on with the verb after the stream when our socket closes.
    fn hang_up(&self, _out: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::super::garbled::garbled;
    use super::*;
    use proptest::prelude::*;

    const START: &str = r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC0","streamSid":"MZ1","callSid":"CA2","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"t"}},"streamSid":"MZ1"}"#;

    fn started() -> Twilio {
        let mut twilio = Twilio::default();
        twilio.read(&Message::Text(START)).expect("a stream begins so");
        twilio
    }

    #[test]
    fn a_stream_begins_with_its_parameters() {
        let mut twilio = Twilio::default();
        assert_eq!(
            twilio.read(&Message::Text(
                r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
            )),
            Ok(Said::Nothing)
        );
        let said = twilio.read(&Message::Text(START));
        let expected = Said::Started {
            coding: Coding::Ulaw,
            stream: "MZ1",
            call: "CA2",
            parameters: r#"{"token":"t"}"#,
        };
        assert_eq!(said, Ok(expected));
    }

    #[test]
    fn sound_is_decoded_with_escaped_slashes() {
        let mut twilio = started();
        let text = r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":"20","payload":"\/\/9+"},"streamSid":"MZ1"}"#;
        let said = Said::Sound {
            bytes: &[0xff, 0xff, 0x7e],
            at_ms: Some(20),
        };
        assert_eq!(twilio.read(&Message::Text(text)), Ok(said));
    }

    #[test]
    fn what_does_not_belong_is_told_apart() {
        let media = r#"{"event":"media","media":{"payload":"AAAA"},"streamSid":"MZ9"}"#;
        assert_eq!(started().read(&Message::Text(media)), Err(Misread::Stray));
        assert_eq!(Twilio::default().read(&Message::Text(media)), Err(Misread::Stray));
        for (text, misread) in [
            ("{", Misread::NoJson),
            ("{}", Misread::Field("event")),
            (r#"{"event":"dance"}"#, Misread::Unknown),
            (r#"{"event":"media","streamSid":"MZ1"}"#, Misread::Field("payload")),
            (
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"*"}}"#,
                Misread::Field("payload"),
            ),
            (r#"{"event":"mark","mark":{}}"#, Misread::Field("name")),
        ] {
            assert_eq!(started().read(&Message::Text(text)), Err(misread), "{text}");
        }
        assert_eq!(started().read(&Message::Binary(b"x")), Err(Misread::Unknown));
        assert_eq!(started().read(&Message::Text(START)), Err(Misread::Stray), "it began");
        let linear = START.replace("x-mulaw", "x-l16");
        assert_eq!(Twilio::default().read(&Message::Text(&linear)), Err(Misread::Coding));
    }

    #[test]
    fn control_messages() {
        let mut twilio = started();
        let dtmf =
            r#"{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"7"}}"#;
        assert_eq!(twilio.read(&Message::Text(dtmf)), Ok(Said::Dtmf('7')));
        let long = dtmf.replace('7', "long");
        assert_eq!(twilio.read(&Message::Text(&long)), Err(Misread::Field("digit")));
        let mark = r#"{"event":"mark","sequenceNumber":"6","streamSid":"MZ1","mark":{"name":"m1"}}"#;
        assert_eq!(twilio.read(&Message::Text(mark)), Ok(Said::Mark("m1")));
        assert_eq!(
            twilio.read(&Message::Text(r#"{"event":"stop","streamSid":"MZ1"}"#)),
            Ok(Said::Stopped)
        );
    }

    #[test]
    fn what_is_said_is_json_in_a_text_frame() {
        let twilio = started();
        let mut out = vec![];
        twilio.sound(&[0xff; 160], &mut out);
        let text = core::str::from_utf8(&out[4..]).expect("it is text");
        assert_eq!(out[..2], [0x81, 126]);
        assert_eq!(out[2..4], (text.len() as u16).to_be_bytes());
        assert_eq!(
            text,
            format!(
                r#"{{"event":"media","streamSid":"MZ1","media":{{"payload":"{}/w=="}}}}"#,
                "////".repeat(53)
            )
        );
        out.clear();
        twilio.mark("m1", &mut out);
        assert_eq!(&out[2..], br#"{"event":"mark","streamSid":"MZ1","mark":{"name":"m1"}}"#);
        out.clear();
        twilio.clear(&mut out);
        assert_eq!(&out[2..], br#"{"event":"clear","streamSid":"MZ1"}"#);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_pass_a_limit(
            texts in proptest::collection::vec(garbled(&[
                START,
                r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#,
                r#"{"event":"media","streamSid":"MZ1","media":{"track":"inbound","chunk":"2","payload":"/////w=="}}"#,
                r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"7"}}"#,
                r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"m1"}}"#,
                r#"{"event":"stop","streamSid":"MZ1","stop":{"callSid":"CA2"}}"#,
            ]), 1..8),
            bytes in 0_usize..2000,
        ) {
            let mut twilio = started();
            for text in &texts {
                if let Ok(Said::Sound { bytes, .. }) = twilio.read(&Message::Text(text)) {
                    prop_assert!(bytes.len() <= MOST_BYTES);
                }
            }
            let payload = "/".repeat(bytes);
            let media = format!(r#"{{"event":"media","streamSid":"MZ1","media":{{"payload":"{payload}"}}}}"#);
            if let Ok(Said::Sound { bytes: sound, .. }) = started().read(&Message::Text(&media)) {
                prop_assert_eq!(sound.len(), bytes * 3 / 4);
                prop_assert!(sound.len() <= MOST_BYTES);
            }
        }
    }
}
