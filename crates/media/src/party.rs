//! A call as the door knows it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::audio::resample::Resampler;
use crate::door::{CallId, Happening, Progress, Ticket};
use crate::playout::Settings as PlayoutSettings;

/// Sound of a caller: `start` counts samples at the door's rate since the call began.
#[derive(Debug)]
pub struct Sound {
    pub call: CallId,
    pub start: u64,
    pub samples: Vec<i16>,
}

pub(crate) struct Party {
    pub ticket: Arc<Ticket>,
    sound: rtrb::Consumer<i16>,
    /// Samples that make a piece of the caller's sound.
    piece: usize,
    /// Samples given out so far.
    taken: u64,
    /// Whether more of the caller's sound is asked for.
    wanted: bool,
    /// Samples and pieces of speech given in, and the epoch of the last.
    given: u64,
    chunks: u32,
    epoch: u32,
    /// Marks whose fate was not told.
    marks: usize,
    /// Between the speaker's rate and the wire's, for one epoch.
    pub speech: Option<(u32, u32, Resampler)>,
    /// Its end was told.
    over: bool,
}

impl Party {
    pub fn new(ticket: Arc<Ticket>, sound: rtrb::Consumer<i16>, piece: usize) -> Self {
        Self {
            ticket,
            sound,
            piece: piece.max(1),
            taken: 0,
            wanted: false,
            given: 0,
            chunks: 0,
            epoch: 0,
            marks: 0,
            speech: None,
            over: false,
        }
    }

    pub fn progress(&self) -> &Progress {
        &self.ticket.progress
    }

    /// The worker whose call it is, once it has begun.
    pub fn worker(&self) -> Option<usize> {
        Some(self.progress().started.get()?.worker)
    }

    /// Samples of speech that wait.
    pub fn waiting(&self) -> u64 {
        self.given - self.progress().consumed.load(Ordering::Acquire)
    }

    /// Whether one more piece of speech finds a place.
    pub fn has_room(&self) -> bool {
        let held = self.chunks.wrapping_sub(self.progress().spent.load(Ordering::Acquire));
        (held as usize) < PlayoutSettings::default().chunks
    }

    /// Note a piece of speech that was given in.
    pub fn note_given(&mut self, epoch: u32, samples: usize) {
        self.given += samples as u64;
        self.chunks = self.chunks.wrapping_add(1);
        self.epoch = epoch;
    }

    /// The epoch of a new mark; None where too many wait.
    pub fn mark(&mut self) -> Option<u32> {
        if self.marks == PlayoutSettings::default().marks {
            return None;
        }
        self.marks += 1;
        Some(self.epoch)
    }

    /// Note what is told of the call; false after its end, of which there is one.
    pub fn note(&mut self, happening: Happening) -> bool {
        match happening {
            Happening::Confirmed { .. } => self.speech = None,
            Happening::Mark { .. } => self.marks = self.marks.saturating_sub(1),
            _ => {}
        }
        let told = !self.over;
        self.over |= matches!(happening, Happening::Closed(_));
        told
    }

    pub const fn is_over(&self) -> bool {
        self.over
    }

    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// All whole pieces, if more was asked for.
    pub fn sounds(&mut self, each: &mut dyn FnMut(Sound)) {
        while self.wanted && self.sound.slots() >= self.piece {
            each(self.take(self.piece));
            self.wanted = self.sound.slots() >= self.piece;
        }
    }

    /// What is left, a piece at most.
    pub fn rest(&mut self) -> Sound {
        self.take(self.sound.slots().min(self.piece))
    }

    fn take(&mut self, count: usize) -> Sound {
        let mut samples = Vec::with_capacity(count);
        if let Ok(chunk) = self.sound.read_chunk(count) {
            let (first, second) = chunk.as_slices();
            samples.extend_from_slice(first);
            samples.extend_from_slice(second);
            chunk.commit_all();
        }
        let start = self.taken;
        self.taken += samples.len() as u64;
        Sound {
            call: self.ticket.id,
            start,
            samples,
        }
    }
}
