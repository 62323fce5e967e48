//! A media thread allocates nothing and frees nothing while frames go in and out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use vivavoce_media::call::Limits;
use vivavoce_media::detector::Model;
use vivavoce_media::engine::{Config, Engine};
use vivavoce_media::reflex::{Policy, Settings as ReflexSettings};
use vivavoce_media::scheduling::Class;
use vivavoce_media::worker::Settings;

/// The thread that is watched; 0 before it is known.
static WATCHED: AtomicI32 = AtomicI32::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

struct Watching;

fn note() {
    let watched = WATCHED.load(Ordering::Relaxed);
    if watched != 0 && rustix::thread::gettid().as_raw_nonzero().get() == watched {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: everything is the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note();
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

struct Certain;

impl Model for Certain {
    fn run(&mut self, _: usize, _: &[f32], _: &mut [f32], out: &mut [f32]) -> Result<(), String> {
        out.fill(0.9);
        Ok(())
    }
}

fn media_thread() -> i32 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads are listed");
    tasks
        .filter_map(|task| task.ok())
        .find(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "media"))
        .and_then(|task| task.file_name().to_str()?.parse().ok())
        .expect("the worker runs")
}

fn framed(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend((text.len() as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.bytes());
    frame
}

#[test]
fn frames_pass_without_the_allocator() {
    let settings = Settings {
        limits: Limits::default(),
        reflex: ReflexSettings::default(),
        lead_us: 60_000,
        most_calls: 4,
        most_anonymous: 4,
        door_hz: 16_000,
        duck_db: -15.0,
        duck_ms: 10,
        class: Class::Default,
    };
    let config = Config {
        bind: ([127, 0, 0, 1], 0).into(),
        workers: 1,
        worker: settings,
        door_s: 2,
        events: 64,
    };
    let mut engine = Engine::start(&config, Some(Box::new(Certain))).expect("a port is free");
    let call = engine.expect(b"t", 60_000, Policy::Off, 100).expect("there is room");
    let mut socket = TcpStream::connect(engine.address()).expect("it listens");
    socket
        .write_all(b"GET /twilio HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .expect("it is taken");
    let start = r#"{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"t"}}}"#;
    socket.write_all(&framed(start)).expect("it is taken");
    while engine.started(call).is_none() {
        std::thread::yield_now();
    }
    engine
        .play(call, 1, &[3000; 8000 * 20], 8000, true)
        .expect("there is room");
    let media = framed(&format!(
        r#"{{"event":"media","streamSid":"MZ1","media":{{"track":"inbound","payload":"{}"}}}}"#,
        "gAAA".repeat(54)
    ));
    let mut heard = [0; 4096];
    let mut frames = |engine: &mut Engine, count: u64| {
        let mut out = 0;
        for _ in 0..count {
            socket.write_all(&media).expect("it is taken");
            // A message of ours is the clock: a frame in, a frame out.
            out += socket.read(&mut heard).expect("it speaks");
            engine.want(call);
            engine.sounds(|_| ());
            engine.reports(|_| ());
            engine.taken(call);
        }
        out
    };
    frames(&mut engine, 20);
    WATCHED.store(media_thread(), Ordering::Relaxed);
    assert!(frames(&mut engine, 50) > 50 * 200);
    WATCHED.store(0, Ordering::Relaxed);
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);
}
