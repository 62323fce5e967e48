//! What the calls of one worker have in common, and what is done about that which they tell.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::admission::Admission;
use crate::call::{Call, Event, Limits, Listener};
use crate::detector::{Answer, Question};
use crate::door::{Command, Happening, Progress, Started, Ticket, Upwards, number};
use crate::hearing::Hearing;
use crate::jitter::Jitter;
use crate::playout::{FRAME_US, Sent};
use crate::queue::chunks::Chunk;
use crate::reflex::{Act, Settings as ReflexSettings};
use crate::scheduling::Class;
use crate::stats::WorkerStats;

/// No connection has this index.
pub(crate) const NOBODY: u32 = u32::MAX;

/// What a worker goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub limits: Limits,
    pub reflex: ReflexSettings,
    /// How far ahead of real time we speak.
    pub lead_us: u64,
    /// Calls of all workers, and connections of each that have not shown a token yet.
    pub most_calls: usize,
    pub most_anonymous: usize,
    /// The rate of what callers say at the door.
    pub door_hz: u32,
    /// How far the agent is ducked, and how fast.
    pub duck_db: f32,
    pub duck_ms: u32,
    /// What the kernel is asked for.
    pub class: Class,
}

/// What a worker is connected to.
pub struct Ways {
    pub listener: TcpListener,
    pub commands: rtrb::Consumer<Command>,
    /// Speech that is used up, to be freed by whoever made it.
    pub spent: rtrb::Producer<Chunk>,
    /// None without a detector.
    pub questions: Option<rtrb::Producer<Question>>,
    pub answers: rtrb::Consumer<Answer>,
    pub upwards: Arc<Upwards>,
    pub stats: Arc<WorkerStats>,
}

/// Who is at the other end of an admitted connection.
pub(crate) struct Guest {
    pub ticket: Arc<Ticket>,
    pub hearing: Option<Hearing>,
    pub jitter: Jitter,
    pub playing: bool,
}

/// What calls have in common; a connection's listener works on it.
pub(crate) struct Office {
    index: usize,
    pub settings: Settings,
    pub ways: Ways,
    admission: Admission<Arc<Ticket>>,
    /// The connection of each place.
    pub places: Vec<u32>,
    pub begun: Instant,
    pub now_us: u64,
}

impl Office {
    pub fn new(index: usize, settings: Settings, ways: Ways, places: usize, begun: Instant) -> Self {
        let (admission, places) = (Admission::new(places), vec![NOBODY; places]);
        Self {
            index,
            settings,
            ways,
            admission,
            places,
            begun,
            now_us: 0,
        }
    }

    /// Microseconds since the engine began; the time of what happens now.
    pub fn look_at_the_clock(&mut self) -> u64 {
        self.now_us = self.begun.elapsed().as_micros() as u64;
        self.now_us
    }

    pub fn expect(&mut self, ticket: Arc<Ticket>) {
        let (token, until_us) = (ticket.token.clone(), ticket.until_us);
        self.admission.retain(|other| !other.is_claimed());
        // The door has looked at the token already.
        let _ = self.admission.expect(&token, until_us, ticket, self.now_us);
    }

    pub fn give_back(&mut self, chunk: Chunk) {
        // The door hands out no more chunks than find room here.
        let _ = self.ways.spent.push(chunk);
    }
}

/// What a connection tells, and what is done about it.
pub(crate) struct Clerk<'a> {
    office: &'a mut Office,
    guest: &'a mut Option<Guest>,
    index: u32,
    /// There was no room for what it told.
    pub unheard: bool,
    /// The reflex cleared what we were saying.
    pub cleared: bool,
}

impl<'a> Clerk<'a> {
    pub fn new(office: &'a mut Office, guest: &'a mut Option<Guest>, index: usize) -> Self {
        Self {
            office,
            guest,
            index: index as u32,
            unheard: false,
            cleared: false,
        }
    }

    pub fn hearing(&mut self) -> Option<&mut Hearing> {
        self.guest.as_mut()?.hearing.as_mut()
    }

    fn progress(&self) -> Option<&Progress> {
        Some(&*self.guest.as_ref()?.ticket.progress)
    }

    pub fn give_back(&mut self, chunk: Chunk) {
        if let Some(progress) = self.progress() {
            progress.spent.fetch_add(1, Ordering::Release);
        }
        self.office.give_back(chunk);
    }

    pub fn consumed(&self, samples: u64) {
        if let Some(progress) = self.progress() {
            progress.consumed.fetch_add(samples, Ordering::Release);
        }
    }

    pub fn tell(&mut self, happening: Happening) {
        let Some(guest) = &self.guest else { return };
        let Office { ways, now_us, .. } = &*self.office;
        if !ways
            .upwards
            .tell(guest.ticket.id, &guest.ticket.progress, happening, *now_us)
        {
            self.unheard = true;
        }
    }

    /// Do what the reflex decided.
    pub fn act(&mut self, call: &mut Call, out: &mut Vec<u8>) {
        while let Some(act) = self.hearing().and_then(Hearing::next_act) {
            let now_us = self.office.now_us;
            let Settings { duck_db, duck_ms, .. } = self.office.settings;
            match act {
                Act::SpeechStart { at_ms } => self.tell(Happening::SpeechStart { at_ms }),
                Act::SpeechPause { at_ms } => self.tell(Happening::SpeechPause { at_ms }),
                Act::SpeechResume { at_ms } => self.tell(Happening::SpeechResume { at_ms }),
                Act::SpeechEnd { at_ms } => self.tell(Happening::SpeechEnd { at_ms }),
                Act::Duck => {
                    call.fade(duck_db, duck_ms);
                    self.tell(Happening::Ducked);
                }
                Act::Restore => {
                    call.fade(0.0, duck_ms);
                    self.tell(Happening::Refuted);
                }
                Act::Clear => {
                    let heard = call.heard_of_epoch(now_us);
                    if let Some(dropped) = call.clear(now_us, out) {
                        self.consumed(dropped.samples);
                        self.tell(Happening::Confirmed {
                            dropped: dropped.samples,
                            heard,
                        });
                        self.cleared = true;
                    }
                }
            }
        }
    }

    /// A guest who may be heard from now on; None where the wire's rate is none of ours.
    fn welcome(&mut self, started: Started) -> Option<()> {
        let Settings { door_hz, reflex, .. } = self.office.settings;
        let guest = self.guest.as_mut()?;
        let hearing = Hearing::new(
            guest.ticket.sound()?,
            started.rate_hz,
            door_hz,
            guest.ticket.policy,
            reflex,
        )
        .ok()?;
        guest.hearing = Some(hearing);
        guest.ticket.progress.started.set(started).ok()
    }
}

impl Listener for Clerk<'_> {
    fn admit(&mut self, token: &str) -> bool {
        let stats = &self.office.ways.stats;
        let Some(ticket) = self.office.admission.admit(token.as_bytes(), self.office.now_us) else {
            return false;
        };
        if !ticket.claim() {
            return false;
        }
        stats.calls.fetch_add(1, Ordering::Relaxed);
        stats.anonymous.fetch_sub(1, Ordering::Relaxed);
        self.office.places[ticket.id.place()] = self.index;
        *self.guest = Some(Guest {
            ticket,
            hearing: None,
            jitter: Jitter::default(),
            playing: false,
        });
        true
    }

    fn arrived(&mut self, sent_us: u64) {
        if let Some(guest) = &mut *self.guest {
            guest.jitter.note(sent_us, self.office.now_us);
        }
    }

    fn sound(&mut self, samples: &[i16]) {
        let Office { ways, now_us, .. } = &mut *self.office;
        let Some(Guest {
            ticket,
            hearing: Some(hearing),
            playing,
            ..
        }) = self.guest
        else {
            return;
        };
        let (call, asked_us) = (ticket.id, *now_us);
        hearing.hear(samples, *playing, &mut |ask| {
            let Some(questions) = &mut ways.questions else {
                return false;
            };
            let ask = *ask;
            let asked = questions.push(Question { call, ask, asked_us }).is_ok();
            if !asked {
                ways.stats.unasked.fetch_add(1, Ordering::Relaxed);
            }
            asked
        });
        ways.stats.frames_in.fetch_add(1, Ordering::Relaxed);
        let lost = hearing.take_lost();
        if lost > 0 {
            ticket.progress.lost.fetch_add(1, Ordering::Relaxed);
            ways.stats.frames_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn played(&mut self, samples: &[i16], sent: Sent) {
        let stats = &self.office.ways.stats;
        stats.frames_out.fetch_add(1, Ordering::Relaxed);
        stats.late_us.note(sent.late_us);
        stats.ahead_us.note(sent.ahead_us);
        if sent.late_us > FRAME_US {
            stats.frames_late.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(hearing) = self.hearing() {
            hearing.note_played(samples);
        }
        self.consumed(sent.samples as u64);
        if sent.gap_us > 0 {
            self.tell(Happening::Underrun { gap_us: sent.gap_us });
        }
    }

    fn event(&mut self, event: Event<'_>) {
        let happening = match event {
            Event::Started {
                rate_hz,
                stream,
                call,
                parameters,
                codec,
            } => {
                let started = Started {
                    worker: self.office.index,
                    rate_hz,
                    stream: stream.to_owned(),
                    call: call.to_owned(),
                    parameters: parameters.to_owned(),
                    codec,
                };
                if self.welcome(started).is_none() {
                    return;
                }
                Happening::Started
            }
            Event::Mark { name, fate } => Happening::Mark { name, fate },
            Event::Dtmf(digit) => Happening::Dtmf(digit),
            Event::Closed(reason) => {
                if let Some(guest) = &self.guest {
                    self.office.ways.stats.calls.fetch_sub(1, Ordering::Relaxed);
                    if let Some(arrivals) = guest.jitter.arrivals() {
                        // A call ends once.
                        let _ = guest.ticket.progress.arrivals.set(arrivals);
                    }
                }
                Happening::Closed(number(reason))
            }
        };
        self.tell(happening);
    }
}
