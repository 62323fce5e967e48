//! A media thread: it owns its calls' sockets and does, each millisecond, all that is due.
//!
//! Sleeping to the next millisecond and then serving every socket that has something costs a third of what waking for each
//! packet does. A frame path takes no lock and allocates nothing. A fault in a call's code ends that call alone.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::epoll;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::call::{Call, Event, Listener, Reason};
use crate::connection::Connection;
use crate::detector::Answer;
use crate::door::{CallId, Command, Happening};
use crate::office::{Clerk, NOBODY, Office};
pub use crate::office::{Settings, Ways};
use crate::playout::{FRAME_US, Fate};
use crate::queue::chunks::Chunk;
use crate::scheduling;
use crate::stats::thread_cpu_ns;
use crate::wire::frame::LONGEST_HEADER;

const TICK_NS: i64 = 1_000_000;
/// A tick is followed by a rest of this part of its length at least: the real-time class takes a core whole otherwise.
const REST: i64 = 10;
/// Events of sockets that are taken at once.
const MOST_EVENTS: usize = 1024;
/// Bytes that are taken of a connection in one tick: a second and a half of telephone sound.
const MOST_BYTES: usize = 16 * 1024;
/// Left to itself the system would hold a minute of sound for a peer that does not read, and nobody would know.
const SEND_BUFFER: usize = 32 * 1024;
/// What epoll calls the listening socket.
const LISTENER: u64 = u64::MAX;
/// CPU time is noted every so many ticks.
const NOTE_TICKS: u64 = 128;

/// The thread's whole state.
pub struct Worker {
    office: Office,
    epoll: rustix::fd::OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<u32>,
    /// When each connection is due.
    due: Vec<u64>,
    buffer: Vec<u8>,
    out: Vec<u8>,
    ticks: u64,
    stopping: bool,
}

impl Worker {
    /// # Errors
    ///
    /// Where the system has no more descriptors, or the socket cannot be listened to.
    pub fn new(index: usize, settings: Settings, ways: Ways, places: usize, begun: Instant) -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        ways.listener.set_nonblocking(true)?;
        epoll::add(
            &epoll,
            &ways.listener,
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )?;
        let most = settings.most_calls + settings.most_anonymous;
        Ok(Self {
            office: Office::new(index, settings, ways, places, begun),
            epoll,
            connections: (0..most).map(|_| None).collect(),
            free: (0..most as u32).rev().collect(),
            due: vec![u64::MAX; most],
            buffer: vec![0; settings.limits.message + LONGEST_HEADER + MOST_BYTES],
            out: Vec::with_capacity(64 * 1024),
            ticks: 0,
            stopping: false,
        })
    }

    /// Work until told to stop.
    pub fn run(mut self) {
        let class = scheduling::ask(self.office.settings.class);
        self.office.ways.stats.class.store(class as u8, Ordering::Relaxed);
        // Made here: epoll's events hold pointers for some, and do not go from thread to thread.
        let mut ready = Vec::with_capacity(MOST_EVENTS);
        let mut next = clock_gettime(ClockId::Monotonic);
        while !self.stopping {
            let began = clock_gettime(ClockId::Monotonic);
            self.tick(&mut ready);
            let now = clock_gettime(ClockId::Monotonic);
            // However much there is to do, who shares the core is let to work, too.
            let rest = after(now, span_ns(began, now) / REST);
            next = later(after(next, TICK_NS), rest);
            // An early return does no harm: the next sleep is to an absolute time again.
            let _ = clock_nanosleep_absolute(ClockId::Monotonic, &next);
        }
        for index in 0..self.connections.len() {
            self.with(index, |call, listener, out| call.hang_up(listener, out));
        }
    }

    /// Do all that is due now.
    fn tick(&mut self, ready: &mut Vec<epoll::Event>) {
        self.office.look_at_the_clock();
        while let Ok(command) = self.office.ways.commands.pop() {
            self.obey(command);
        }
        while let Ok(answer) = self.office.ways.answers.pop() {
            self.judge(answer);
        }
        self.serve_sockets(ready);
        for index in 0..self.due.len() {
            if self.due[index] <= self.office.now_us {
                self.serve_time(index);
            }
        }
        self.ticks += 1;
        if self.ticks % NOTE_TICKS == 0 {
            self.office.ways.stats.cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
        }
    }

    fn obey(&mut self, command: Command) {
        let now_us = self.office.now_us;
        match command {
            Command::Expect(ticket) => self.office.expect(ticket),
            Command::Stop => self.stopping = true,
            Command::Play { call, epoch, chunk } => match self.find(call) {
                Some(index) => self.play(index, epoch, chunk),
                None => self.office.give_back(chunk),
            },
            Command::Mark { call, name, epoch } => self.with_call(call, |call, listener, _| {
                if call.mark(name, epoch).is_err() {
                    let fate = Fate::Cleared;
                    listener.event(Event::Mark { name, fate });
                }
            }),
            Command::Clear { call } => self.with_call(call, |call, listener, out| {
                let heard = call.heard_of_epoch(now_us);
                if let Some(dropped) = call.clear(now_us, out) {
                    listener.consumed(dropped.samples);
                    listener.tell(Happening::Cleared {
                        dropped: dropped.samples,
                        heard,
                    });
                }
            }),
            Command::Policy { call, policy } => self.with_call(call, |_, listener, _| {
                if let Some(hearing) = listener.hearing() {
                    hearing.set_policy(policy);
                }
            }),
            Command::Confirm { call } => self.with_call(call, |_, listener, _| {
                if let Some(hearing) = listener.hearing() {
                    hearing.confirm();
                }
            }),
            Command::HangUp { call } => self.with_call(call, |call, listener, out| call.hang_up(listener, out)),
        }
    }

    fn play(&mut self, index: usize, epoch: u32, chunk: Chunk) {
        let now_us = self.office.now_us;
        let count = chunk.len() as u64;
        let mut unplayed = None;
        self.with(index, |call, listener, _| match call.play(epoch, chunk, now_us) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => listener.consumed(count),
            Err(chunk) => {
                listener.consumed(count);
                unplayed = Some(chunk);
            }
        });
        if let Some(chunk) = unplayed {
            self.office.give_back(chunk);
        }
    }

    fn judge(&mut self, answer: Answer) {
        let now_us = self.office.now_us;
        self.office
            .ways
            .stats
            .wait_us
            .note(now_us.saturating_sub(answer.asked_us));
        self.with_call(answer.call, |call, listener, _| {
            let playing = call.is_playing(now_us);
            if let Some(hearing) = listener.hearing() {
                hearing.judge(answer.at, answer.probability, playing);
            }
        });
    }

    fn serve_sockets(&mut self, ready: &mut Vec<epoll::Event>) {
        ready.clear();
        let room = rustix::buffer::spare_capacity(ready);
        // Interrupted or not, what is ready now is ready in the next millisecond, too.
        if epoll::wait(&self.epoll, room, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_err() {
            return;
        }
        for epoll::Event { data, flags } in ready.iter().copied() {
            match data.u64() {
                LISTENER => self.accept(),
                index => {
                    if flags.contains(epoll::EventFlags::OUT) {
                        self.with(index as usize, |_, _, _| ());
                    }
                    if !flags.difference(epoll::EventFlags::OUT).is_empty() {
                        self.read(index as usize);
                    }
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.office.ways.listener.accept() {
            let stats = &self.office.ways.stats;
            let full = stats.anonymous.load(Ordering::Relaxed) as usize >= self.office.settings.most_anonymous;
            let index = if full { None } else { self.free.pop() };
            let Some(index) = index else {
                stats.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let ready = socket
                .set_nonblocking(true)
                .and_then(|()| socket.set_nodelay(true))
                .and_then(|()| Ok(rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?));
            let data = epoll::EventData::new_u64(u64::from(index));
            let watched = ready.and_then(|()| Ok(epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?));
            if watched.is_err() {
                self.free.push(index);
                continue;
            }
            stats.anonymous.fetch_add(1, Ordering::Relaxed);
            let call = Call::new(
                self.office.settings.limits,
                self.office.settings.lead_us,
                self.office.now_us,
            );
            self.due[index as usize] = call.due_us();
            self.connections[index as usize] = Some(Connection::new(socket, call));
        }
    }

    /// Take what a peer sent.
    fn read(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else {
            return;
        };
        let kept = connection.inbox.len();
        self.buffer[..kept].copy_from_slice(&connection.inbox);
        let most = (kept + MOST_BYTES).min(self.buffer.len());
        let got = match connection.socket.read(&mut self.buffer[kept..most]) {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => None,
        };
        let now_us = self.office.look_at_the_clock();
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut used = 0;
        self.with(index, |call, listener, out| match got {
            Some(count) => used = call.receive(&mut buffer[..kept + count], now_us, listener, out),
            None => call.lost(listener),
        });
        if let (Some(connection), Some(count)) = (&mut self.connections[index], got) {
            connection.inbox.clear();
            connection.inbox.extend_from_slice(&buffer[used..kept + count]);
        }
        self.buffer = buffer;
    }

    fn serve_time(&mut self, index: usize) {
        // A tick is long when much is due: what leaves at its end is so much later.
        let now_us = self.office.look_at_the_clock();
        let from_us = self.connections[index].as_ref().and_then(|them| them.blocked_from_us);
        let blocked_us = from_us.map(|from_us| now_us - from_us);
        self.with(index, |call, listener, out| {
            call.tick(now_us, blocked_us, listener, out);
        });
    }

    fn find(&self, call: CallId) -> Option<usize> {
        let index = *self.office.places.get(call.place())?;
        let guest = self.connections.get(index as usize)?.as_ref()?.guest.as_ref()?;
        (guest.ticket.id == call).then_some(index as usize)
    }

    fn with_call(&mut self, call: CallId, work: impl FnOnce(&mut Call, &mut Clerk<'_>, &mut Vec<u8>)) {
        if let Some(index) = self.find(call) {
            self.with(index, work);
        }
    }

    /// Let something happen to a connection, and do what follows from it: acts, bytes to send, its end.
    fn with(&mut self, index: usize, work: impl FnOnce(&mut Call, &mut Clerk<'_>, &mut Vec<u8>)) {
        let Some(connection) = &mut self.connections[index] else {
            return;
        };
        self.out.clear();
        let (office, out) = (&mut self.office, &mut self.out);
        let now_us = office.now_us;
        // What a fault leaves half done belongs to the call, which ends with it.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let Connection { call, guest, .. } = &mut *connection;
            if let Some(guest) = guest {
                guest.playing = call.is_playing(now_us);
            }
            let mut clerk = Clerk::new(office, guest, index);
            work(call, &mut clerk, out);
            if !call.is_over() {
                clerk.act(call, out);
            }
            if clerk.unheard {
                call.give_up(Reason::Unheard, &mut clerk, out);
            }
            while let Some(chunk) = call.spent() {
                clerk.give_back(chunk);
            }
            clerk.cleared
        }));
        if done.is_err() {
            self.office.ways.stats.panics.fetch_add(1, Ordering::Relaxed);
            let mut clerk = Clerk::new(&mut self.office, &mut connection.guest, index);
            connection.call.give_up(Reason::Broken, &mut clerk, &mut self.out);
        }
        self.due[index] = connection.call.due_us();
        let sent = connection.send(&self.out);
        if connection.unsent() > self.office.settings.limits.unsent {
            let mut clerk = Clerk::new(&mut self.office, &mut connection.guest, index);
            connection.call.give_up(Reason::SlowReader, &mut clerk, &mut self.out);
        }
        let over = connection.call.is_over();
        if done.unwrap_or(false) {
            let now_us = self.office.begun.elapsed().as_micros() as u64;
            self.office
                .ways
                .stats
                .clear_us
                .note(now_us.saturating_sub(self.office.now_us));
        }
        if over || sent.is_err() {
            self.part(index);
        } else if let Some(connection) = &mut self.connections[index] {
            connection.watch(&self.epoll, index, self.office.now_us);
            if connection.blocked_from_us.is_some() {
                // Epoll tells when it takes some: until then there is only the time to look at.
                self.due[index] = now_us + FRAME_US;
            }
        }
    }

    /// Close a connection and forget it.
    fn part(&mut self, index: usize) {
        let Some(mut connection) = self.connections[index].take() else {
            return;
        };
        let mut clerk = Clerk::new(&mut self.office, &mut connection.guest, index);
        connection.call.lost(&mut clerk);
        while let Some(chunk) = connection.call.spent() {
            clerk.give_back(chunk);
        }
        let _ = connection.socket.shutdown(Shutdown::Write);
        match &connection.guest {
            Some(guest) => self.office.places[guest.ticket.id.place()] = NOBODY,
            None => {
                self.office.ways.stats.anonymous.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.due[index] = u64::MAX;
        self.free.push(index as u32);
    }
}

fn later(one: Timespec, other: Timespec) -> Timespec {
    if (one.tv_sec, one.tv_nsec) < (other.tv_sec, other.tv_nsec) {
        other
    } else {
        one
    }
}

fn span_ns(from: Timespec, to: Timespec) -> i64 {
    (to.tv_sec - from.tv_sec) * 1_000_000_000 + to.tv_nsec - from.tv_nsec
}

fn after(time: Timespec, ns: i64) -> Timespec {
    let sum = time.tv_nsec + ns;
    Timespec {
        tv_sec: time.tv_sec + sum / 1_000_000_000,
        tv_nsec: sum % 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use super::*;
    use crate::call::Limits;
    use crate::door::number;
    use crate::engine::{Config, Engine};
    use crate::reflex::{Policy, Settings as ReflexSettings};
    use crate::scheduling::Class;

    /// A connection to `path` that has shown `token`.
    fn dial(engine: &Engine, path: &str, token: &str) -> TcpStream {
        let mut socket = TcpStream::connect(engine.address()).expect("it listens");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).expect("it is taken");
        let start = format!(
            r#"{{"event":"start","start":{{"streamSid":"MZ1","callSid":"CA2","mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000}},"customParameters":{{"token":"{token}"}}}},"streamSid":"MZ1"}}"#
        );
        say(&mut socket, &start);
        socket
    }

    fn say(socket: &mut TcpStream, text: &str) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend((text.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.bytes());
        socket.write_all(&frame).expect("it is taken");
    }

    #[test]
    fn a_fault_of_ours_ends_one_call() {
        let settings = Settings {
            limits: Limits::default(),
            reflex: ReflexSettings::default(),
            lead_us: 60_000,
            most_calls: 4,
            most_anonymous: 4,
            door_hz: 8000,
            duck_db: -15.0,
            duck_ms: 10,
            class: Class::Default,
        };
        let config = Config {
            bind: ([127, 0, 0, 1], 0).into(),
            workers: 1,
            worker: settings,
            door_s: 2,
            events: 8,
        };
        let mut engine = Engine::start(&config, None).expect("a port is free");
        let [broken, sound] = ["a", "b"].map(|token| {
            engine
                .expect(token.as_bytes(), 60_000, Policy::Off, 100)
                .expect("there is room")
        });
        let mut breaking = dial(&engine, "/broken", "a");
        let mut lasting = dial(&engine, "/twilio", "b");
        let mut told = vec![];
        let mut wait = |engine: &mut Engine, wanted: (CallId, Happening)| {
            while !told.contains(&wanted) {
                engine.reports(|report| told.push((report.call, report.happening)));
                std::thread::yield_now();
            }
        };
        wait(&mut engine, (broken, Happening::Started));
        wait(&mut engine, (sound, Happening::Started));
        say(
            &mut breaking,
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"panic"}}"#,
        );
        wait(&mut engine, (broken, Happening::Closed(number(Reason::Broken))));
        say(
            &mut lasting,
            r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"3"}}"#,
        );
        wait(&mut engine, (sound, Happening::Dtmf('3')));
        assert_eq!(
            engine
                .workers()
                .map(|worker| worker.panics.load(Ordering::Relaxed))
                .sum::<u64>(),
            1
        );
    }
}
