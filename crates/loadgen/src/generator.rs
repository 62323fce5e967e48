//! Moves all callers at real time on one thread: each millisecond the callers whose frame is due, with open-loop deadlines.
//!
//! A frame is never skipped and never waits for an answer. How late the generator itself is goes into the report.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::caller::{Caller, Script};
use crate::faults::Fault;
use crate::report::Report;
use crate::wire::{self, Heard};

/// Callers are spread over so many phases of the 20 ms grid.
const PHASES: usize = 20;

/// How a run goes.
pub struct Plan {
    pub address: SocketAddr,
    pub path: String,
    pub calls: usize,
    /// Calls begun a second.
    pub calls_per_s: f64,
    pub warm_up_s: f64,
    pub seconds: f64,
    /// The token of call n is this and n.
    pub token: String,
    pub seed: u64,
    pub faults: Vec<Fault>,
}

struct Line {
    socket: TcpStream,
    caller: Caller,
    stream: String,
    fault: Option<Fault>,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Frames that a fault holds back.
    held: Vec<u8>,
    upgraded: bool,
    /// Marks that wait until their sound was heard.
    marks: Vec<(i64, Vec<u8>)>,
    frames: u64,
}

/// All callers of a run.
pub struct Generator {
    plan: Plan,
    script: Script,
    lines: Vec<Option<Line>>,
    epoll: rustix::fd::OwnedFd,
    begun: Instant,
    scratch: Vec<u8>,
    report: Report,
}

impl Generator {
    /// # Errors
    ///
    /// Where the system has no more descriptors.
    pub fn new(plan: Plan, script: Script) -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (scratch, report) = (Vec::new(), Report::default());
        Ok(Self {
            plan,
            script,
            lines: Vec::new(),
            epoll,
            begun: Instant::now(),
            scratch,
            report,
        })
    }

    /// Play the whole run; what it measured, and how many calls were there at its end.
    ///
    /// # Errors
    ///
    /// Where a connection is refused.
    pub fn run(mut self, scenario: &str, void_ms: f32) -> std::io::Result<String> {
        let ramp_us = (self.plan.calls as f64 / self.plan.calls_per_s * 1e6) as i64;
        let open_us = ramp_us + (self.plan.warm_up_s * 1e6) as i64;
        let close_us = open_us + (self.plan.seconds * 1e6) as i64;
        let (mut step, mut cpu_s, mut opened_us) = (0_i64, 0.0, 0);
        let start = clock_gettime(ClockId::Monotonic);
        self.begun = Instant::now();
        let mut ready = Vec::with_capacity(1024);
        loop {
            let now_us = self.now_us();
            if now_us >= close_us {
                break;
            }
            if !self.report.open && now_us >= open_us {
                (self.report.open, cpu_s, opened_us) = (true, cpu(), now_us);
            }
            while self.lines.len() < self.plan.calls
                && self.lines.len() as f64 <= now_us as f64 / 1e6 * self.plan.calls_per_s
            {
                self.connect()?;
            }
            self.listen(&mut ready);
            // Every phase that is due, in order, however late we are.
            while step * 1000 <= self.now_us() {
                let late_us = self.now_us() - step * 1000;
                self.report.tick_late.add(self.report.open, late_us);
                let mut index = (step % PHASES as i64) as usize;
                while index < self.lines.len() {
                    self.tick(index);
                    index += PHASES;
                }
                step += 1;
            }
            let ns = start.tv_nsec + step % 1000 * 1_000_000;
            let next = Timespec {
                tv_sec: start.tv_sec + step / 1000 + ns / 1_000_000_000,
                tv_nsec: ns % 1_000_000_000,
            };
            // An early return is made good by the deadlines above.
            let _ = clock_nanosleep_absolute(ClockId::Monotonic, &next);
        }
        let seconds = (self.now_us() - opened_us) as f64 / 1e6;
        let alive = self.lines.iter().flatten().count();
        let share = (cpu() - cpu_s) / seconds;
        for index in 0..self.lines.len() {
            if let Some(line) = &mut self.lines[index] {
                let stop = format!(r#"{{"event":"stop","streamSid":"{}"}}"#, line.stream);
                wire::text(stop.as_bytes(), &mut line.outbox);
                // The run is over: who does not take it does not need it.
                let _ = line.flush();
            }
        }
        std::thread::sleep(Duration::from_millis(200));
        Ok(self
            .report
            .json(scenario, self.plan.calls, alive, seconds, share, void_ms))
    }

    fn now_us(&self) -> i64 {
        self.begun.elapsed().as_micros() as i64
    }

    fn connect(&mut self) -> std::io::Result<()> {
        let index = self.lines.len();
        let socket = TcpStream::connect(self.plan.address)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let faults = &self.plan.faults;
        let fault = faults
            .get(index / 10 % faults.len().max(1))
            .copied()
            .filter(|_| index % 10 == 9);
        if fault.is_some_and(Fault::has_little_room) {
            // Otherwise our system would read for it.
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096)?;
        }
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
        let mut line = Line {
            socket,
            caller: Caller::new(self.plan.seed + index as u64),
            stream: format!("MZ{index:032x}"),
            fault,
            inbox: Vec::new(),
            outbox: wire::request(&self.plan.address.to_string(), &self.plan.path),
            held: Vec::new(),
            upgraded: false,
            marks: Vec::new(),
            frames: 0,
        };
        line.flush()?;
        self.lines.push(Some(line));
        Ok(())
    }

    /// Read what came.
    fn listen(&mut self, ready: &mut Vec<epoll::Event>) {
        ready.clear();
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Interrupted: what is ready is so a millisecond later, too.
        if epoll::wait(&self.epoll, rustix::buffer::spare_capacity(ready), Some(&none)).is_err() {
            return;
        }
        for event in ready.iter() {
            let index = event.data.u64() as usize;
            let now_us = self.now_us();
            let Some(line) = &mut self.lines[index] else { continue };
            if line.upgraded && line.fault.is_some_and(|fault| !fault.reads(line.frames)) {
                continue;
            }
            let token = format!("{}{index}", self.plan.token);
            if !line.read(&token, &self.script, now_us, &mut self.report) {
                self.report.count_always("disconnected");
                self.lines[index] = None;
            }
        }
    }

    fn tick(&mut self, index: usize) {
        let now_us = self.now_us();
        let Some(line) = &mut self.lines[index] else { return };
        if !line.upgraded {
            return;
        }
        let frame = line.caller.speak(&self.script, now_us, &mut self.report);
        line.frames += 1;
        let (n, fault) = (line.frames, line.fault);
        wire::media(n, &line.stream, &frame, &mut self.scratch, &mut line.outbox);
        self.report.frames_sent += u64::from(self.report.open);
        while line.marks.first().is_some_and(|(due_us, _)| *due_us <= now_us) {
            let (_, mark) = line.marks.remove(0);
            wire::text(&mark, &mut line.outbox);
        }
        let kept = match fault {
            Some(fault) => fault.disturb(n, &mut line.outbox, &mut line.held),
            None => true,
        };
        if !kept || line.flush().is_err() {
            self.report.count_always(if kept { "disconnected" } else { "left" });
            self.lines[index] = None;
        }
    }
}

impl Line {
    fn flush(&mut self) -> std::io::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Take what came; false where the server is gone.
    fn read(&mut self, token: &str, script: &Script, now_us: i64, report: &mut Report) -> bool {
        let mut buffer = [0; 32 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
            Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = self.inbox.windows(4).position(|part| part == b"\r\n\r\n") else {
                return true;
            };
            if !self.inbox.starts_with(b"HTTP/1.1 101") {
                return false;
            }
            self.upgraded = true;
            used = end + 4;
            wire::begin(&self.stream, token, &mut self.outbox);
        }
        while let Some((length, heard)) = wire::read(&self.inbox[used..]) {
            match heard {
                Heard::Media(payload) => self.caller.hear(script, payload, now_us, report),
                Heard::Clear => {
                    self.caller.clear(now_us, report);
                    for (due_us, _) in &mut self.marks {
                        *due_us = now_us;
                    }
                }
                Heard::Mark(message) => {
                    self.marks
                        .push((now_us + self.caller.waiting_us(now_us), message.to_vec()));
                }
                Heard::Ping(payload) => wire::pong(payload, &mut self.outbox),
                Heard::Close => return false,
                Heard::Other => {}
            }
            used += length;
        }
        self.inbox.drain(..used);
        self.flush().is_ok()
    }
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
