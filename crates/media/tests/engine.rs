//! The engine with real sockets, threads and tungstenite as the caller. A model stands in that tells voices by loudness.

use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use tungstenite::{Message, WebSocket};
use vivavoce_media::admission::Unfit;
use vivavoce_media::audio::g711;
use vivavoce_media::call::Limits;
use vivavoce_media::detector::{BEFORE, Model};
use vivavoce_media::door::{CallId, Happening, reason};
use vivavoce_media::engine::{Absent, Config, Engine, Unplayed};
use vivavoce_media::hearing::WINDOW;
use vivavoce_media::playout::Fate;
use vivavoce_media::reflex::{Policy, Settings as ReflexSettings};
use vivavoce_media::scheduling::Class;
use vivavoce_media::wire::base64;
use vivavoce_media::worker::Settings;

struct Loudness;

impl Model for Loudness {
    fn run(&mut self, count: usize, input: &[f32], _: &mut [f32], out: &mut [f32]) -> Result<(), String> {
        for (n, probability) in out.iter_mut().enumerate().take(count) {
            let window = &input[n * (BEFORE + WINDOW) + BEFORE..][..WINDOW];
            *probability = if window.iter().any(|sample| sample.abs() > 0.1) {
                0.95
            } else {
                0.01
            };
        }
        Ok(())
    }
}

fn config() -> Config {
    Config {
        bind: ([127, 0, 0, 1], 0).into(),
        workers: 1,
        worker: Settings {
            limits: Limits::default(),
            reflex: ReflexSettings::default(),
            lead_us: 60_000,
            most_calls: 8,
            most_anonymous: 4,
            door_hz: 8000,
            duck_db: -15.0,
            duck_ms: 20,
            class: Class::Default,
        },
        door_s: 2,
        events: 128,
    }
}

/// An engine, and all that it told.
struct House {
    engine: Engine,
    told: Vec<(CallId, Happening)>,
}

impl House {
    fn open(config: &Config) -> Self {
        let engine = Engine::start(config, Some(Box::new(Loudness))).expect("a port is free");
        Self { engine, told: vec![] }
    }

    fn expect(&mut self, token: &str, policy: Policy) -> CallId {
        self.engine
            .expect(token.as_bytes(), 60_000, policy, 20)
            .expect("there is room")
    }

    /// Wait until something was told that `wanted` knows.
    fn wait<T>(&mut self, wanted: impl Fn(CallId, Happening) -> Option<T>) -> T {
        let mut seen = 0;
        for _ in 0..2000 {
            for (call, happening) in &self.told[seen..] {
                if let Some(found) = wanted(*call, *happening) {
                    return found;
                }
            }
            seen = self.told.len();
            // The bell, or a moment for what has none.
            let some = Timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let _ = poll(
                &mut [PollFd::new(&self.engine.upwards().bell(), PollFlags::IN)],
                Some(&some),
            );
            self.engine
                .reports(|report| self.told.push((report.call, report.happening)));
        }
        panic!("it never happened; what did: {:?}", self.told);
    }

    fn wait_for(&mut self, call: CallId, happening: Happening) {
        self.wait(|of, what| (of == call && what == happening).then_some(()));
    }

    fn wait_closed(&mut self, call: CallId) -> &'static str {
        self.wait(|of, what| match what {
            Happening::Closed(number) if of == call => Some(reason(number)),
            _ => None,
        })
    }

    fn call(&mut self, token: &str, policy: Policy) -> (CallId, Caller) {
        let call = self.expect(token, policy);
        let mut caller = Caller::dial(&self.engine);
        caller.begin(token);
        self.wait_for(call, Happening::Started);
        (call, caller)
    }
}

/// A caller who is tungstenite.
struct Caller {
    socket: WebSocket<TcpStream>,
}

impl Caller {
    fn dial(engine: &Engine) -> Self {
        let stream = TcpStream::connect(engine.address()).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a time-out is set");
        let url = format!("ws://{}/twilio", engine.address());
        let (socket, _) = tungstenite::client(url, stream).expect("the handshake is accepted");
        Self { socket }
    }

    fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("it is taken");
    }

    fn begin(&mut self, token: &str) {
        self.say(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#);
        self.say(&format!(
            r#"{{"event":"start","streamSid":"MZ1","start":{{"streamSid":"MZ1","callSid":"CA1","mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{"token":"{token}"}}}}}}"#
        ));
    }

    /// So many frames, loud or silent.
    fn speak(&mut self, frames: usize, loud: bool) {
        let samples: Vec<i16> = (0..160)
            .map(|n| {
                if loud {
                    (12_000.0 * (n as f32 * 0.7).sin()) as i16
                } else {
                    0
                }
            })
            .collect();
        let mut codes = [0; 160];
        g711::ulaw_encode(&samples, &mut codes);
        let mut payload = vec![0; base64::encoded_len(160)];
        base64::encode(&codes, &mut payload);
        let payload = String::from_utf8(payload).expect("Base64 is text");
        for _ in 0..frames {
            self.say(&format!(
                r#"{{"event":"media","streamSid":"MZ1","media":{{"track":"inbound","payload":"{payload}"}}}}"#
            ));
        }
    }

    fn hear(&mut self) -> String {
        loop {
            match self.socket.read().expect("it speaks") {
                Message::Text(text) => return text.to_string(),
                Message::Close(frame) => return format!("close {}", frame.map_or(0, |frame| u16::from(frame.code))),
                _ => {}
            }
        }
    }
}

#[test]
fn a_call_is_heard_answered_and_ended() {
    let mut house = House::open(&config());
    let (call, mut caller) = house.call("one", Policy::Strict);
    let started = house.engine.started(call).expect("it has begun");
    assert_eq!(
        (started.rate_hz, started.stream.as_str(), started.call.as_str()),
        (8000, "MZ1", "CA1")
    );

    caller.speak(5, true);
    caller.speak(20, false);
    house.wait_for(call, Happening::SpeechStart { at_ms: 0 });
    house.wait(|_, what| matches!(what, Happening::SpeechEnd { .. }).then_some(()));
    let mut pieces = vec![];
    while pieces.len() < 25 {
        house.engine.want(call);
        house
            .engine
            .sounds(|sound| pieces.push((sound.start, sound.samples.len())));
    }
    assert_eq!(pieces[24], (24 * 160, 160));

    house
        .engine
        .play(call, 1, &[1000; 800], 8000, true)
        .expect("there is room");
    assert_eq!(house.engine.mark(call, 9), Ok(true));
    for _ in 0..5 {
        assert!(
            caller
                .hear()
                .starts_with(r#"{"event":"media","streamSid":"MZ1","media":{"payload":""#)
        );
    }
    house.wait_for(
        call,
        Happening::Mark {
            name: 9,
            fate: Fate::Played,
        },
    );

    caller.say(r#"{"event":"stop","streamSid":"MZ1"}"#);
    assert_eq!(house.wait_closed(call), "peer closed");
    house.engine.forget(call);
    assert_eq!(
        house.engine.play(call, 2, &[0; 160], 8000, true),
        Err(Unplayed::Absent(Absent::Unknown))
    );
}

#[test]
fn how_packets_came_is_known_when_the_call_has_ended() {
    let mut house = House::open(&config());
    let (call, mut caller) = house.call("one", Policy::Off);
    // Half a second of sound at once: every packet is 20 ms early against the one before.
    caller.speak(25, false);
    assert_eq!(house.engine.arrivals(call), None);
    caller.say(r#"{"event":"stop","streamSid":"MZ1"}"#);
    assert_eq!(house.wait_closed(call), "peer closed");
    let arrivals = house.engine.arrivals(call).expect("there was sound");
    assert_eq!((arrivals.packets, arrivals.gaps), (25, 0));
    // 20 ms × (1 - (15/16)^24) is 15.8 ms; who sends it may be held up, which takes off the jitter.
    assert!(arrivals.p95_us <= 16_400, "{arrivals:?}");
    assert!(arrivals.p95_us > arrivals.p50_us && arrivals.p50_us > 0, "{arrivals:?}");

    let (silent, mut caller) = house.call("two", Policy::Off);
    caller.say(r#"{"event":"stop","streamSid":"MZ1"}"#);
    house.wait_closed(silent);
    assert_eq!(house.engine.arrivals(silent), None);
    assert_eq!(house.engine.started(silent).map(|started| started.codec), Some("ulaw"));
}

#[test]
fn a_caller_who_interrupts_is_given_silence_at_once() {
    let mut house = House::open(&config());
    let (call, mut caller) = house.call("one", Policy::Strict);
    house
        .engine
        .play(call, 1, &[1000; 80_000], 8000, false)
        .expect("there is room");
    for _ in 0..3 {
        caller.hear();
    }
    caller.speak(8, true);
    let dropped = house.wait(|_, what| match what {
        Happening::Confirmed { dropped, .. } => Some(dropped),
        _ => None,
    });
    assert!((60_000..80_000).contains(&dropped), "{dropped}");
    let mut after = caller.hear();
    while after.contains("media") {
        after = caller.hear();
    }
    assert_eq!(after, r#"{"event":"clear","streamSid":"MZ1"}"#);
    // Whatever is said now of the old epoch is dropped; the next is heard.
    house
        .engine
        .play(call, 1, &[1000; 160], 8000, false)
        .expect("it is taken, and dropped");
    assert_eq!(house.engine.mark(call, 1), Ok(true));
    house.wait_for(
        call,
        Happening::Mark {
            name: 1,
            fate: Fate::Cleared,
        },
    );
    house
        .engine
        .play(call, 2, &[1000; 160], 8000, true)
        .expect("there is room");
    assert!(caller.hear().contains("media"));
}

#[test]
fn a_patient_agent_ducks_and_goes_on() {
    let mut house = House::open(&config());
    let (call, mut caller) = house.call("one", Policy::Patient);
    house
        .engine
        .play(call, 1, &[1000; 80_000], 8000, false)
        .expect("there is room");
    caller.hear();
    caller.speak(10, true);
    caller.speak(30, false);
    house.wait_for(call, Happening::Ducked);
    house.wait_for(call, Happening::Refuted);
    assert!(
        !house
            .told
            .iter()
            .any(|(_, what)| matches!(what, Happening::Confirmed { .. }))
    );
}

#[test]
fn tokens_are_worth_one_call() {
    let mut house = House::open(&config());
    let (call, _caller) = house.call("one", Policy::Off);
    assert_eq!(house.engine.expect(b"one", 1000, Policy::Off, 20), Err(Unfit::Known));
    let mut second = Caller::dial(&house.engine);
    second.begin("one");
    assert_eq!(second.hear(), "close 1008");
    let late = house.engine.expect(b"late", 0, Policy::Off, 20).expect("there is room");
    assert_eq!(house.wait_closed(late), "never came");
    assert_eq!(
        house.engine.play(late, 1, &[0; 160], 8000, true),
        Err(Unplayed::Absent(Absent::NotStarted))
    );
    assert_eq!(house.engine.hang_up(call), Ok(true));
    assert_eq!(house.wait_closed(call), "hung up");
}

#[test]
fn those_who_never_speak_do_not_keep_others_out() {
    let mut settings = config();
    settings.worker.limits.anonymous_us = 50_000;
    let mut house = House::open(&settings);
    let silent: Vec<_> = (0..1000)
        .map(|_| TcpStream::connect(house.engine.address()).expect("the system accepts it"))
        .collect();
    let call = house.expect("one", Policy::Off);
    // Places without a token are few, and free again soon.
    let mut caller = loop {
        let stream = TcpStream::connect(house.engine.address()).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a time-out is set");
        let url = format!("ws://{}/twilio", house.engine.address());
        if let Ok((socket, _)) = tungstenite::client(url, stream) {
            break Caller { socket };
        }
    };
    caller.begin("one");
    house.wait_for(call, Happening::Started);
    let refused: u64 = house
        .engine
        .workers()
        .map(|worker| worker.refused.load(std::sync::atomic::Ordering::Relaxed))
        .sum();
    assert!(refused > 0);
    drop(silent);
}

#[test]
fn a_call_whose_events_nobody_takes_is_closed_alone() {
    let mut settings = config();
    settings.events = 4;
    let mut house = House::open(&settings);
    let (deaf, mut caller) = house.call("deaf", Policy::Off);
    let (other, _other_caller) = house.call("other", Policy::Off);
    for _ in 0..9 {
        caller.say(r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"5"}}"#);
    }
    assert_eq!(house.wait_closed(deaf), "events not taken");
    assert!(
        !house
            .told
            .iter()
            .any(|(call, what)| *call == other && matches!(what, Happening::Closed(_)))
    );
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_cut_by_what_waits_for_it() {
    let mut settings = config();
    settings.worker.limits.blocked_us = u64::MAX;
    let mut house = House::open(&settings);
    let (call, mut caller) = house.call("one", Policy::Off);
    let mut ping = vec![0x89, 0x80 | 125];
    ping.extend([0; 4 + 125]);
    let pings = ping.repeat(100);
    let socket = caller.socket.get_mut();
    let mut told = vec![];
    for _ in 0..20_000 {
        if told.contains(&call) {
            return;
        }
        // Once it is cut, this fails: then the event is there, or will soon be.
        let _ = std::io::Write::write_all(socket, &pings);
        house.engine.reports(|report| {
            if let Happening::Closed(number) = report.happening {
                assert_eq!(reason(number), "peer reads too slowly");
                told.push(report.call);
            }
        });
    }
    panic!("250 MB of pings were taken, and it was never cut");
}

#[test]
fn a_call_that_is_hung_up_before_it_comes_is_not_let_in() {
    let mut house = House::open(&config());
    let call = house.expect("one", Policy::Off);
    assert_eq!(house.engine.hang_up(call), Ok(true));
    assert_eq!(house.wait_closed(call), "hung up");
    let mut caller = Caller::dial(&house.engine);
    caller.begin("one");
    assert_eq!(caller.hear(), "close 1008");
    house.engine.forget(call);
    let (again, _caller) = house.call("one", Policy::Off);
    assert_ne!(again, call);
}

#[test]
fn what_a_call_was_saying_when_it_ended_takes_up_no_room() {
    let mut settings = config();
    settings.worker.most_calls = 1;
    let mut house = House::open(&settings);
    for n in 0..100 {
        let (call, _caller) = house.call(&format!("call-{n}"), Policy::Off);
        for _ in 0..10 {
            assert_eq!(house.engine.play(call, 1, &[1000; 160], 8000, false), Ok(()));
        }
        assert_eq!(house.engine.hang_up(call), Ok(true));
        assert_eq!(house.wait_closed(call), "hung up");
        house.engine.forget(call);
    }
}

#[test]
fn more_marks_than_can_wait_are_not_taken() {
    let mut house = House::open(&config());
    let (call, _caller) = house.call("one", Policy::Off);
    assert_eq!(house.engine.play(call, 1, &[1000; 80_000], 8000, false), Ok(()));
    assert!((0..64).all(|name| house.engine.mark(call, name) == Ok(true)));
    assert_eq!(house.engine.mark(call, 64), Ok(false));
    assert_eq!(house.engine.clear(call), Ok(true));
    for name in 0..64 {
        let fate = Fate::Cleared;
        house.wait_for(call, Happening::Mark { name, fate });
    }
    assert_eq!(house.engine.mark(call, 64), Ok(true));
}

#[test]
fn callers_find_a_place_whichever_worker_takes_them() {
    let mut settings = config();
    settings.workers = 3;
    settings.worker.most_calls = 3;
    let mut house = House::open(&settings);
    let calls: Vec<_> = (0..3).map(|n| house.call(&format!("call-{n}"), Policy::Off)).collect();
    assert_eq!(
        house.engine.expect(b"one-more", 1000, Policy::Off, 20),
        Err(Unfit::Full)
    );
    drop(calls);
}

#[test]
fn a_stop_hangs_up_and_tells() {
    let mut house = House::open(&config());
    let (call, mut caller) = house.call("one", Policy::Off);
    let never = house.expect("two", Policy::Off);
    house.engine.stop();
    assert_eq!(house.wait_closed(call), "hung up");
    assert_eq!(house.wait_closed(never), "engine stopped");
    assert_eq!(caller.hear(), "close 1000");
}
