//! A connection from its first byte to its last, with bytes and time made up.

use proptest::prelude::*;
use vivavoce_media::call::{Call, Event, Limits, Listener};
use vivavoce_media::playout::{Dropped, Refused, Sent};

const REQUEST: &[u8] = b"GET /twilio HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const START: &str = r#"{"event":"start","start":{"streamSid":"MZ1","callSid":"CA2","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"secret"}},"streamSid":"MZ1"}"#;
const MEDIA: &str = r#"{"event":"media","streamSid":"MZ1","media":{"track":"inbound","payload":"/////w=="}}"#;

/// Notes what it is told.
#[derive(Default)]
struct Notes {
    shown: Vec<String>,
    sent_us: Vec<u64>,
    sound: Vec<i16>,
    events: Vec<String>,
    late_us: Vec<u64>,
}

impl Listener for Notes {
    fn admit(&mut self, token: &str) -> bool {
        self.shown.push(token.to_owned());
        token == "secret"
    }

    fn arrived(&mut self, sent_us: u64) {
        self.sent_us.push(sent_us);
    }

    fn sound(&mut self, samples: &[i16]) {
        self.sound.extend_from_slice(samples);
    }

    fn played(&mut self, _: &[i16], sent: Sent) {
        self.late_us.push(sent.late_us);
    }

    fn event(&mut self, event: Event<'_>) {
        self.events.push(format!("{event:?}"));
    }
}

fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    if payload.len() < 126 {
        out.push(0x80 | payload.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend((payload.len() as u16).to_be_bytes());
    }
    out.extend([0; 4]);
    out.extend(payload);
    out
}

fn text(text: &str) -> Vec<u8> {
    framed(0x81, text.as_bytes())
}

struct Line {
    call: Call,
    notes: Notes,
    out: Vec<u8>,
}

impl Line {
    fn new() -> Self {
        Self {
            call: Call::new(Limits::default(), 60_000, 0),
            notes: Notes::default(),
            out: vec![],
        }
    }

    fn begun() -> Self {
        let mut line = Self::new();
        line.says(REQUEST, 0);
        line.says(&text(START), 0);
        line.out.clear();
        line.notes.events.clear();
        line
    }

    fn says(&mut self, bytes: &[u8], now_us: u64) -> usize {
        self.call
            .receive(&mut bytes.to_vec(), now_us, &mut self.notes, &mut self.out)
    }

    fn tick(&mut self, now_us: u64) -> Vec<u8> {
        self.out.clear();
        self.call.tick(now_us, None, &mut self.notes, &mut self.out);
        self.out.clone()
    }
}

fn media_messages(out: &[u8]) -> usize {
    out.windows(15).filter(|part| part == br#"{"event":"media"#).count()
}

#[test]
fn a_call_is_admitted_and_heard() {
    let mut line = Line::new();
    assert_eq!(line.says(&REQUEST[..50], 0), 0, "the rest is to come");
    assert_eq!(line.says(&[REQUEST, &text(START)[..20]].concat(), 0), REQUEST.len());
    assert!(line.out.starts_with(b"HTTP/1.1 101 "));
    let bytes = [text(START), text(MEDIA)].concat();
    assert_eq!(line.says(&bytes, 0), bytes.len());
    assert_eq!(line.notes.shown, ["secret"]);
    assert_eq!(line.notes.sound, [0; 4]);
    assert!(line.notes.events[0].starts_with("Started { rate_hz: 8000, stream: \"MZ1\", call: \"CA2\""));
    assert!(line.call.is_admitted());
}

#[test]
fn sound_is_of_its_time_stamp_or_else_of_what_came_before() {
    let mut line = Line::begun();
    line.says(&text(MEDIA), 0);
    line.says(&text(MEDIA), 0);
    line.says(&text(&MEDIA.replace(r#""track""#, r#""timestamp":"1240","track""#)), 0);
    line.says(&text(MEDIA), 0);
    // Four samples at 8 kHz a message.
    assert_eq!(line.notes.sent_us, [0, 500, 1_240_000, 1500]);
}

#[test]
fn of_a_call_that_nobody_expects_nothing_is_heard() {
    let mut line = Line::new();
    line.says(REQUEST, 0);
    line.says(&text(MEDIA), 0);
    line.says(&text(&START.replace("secret", "guess")), 0);
    line.says(&text(MEDIA), 0);
    assert_eq!(line.notes.sound, []);
    assert_eq!(line.notes.events, ["Closed(Unadmitted)"]);
    assert!(line.call.is_over());
    assert!(line.call.play(1, [0; 160].into(), 0).is_err());
}

#[test]
fn what_is_late_silent_slow_or_wrong_is_closed_with_its_reason() {
    let mut line = Line::new();
    line.says(REQUEST, 0);
    line.tick(5_000_000);
    assert_eq!(line.notes.events, Vec::<String>::new());
    assert_eq!(line.tick(5_000_001), [0x88, 2, 0x03, 0xf0]);
    assert_eq!(line.notes.events, ["Closed(Unadmitted)"]);

    let mut line = Line::begun();
    line.tick(10_000_000);
    assert!(!line.call.is_over());
    line.tick(10_000_001);
    assert_eq!(line.notes.events, ["Closed(Silent)"]);

    let mut line = Line::begun();
    line.call
        .tick(6_000_000, Some(5_000_000), &mut line.notes, &mut line.out);
    assert!(!line.call.is_over());
    line.call
        .tick(6_000_001, Some(5_000_001), &mut line.notes, &mut line.out);
    assert_eq!(line.notes.events, ["Closed(SlowReader)"]);

    let mut line = Line::begun();
    line.says(&framed(0x83, b""), 2);
    assert_eq!(line.notes.events, ["Closed(Protocol(Reserved))"]);
    assert_eq!(line.out, [0x88, 2, 0x03, 0xea]);

    let mut line = Line::begun();
    for _ in 0..60 {
        line.says(&text("{"), 2);
    }
    assert_eq!(line.notes.events, ["Closed(Gibberish)"]);

    let mut line = Line::new();
    line.says(
        &String::from_utf8_lossy(REQUEST)
            .replace("/twilio", "/other")
            .into_bytes(),
        0,
    );
    assert!(line.out.starts_with(b"HTTP/1.1 404 "));
    assert_eq!(line.notes.events, ["Closed(Handshake)"]);
}

#[test]
fn speech_is_paced_and_after_clear_nothing_goes_out() {
    let mut line = Line::begun();
    assert_eq!(line.call.play(1, [0; 1600].into(), 0), Ok(Ok(())));
    assert_eq!(line.call.mark(7, 1), Ok(()));
    assert_eq!(media_messages(&line.tick(0)), 3);
    assert_eq!(media_messages(&line.tick(19_999)), 0);
    assert_eq!(media_messages(&line.tick(20_000)), 1);
    line.out.clear();
    let dropped = line.call.clear(20_000, &mut line.out).expect("it is admitted");
    assert_eq!(
        dropped,
        Dropped {
            samples: 960,
            lead_us: 60_000
        }
    );
    assert_eq!(&line.out[2..], br#"{"event":"clear","streamSid":"MZ1"}"#);
    assert_eq!(line.tick(9_000_000), []);
    assert_eq!(line.notes.events, ["Mark { name: 7, fate: Cleared }"]);
    assert_eq!(line.call.play(1, [0; 160].into(), 0), Ok(Err(Refused::Stale)));
    assert_eq!(line.call.play(2, [0; 160].into(), 0), Ok(Ok(())));
    assert_eq!(line.notes.late_us, [0, 0, 0, 0]);
}

#[test]
fn what_the_wire_does_not_take_can_still_be_taken_back() {
    let mut line = Line::begun();
    assert_eq!(line.call.play(1, [0; 1600].into(), 0), Ok(Ok(())));
    assert_eq!(media_messages(&line.tick(0)), 3);
    line.out.clear();
    line.call
        .tick(2_000_000, Some(1_980_000), &mut line.notes, &mut line.out);
    assert_eq!(line.out, []);
    let dropped = line.call.clear(2_000_000, &mut line.out).expect("it is admitted");
    assert_eq!(dropped.samples, 7 * 160);
}

#[test]
fn what_a_call_was_saying_when_it_ended_is_given_back() {
    let mut line = Line::begun();
    assert_eq!(line.call.play(1, [0; 1600].into(), 0), Ok(Ok(())));
    line.tick(0);
    line.call.hang_up(&mut line.notes, &mut line.out);
    assert_eq!(line.call.spent().map(|chunk| chunk.len()), Some(1600));
    assert_eq!(line.call.spent(), None);
}

#[test]
fn a_peer_without_a_token_is_not_listened_to_for_long() {
    let mut line = Line::new();
    line.says(REQUEST, 0);
    line.says(&text(&" ".repeat(8 * 1024 + 1)), 0);
    assert_eq!(line.notes.events, ["Closed(Protocol(TooLong))"]);

    let mut line = Line::begun();
    line.says(&text(&" ".repeat(8 * 1024 + 1)), 0);
    assert!(!line.call.is_over());
}

#[test]
fn the_peer_ends_it_or_we_do() {
    let mut line = Line::begun();
    line.says(&text(r#"{"event":"stop","streamSid":"MZ1"}"#), 2);
    assert_eq!(line.notes.events, ["Closed(PeerClosed)"]);

    let mut line = Line::begun();
    line.says(&framed(0x89, b"?"), 2);
    assert_eq!(line.out, [0x8a, 1, b'?']);
    line.says(&framed(0x88, &[0x03, 0xe8]), 2);
    assert_eq!(line.notes.events, ["Closed(PeerClosed)"]);

    let mut line = Line::begun();
    line.call.hang_up(&mut line.notes, &mut line.out);
    line.call.lost(&mut line.notes);
    assert_eq!(line.notes.events, ["Closed(HungUp)"]);
}

proptest! {
    #[test]
    fn nothing_a_peer_says_makes_it_panic_or_be_heard_without_a_token(
        parts in prop::collection::vec(prop_oneof![
            Just(text(START)),
            Just(text(&START.replace("secret", "guess"))),
            Just(text(MEDIA)),
            Just(text(r#"{"event":"stop","streamSid":"MZ1"}"#)),
            Just(framed(0x89, b"ping")),
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| framed(0x82, &bytes)),
            "[ -~]{0,60}".prop_map(|said| text(&said)),
        ], 0..12),
        cut in 1_usize..400,
    ) {
        let mut line = Line::new();
        let bytes = [REQUEST.to_vec(), parts.concat()].concat();
        let mut waiting = vec![];
        for (n, piece) in bytes.chunks(cut).enumerate() {
            waiting.extend_from_slice(piece);
            let used = line.says(&waiting, n as u64);
            prop_assert!(used <= waiting.len());
            waiting.drain(..used);
            let admitted = line.notes.shown.iter().any(|token| token == "secret");
            prop_assert!(admitted || line.notes.sound.is_empty());
        }
        let ends = line.notes.events.iter().filter(|event| event.starts_with("Closed")).count();
        prop_assert_eq!(ends, usize::from(line.call.is_over()));
    }
}
