//! The engine: it starts the plane's threads, and is the one place from which calls are spoken to and heard.
//!
//! One thread at a time holds an engine. Nothing here waits: what finds no room is not taken, and asked again later.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::admission::{self, Unfit};
use crate::audio::resample::{Resampler, UnsupportedRatio};
use crate::call::Reason;
use crate::detector::{Desk, Detector, Model};
use crate::door::{CallId, Command, EXPIRED, Happening, MOST_PLACES, STOPPED, Started, Ticket, Upwards, number};
use crate::jitter::Arrivals;
use crate::lane::Lane;
use crate::party::Party;
pub use crate::party::Sound;
use crate::playout::Settings as PlayoutSettings;
use crate::reflex::Policy;
use crate::stats::{DetectorStats, Histogram, WorkerStats};
use crate::worker::{Settings, Ways, Worker};

/// How an engine is made.
pub struct Config {
    /// Where it listens; port 0 for any.
    pub bind: SocketAddr,
    pub workers: usize,
    pub worker: Settings,
    /// Seconds of a caller's sound that may wait at the door.
    pub door_s: usize,
    /// Events of a call that may wait at the door.
    pub events: u32,
}

/// Why a call could not be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nobody knows it, or it is over.
    Unknown,
    /// It was expected and has not begun.
    NotStarted,
}

/// Why speech was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplayed {
    Absent(Absent),
    /// There is no room now, and none sooner than this unless something is cleared.
    Full {
        wait_ms: u64,
    },
    /// More than can ever wait.
    TooLong,
    Rate(UnsupportedRatio),
}

/// Whether a place was made for a piece of speech is worth asking after a frame.
const SOON_MS: u64 = 20;
/// Commands that may wait for a worker.
const COMMANDS: usize = 4096;
/// Windows that may wait for the detector: two of each call that speaks.
const QUESTIONS: usize = 2048;

/// What the door was told.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub call: CallId,
    pub happening: Happening,
    pub at_us: u64,
}

/// The running plane.
pub struct Engine {
    begun: Instant,
    address: SocketAddr,
    upwards: Arc<Upwards>,
    lanes: Vec<Lane>,
    listening: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    parties: Vec<Option<Party>>,
    free: Vec<u16>,
    turns: Vec<u16>,
    /// Calls that we hung up before they came.
    withdrawn: Vec<CallId>,
    door_hz: u32,
    door_s: usize,
    detector: Arc<DetectorStats>,
    age_us: Histogram,
}

impl Engine {
    /// Start listening. Without a model nobody is heard to speak.
    ///
    /// # Errors
    ///
    /// Where the address cannot be bound, or the system has no more threads or descriptors.
    ///
    /// # Panics
    ///
    /// With more calls than there are numbers for, or without workers.
    pub fn start(config: &Config, model: Option<Box<dyn Model>>) -> io::Result<Self> {
        let places = config.worker.most_calls;
        assert!(
            (1..=MOST_PLACES).contains(&places) && config.workers > 0,
            "a worker, and between one call and {MOST_PLACES}"
        );
        let begun = Instant::now();
        let listener = TcpListener::bind(config.bind)?;
        let address = listener.local_addr()?;
        let upwards = Arc::new(Upwards::new(places, config.events)?);
        let (mut lanes, mut desks, mut workers) = (vec![], vec![], vec![]);
        for index in 0..config.workers {
            let (commands, orders) = rtrb::RingBuffer::new(COMMANDS);
            let (used, spent) = rtrb::RingBuffer::new(places * PlayoutSettings::default().chunks);
            let (ask, questions) = rtrb::RingBuffer::new(QUESTIONS);
            let (answer, answers) = rtrb::RingBuffer::new(QUESTIONS);
            let stats = Arc::<WorkerStats>::default();
            let ways = Ways {
                listener: listener.try_clone()?,
                commands: orders,
                spent: used,
                questions: model.is_some().then_some(ask),
                answers,
                upwards: Arc::clone(&upwards),
                stats: Arc::clone(&stats),
            };
            workers.push(Worker::new(index, config.worker, ways, places, begun)?);
            desks.push(Desk {
                questions,
                answers: answer,
            });
            lanes.push(Lane::new(commands, spent, stats));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let detector = Arc::<DetectorStats>::default();
        let mut engine = Self {
            begun,
            address,
            upwards,
            lanes,
            listening: None,
            stop: Arc::clone(&stop),
            parties: (0..places).map(|_| None).collect(),
            free: (0..places as u32).rev().map(|place| place as u16).collect(),
            turns: vec![0; places],
            withdrawn: vec![],
            door_hz: config.worker.door_hz,
            door_s: config.door_s,
            detector: Arc::clone(&detector),
            age_us: Histogram::default(),
        };
        for (lane, worker) in engine.lanes.iter_mut().zip(workers) {
            let thread = std::thread::Builder::new().name("media".to_owned());
            lane.thread = Some(thread.spawn(move || worker.run())?);
        }
        if let Some(model) = model {
            let listening = Detector::new(model, desks, places, detector);
            let thread = std::thread::Builder::new().name("media-voices".to_owned());
            engine.listening = Some(thread.spawn(move || listening.run(&stop))?);
        }
        Ok(engine)
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Readable when something of consequence happened.
    #[must_use]
    pub fn upwards(&self) -> &Upwards {
        &self.upwards
    }

    /// Let in whoever shows `token` within `ttl_ms`, once. What the caller says comes in pieces of `piece_ms`.
    ///
    /// # Errors
    ///
    /// What is wrong with the token, or that there are too many calls.
    pub fn expect(&mut self, token: &[u8], ttl_ms: u64, policy: Policy, piece_ms: u32) -> Result<CallId, Unfit> {
        admission::fit(token)?;
        if self.parties.iter().flatten().any(|party| *party.ticket.token == *token) {
            return Err(Unfit::Known);
        }
        if self.lanes.iter().any(|lane| !lane.has_room()) {
            return Err(Unfit::Full);
        }
        let place = self.free.pop().ok_or(Unfit::Full)?;
        let turn = self.turns[usize::from(place)].wrapping_add(1);
        self.turns[usize::from(place)] = turn;
        let id = CallId::new(place, turn);
        let (producer, sound) = rtrb::RingBuffer::new(self.door_hz as usize * self.door_s);
        let ticket = Arc::new(Ticket::new(id, token, self.now_us() + 1000 * ttl_ms, policy, producer));
        for lane in &mut self.lanes {
            lane.send(Command::Expect(Arc::clone(&ticket)));
        }
        let piece = (self.door_hz / 1000 * piece_ms) as usize;
        self.parties[usize::from(place)] = Some(Party::new(ticket, sound, piece));
        Ok(id)
    }

    /// Speak: samples of an epoch at `rate_hz`. `last` ends the epoch, so that its very end is heard.
    ///
    /// # Errors
    ///
    /// `Full` where there is no room now; then nothing was taken.
    pub fn play(
        &mut self,
        call: CallId,
        epoch: u32,
        samples: &[i16],
        rate_hz: u32,
        last: bool,
    ) -> Result<(), Unplayed> {
        let (party, lane) = self.speak_to(call).map_err(Unplayed::Absent)?;
        let Some(started) = party.ticket.progress.started.get() else {
            return Err(Unplayed::Absent(Absent::NotStarted));
        };
        let settings = PlayoutSettings::default();
        let room = u64::from(started.rate_hz) * u64::from(settings.queue_s);
        let (waiting, mut placed) = (party.waiting(), party.has_room());
        if !matches!(party.speech, Some((of, rate, _)) if of == epoch && rate == rate_hz) {
            let resampler = Resampler::new(rate_hz, started.rate_hz).map_err(Unplayed::Rate)?;
            party.speech = Some((epoch, rate_hz, resampler));
        }
        let Some((_, _, resampler)) = &mut party.speech else {
            return Err(Unplayed::Full { wait_ms: SOON_MS });
        };
        let count = resampler.max_output(samples.len() + if last { resampler.look_ahead() } else { 0 });
        if count as u64 > room {
            return Err(Unplayed::TooLong);
        }
        lane.reclaim();
        placed &= lane.has_room_for_speech();
        let over = (waiting + count as u64).saturating_sub(room);
        if over > 0 || !placed {
            let drained_ms = (1000 * over).div_ceil(u64::from(started.rate_hz));
            let wait_ms = drained_ms.max(SOON_MS);
            return Err(Unplayed::Full { wait_ms });
        }
        let mut chunk = Vec::with_capacity(count);
        resampler.push(samples, &mut chunk);
        if last {
            resampler.flush(&mut chunk);
            party.speech = None;
        }
        if !chunk.is_empty() {
            party.note_given(epoch, chunk.len());
            lane.play(call, epoch, chunk.into_boxed_slice());
        }
        Ok(())
    }

    /// Ask to be told when all that was played so far was heard; false where too many marks or commands wait.
    ///
    /// # Errors
    ///
    /// Where the call is not there.
    pub fn mark(&mut self, call: CallId, name: u32) -> Result<bool, Absent> {
        let (party, lane) = self.speak_to(call)?;
        if !lane.has_room() {
            return Ok(false);
        }
        Ok(party
            .mark()
            .is_some_and(|epoch| lane.send(Command::Mark { call, name, epoch })))
    }

    /// Fall silent; false where there is no room for commands now.
    ///
    /// # Errors
    ///
    /// Where the call is not there.
    pub fn clear(&mut self, call: CallId) -> Result<bool, Absent> {
        let (party, lane) = self.speak_to(call)?;
        // What a filter holds back is cleared with the rest.
        party.speech = None;
        Ok(lane.send(Command::Clear { call }))
    }

    /// Change how the caller may interrupt; false where there is no room for commands now.
    ///
    /// # Errors
    ///
    /// Where the call is not there.
    pub fn set_policy(&mut self, call: CallId, policy: Policy) -> Result<bool, Absent> {
        Ok(self.speak_to(call)?.1.send(Command::Policy { call, policy }))
    }

    /// Say that what the caller says has meaning; false where there is no room for commands now.
    ///
    /// # Errors
    ///
    /// Where the call is not there.
    pub fn confirm(&mut self, call: CallId) -> Result<bool, Absent> {
        Ok(self.speak_to(call)?.1.send(Command::Confirm { call }))
    }

    /// End a call, or expect it no longer; false where there is no room for commands now.
    ///
    /// # Errors
    ///
    /// Where nobody knows the call.
    pub fn hang_up(&mut self, call: CallId) -> Result<bool, Absent> {
        let party = self.party(call).ok_or(Absent::Unknown)?;
        if party.ticket.claim() {
            self.withdrawn.push(call);
            self.upwards.ring();
            return Ok(true);
        }
        if self.lanes.iter().any(|lane| !lane.has_room()) {
            return Ok(false);
        }
        // The call may just have begun, and whose it is not be known yet.
        Ok(self.lanes.iter_mut().all(|lane| lane.send(Command::HangUp { call })))
    }

    /// Take all that happened, oldest first. A call stays until [`Self::forget`].
    pub fn reports(&mut self, mut each: impl FnMut(Report)) {
        self.upwards.hush();
        let now_us = self.now_us();
        while let Some((call, happening, at_us)) = self.upwards.take() {
            self.age_us.note(now_us.saturating_sub(at_us));
            if self.party(call).is_some_and(|party| party.note(happening)) {
                each(Report { call, happening, at_us });
            }
        }
        for (call, end) in self.ends(now_us) {
            let happening = Happening::Closed(end);
            if self.party(call).is_some_and(|party| party.note(happening)) {
                let at_us = now_us;
                each(Report { call, happening, at_us });
            }
        }
    }

    /// Ask for more of a caller's sound.
    pub fn want(&mut self, call: CallId) {
        if let Some(party) = self.party(call) {
            party.want();
        }
    }

    /// Take all whole pieces of the calls for which more was asked.
    pub fn sounds(&mut self, mut each: impl FnMut(Sound)) {
        for party in self.parties.iter_mut().flatten() {
            party.sounds(&mut each);
        }
    }

    /// The rest of a caller's sound, a piece at most; None for a call that is forgotten.
    pub fn rest(&mut self, call: CallId) -> Option<Sound> {
        Some(self.party(call)?.rest())
    }

    /// Make room for one more event of a call.
    pub fn taken(&mut self, call: CallId) {
        if let Some(party) = self.party(call) {
            let waiting = &party.progress().waiting;
            // One taken too often is none.
            let _ = waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        }
    }

    /// What the peer said of a call when it began.
    pub fn started(&mut self, call: CallId) -> Option<&Started> {
        self.party(call)?.ticket.progress.started.get()
    }

    /// How the packets of a call that is over came; None where no sound did.
    pub fn arrivals(&mut self, call: CallId) -> Option<Arrivals> {
        self.party(call)?.ticket.progress.arrivals.get().copied()
    }

    /// Let a call that is over go: its place is another's from now on.
    pub fn forget(&mut self, call: CallId) {
        if self.party(call).is_some() {
            self.parties[call.place()] = None;
            self.free.push(call.place() as u16);
        }
    }

    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// How long events waited at the door, in µs.
    #[must_use]
    pub const fn age_us(&self) -> &Histogram {
        &self.age_us
    }

    pub fn workers(&self) -> impl Iterator<Item = &WorkerStats> {
        self.lanes.iter().map(|lane| &*lane.stats)
    }

    /// Threads that are no more though nobody stopped them: a fault of ours, which a restart mends.
    #[must_use]
    pub fn threads_lost(&self) -> usize {
        let lanes = self.lanes.iter().filter(|lane| lane.has_ended()).count();
        let deaf = self.listening.as_ref().is_some_and(JoinHandle::is_finished);
        if self.stop.load(Ordering::Acquire) {
            0
        } else {
            lanes + usize::from(deaf)
        }
    }

    #[must_use]
    pub fn detector(&self) -> &DetectorStats {
        &self.detector
    }

    /// Hang up every call and end all threads. What happened before can still be taken.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for lane in &mut self.lanes {
            // The ring empties itself within a millisecond.
            while !lane.has_ended() && !lane.send(Command::Stop) {
                std::thread::yield_now();
            }
        }
        let threads = self
            .lanes
            .iter_mut()
            .map(|lane| lane.thread.take())
            .chain([self.listening.take()]);
        for thread in threads.collect::<Vec<_>>().into_iter().flatten() {
            // A thread that panicked has ended, too.
            let _ = thread.join();
        }
    }

    fn speak_to(&mut self, call: CallId) -> Result<(&mut Party, &mut Lane), Absent> {
        let party = known(&mut self.parties, call).ok_or(Absent::Unknown)?;
        let worker = party.worker().ok_or(Absent::NotStarted)?;
        Ok((party, &mut self.lanes[worker]))
    }

    fn party(&mut self, call: CallId) -> Option<&mut Party> {
        known(&mut self.parties, call)
    }

    /// Ends that no worker tells: of calls that were withdrawn or never came, and of those whose thread is no more.
    fn ends(&mut self, now_us: u64) -> Vec<(CallId, u32)> {
        let stopped = self.stop.load(Ordering::Acquire);
        let mut ends: Vec<_> = self
            .withdrawn
            .drain(..)
            .map(|call| (call, number(Reason::HungUp)))
            .collect();
        for party in self.parties.iter().flatten().filter(|party| !party.is_over()) {
            let ticket = &party.ticket;
            let lost = |worker: usize| !stopped && self.lanes[worker].has_ended();
            if party.worker().is_some_and(lost) {
                ends.push((ticket.id, number(Reason::Broken)));
            } else if stopped {
                // All threads have ended, and what they told was taken.
                ends.push((ticket.id, STOPPED.0));
            } else if now_us > ticket.until_us && party.worker().is_none() && ticket.claim() {
                ends.push((ticket.id, EXPIRED.0));
            }
        }
        ends
    }
}

fn known(parties: &mut [Option<Party>], call: CallId) -> Option<&mut Party> {
    parties
        .get_mut(call.place())?
        .as_mut()
        .filter(|party| party.ticket.id == call)
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
