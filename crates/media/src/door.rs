//! What passes between the threads of the plane and whoever holds its engine.
//!
//! Commands go down through a ring for each worker; what happened comes up through one queue for all, sound through a ring
//! for each call. Room for a call's events is set aside; a call that uses it up is closed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use rustix::event::{EventfdFlags, eventfd};
use std::sync::Arc;

use crate::call::Reason;
use crate::jitter::Arrivals;
use crate::playout::Fate;
use crate::queue::chunks::Chunk;
use crate::queue::events::Events;
use crate::reflex::Policy;

/// A call's number. Its low half is the call's place, which a later call may have again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub u32);

/// Calls at most.
pub const MOST_PLACES: usize = 1 << 16;

impl CallId {
    #[must_use]
    pub const fn new(place: u16, turn: u16) -> Self {
        Self((turn as u32) << 16 | place as u32)
    }

    #[must_use]
    pub const fn place(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// What a worker is asked to do.
pub enum Command {
    Expect(Arc<Ticket>),
    Play {
        call: CallId,
        epoch: u32,
        chunk: Chunk,
    },
    Mark {
        call: CallId,
        name: u32,
        /// That of the last sound before it.
        epoch: u32,
    },
    Clear {
        call: CallId,
    },
    Policy {
        call: CallId,
        policy: Policy,
    },
    /// What the caller says has meaning: see [`crate::reflex::Reflex::confirm`].
    Confirm {
        call: CallId,
    },
    HangUp {
        call: CallId,
    },
    Stop,
}

/// What the peer said of a call when it began.
#[derive(Debug)]
pub struct Started {
    pub worker: usize,
    pub rate_hz: u32,
    pub stream: String,
    pub call: String,
    /// A JSON object.
    pub parameters: String,
    /// How the wire codes sound.
    pub codec: &'static str,
}

/// What both sides know of a call.
#[derive(Default)]
pub struct Progress {
    pub started: OnceLock<Started>,
    /// Samples that were sent, dropped or refused.
    pub consumed: AtomicU64,
    /// Pieces of speech that are used up.
    pub spent: AtomicU32,
    /// Events that were not taken yet.
    pub waiting: AtomicU32,
    /// 20 ms frames of the caller's that found no room at the door.
    pub lost: AtomicU64,
    /// How the caller's packets came; known when the call's end is told, if there was sound.
    pub arrivals: OnceLock<Arrivals>,
}

/// A call that is expected.
pub struct Ticket {
    pub id: CallId,
    pub token: Box<[u8]>,
    pub until_us: u64,
    pub policy: Policy,
    pub progress: Arc<Progress>,
    claimed: AtomicBool,
    /// Taken once, by whoever claimed it: this lock is never waited for.
    sound: Mutex<Option<rtrb::Producer<i16>>>,
}

impl Ticket {
    #[must_use]
    pub fn new(id: CallId, token: &[u8], until_us: u64, policy: Policy, sound: rtrb::Producer<i16>) -> Self {
        Self {
            id,
            token: token.into(),
            until_us,
            policy,
            progress: Arc::default(),
            claimed: AtomicBool::new(false),
            sound: Mutex::new(Some(sound)),
        }
    }

    /// Make it one's own; false where somebody else did.
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Whether it is somebody's already.
    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// The way for the caller's sound, for who claimed the ticket.
    pub fn sound(&self) -> Option<rtrb::Producer<i16>> {
        self.sound.lock().ok()?.take()
    }
}

/// What happened in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// See [`Progress::started`].
    Started,
    /// Times of speech are milliseconds of the caller's sound.
    SpeechStart {
        at_ms: u64,
    },
    SpeechPause {
        at_ms: u64,
    },
    SpeechResume {
        at_ms: u64,
    },
    SpeechEnd {
        at_ms: u64,
    },
    Ducked,
    /// The caller interrupted: so many samples were dropped, so many of the newest epoch were heard.
    Confirmed {
        dropped: u64,
        heard: u64,
    },
    /// It was no interruption.
    Refuted,
    /// The answer to [`Command::Clear`].
    Cleared {
        dropped: u64,
        heard: u64,
    },
    Mark {
        name: u32,
        fate: Fate,
    },
    Dtmf(char),
    /// The listener heard nothing for so long in the middle of an epoch.
    Underrun {
        gap_us: u64,
    },
    Closed(u32),
}

/// A happening as it passes through the queue: call and kind, two figures, and the time in µs.
pub type Words = [u64; 4];

impl Happening {
    #[must_use]
    pub fn pack(self, call: CallId, at_us: u64) -> Words {
        let (kind, a, b) = match self {
            Self::Started => (0, 0, 0),
            Self::SpeechStart { at_ms } => (1, at_ms, 0),
            Self::SpeechEnd { at_ms } => (2, at_ms, 0),
            Self::Ducked => (3, 0, 0),
            Self::Confirmed { dropped, heard } => (4, dropped, heard),
            Self::Refuted => (5, 0, 0),
            Self::Cleared { dropped, heard } => (6, dropped, heard),
            Self::Mark { name, fate } => (7, u64::from(name), u64::from(fate == Fate::Played)),
            Self::Dtmf(digit) => (8, u64::from(u32::from(digit)), 0),
            Self::Underrun { gap_us } => (9, gap_us, 0),
            Self::Closed(reason) => (12, u64::from(reason), 0),
            Self::SpeechPause { at_ms } => (10, at_ms, 0),
            Self::SpeechResume { at_ms } => (11, at_ms, 0),
        };
        [u64::from(call.0) | kind << 32, a, b, at_us]
    }

    /// # Panics
    ///
    /// On words that [`Self::pack`] did not make.
    #[must_use]
    pub fn unpack(words: Words) -> (CallId, Self, u64) {
        let [head, a, b, at_us] = words;
        let happening = match head >> 32 {
            0 => Self::Started,
            1 => Self::SpeechStart { at_ms: a },
            2 => Self::SpeechEnd { at_ms: a },
            3 => Self::Ducked,
            4 => Self::Confirmed { dropped: a, heard: b },
            5 => Self::Refuted,
            6 => Self::Cleared { dropped: a, heard: b },
            7 => Self::Mark {
                name: a as u32,
                fate: if b == 1 { Fate::Played } else { Fate::Cleared },
            },
            8 => Self::Dtmf(char::from_u32(a as u32).unwrap_or('?')),
            9 => Self::Underrun { gap_us: a },
            10 => Self::SpeechPause { at_ms: a },
            11 => Self::SpeechResume { at_ms: a },
            12 => Self::Closed(a as u32),
            kind => unreachable!("no happening is packed as {kind}"),
        };
        (CallId(head as u32), happening, at_us)
    }
}

/// Every way in which a call ends, with its name; its number is its index here.
const ENDS: [(Reason, &str); 9] = [
    (Reason::PeerClosed, "peer closed"),
    (Reason::HungUp, "hung up"),
    (Reason::Handshake, "bad handshake"),
    (Reason::Unadmitted, "not admitted"),
    (Reason::Gibberish, "not understood"),
    (Reason::Silent, "peer silent"),
    (Reason::SlowReader, "peer reads too slowly"),
    (Reason::Unheard, "events not taken"),
    (Reason::Broken, "internal fault"),
];
/// Ends that have no reason of a connection's.
const PROTOCOL: (u32, &str) = (100, "protocol fault");
/// The token's time was over.
pub const EXPIRED: (u32, &str) = (101, "never came");
/// The engine was stopped.
pub const STOPPED: (u32, &str) = (102, "engine stopped");

/// The number of a reason in [`Happening::Closed`].
#[must_use]
pub fn number(reason: Reason) -> u32 {
    ENDS.iter()
        .position(|(known, _)| *known == reason)
        .map_or(PROTOCOL.0, |n| n as u32)
}

/// The words for a number in [`Happening::Closed`].
#[must_use]
pub fn reason(number: u32) -> &'static str {
    let others = [PROTOCOL, EXPIRED, STOPPED];
    match ENDS.get(number as usize) {
        Some((_, name)) => name,
        None => others
            .iter()
            .find(|(known, _)| *known == number)
            .map_or("unknown", |(_, name)| name),
    }
}

/// The way up: a queue and the bell that says that something of consequence is in it.
pub struct Upwards {
    events: Events<4>,
    bell: OwnedFd,
    rung: AtomicBool,
    /// Events of one call that may wait.
    each: u32,
}

impl Upwards {
    /// Room for `each` events, and one that says it is over, of every one of `calls`.
    ///
    /// # Errors
    ///
    /// Where the system has no more file descriptors.
    pub fn new(calls: usize, each: u32) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let events = Events::new(calls * (each as usize + 1));
        Ok(Self {
            events,
            bell,
            rung: AtomicBool::new(false),
            each,
        })
    }

    /// Tell of a call; false where its room is used up, which `Closed` never is.
    pub fn tell(&self, call: CallId, progress: &Progress, happening: Happening, at_us: u64) -> bool {
        let last = matches!(happening, Happening::Closed(_));
        if progress.waiting.fetch_add(1, Ordering::AcqRel) >= self.each && !last {
            progress.waiting.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        let told = self.events.push(happening.pack(call, at_us)).is_ok();
        self.ring();
        told
    }

    /// Ring the bell, unless it was not heard yet.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A full counter is one that was rung.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// Take what happened first; the taker lowers [`Progress::waiting`].
    pub fn take(&self) -> Option<(CallId, Happening, u64)> {
        self.events.pop().map(Happening::unpack)
    }

    /// Silence the bell; before taking, so that what comes meanwhile rings again.
    pub fn hush(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        // Whoever rings after this swap is taken, whoever rang before it is in the queue by now.
        self.rung.swap(false, Ordering::AcqRel);
    }

    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_passes_through_words() {
        let all = [
            Happening::Started,
            Happening::SpeechStart { at_ms: 1 << 40 },
            Happening::SpeechPause { at_ms: 5 },
            Happening::SpeechResume { at_ms: 6 },
            Happening::SpeechEnd { at_ms: 7 },
            Happening::Ducked,
            Happening::Confirmed { dropped: 8, heard: 9 },
            Happening::Refuted,
            Happening::Cleared { dropped: 1, heard: 0 },
            Happening::Mark {
                name: u32::MAX,
                fate: Fate::Played,
            },
            Happening::Mark {
                name: 0,
                fate: Fate::Cleared,
            },
            Happening::Dtmf('#'),
            Happening::Underrun { gap_us: 5 },
            Happening::Closed(number(Reason::Silent)),
        ];
        for happening in all {
            let call = CallId::new(65_535, 3);
            assert_eq!(Happening::unpack(happening.pack(call, 42)), (call, happening, 42));
        }
        assert_eq!(reason(number(Reason::Silent)), "peer silent");
        assert_eq!(
            reason(number(Reason::Protocol(crate::wire::frame::Fault::Reserved))),
            "protocol fault"
        );
    }

    #[test]
    fn a_call_that_nobody_listens_to_uses_up_its_own_room_only() {
        let upwards = Upwards::new(2, 3).expect("there are descriptors");
        let (one, other) = (Progress::default(), Progress::default());
        let (first, second) = (CallId::new(0, 0), CallId::new(1, 0));
        let told: Vec<_> = (0..5)
            .map(|n| upwards.tell(first, &one, Happening::Ducked, n))
            .collect();
        assert_eq!(told, [true, true, true, false, false]);
        assert!(upwards.tell(first, &one, Happening::Closed(0), 5));
        for n in 0..3 {
            assert!(upwards.tell(second, &other, Happening::Refuted, n));
        }
        assert!(upwards.tell(second, &other, Happening::Closed(0), 9));
        assert_eq!(std::iter::from_fn(|| upwards.take()).count(), 8);
    }
}
