//! The sound of an admitted call in both directions, coded as its wire wants it.

use crate::audio::mix::Gain;
use crate::call::Listener;
use crate::playout::{Dropped, Playout, Settings};
use crate::wire::dialect::{Coding, Dialect};

/// What an admitted call has beside its dialect.
pub(crate) struct Voice {
    coding: Coding,
    pub playout: Playout,
    gain: Gain,
    /// Samples of the caller's so far.
    heard: u64,
    /// The peer takes no more for now.
    pub held: bool,
}

/// A frame of 20 ms at 48 kHz.
const MOST_SAMPLES: usize = 960;

impl Voice {
    pub fn new(coding: Coding, lead_us: u64) -> Self {
        let settings = Settings {
            rate_hz: coding.rate_hz(),
            lead_us,
            ..Default::default()
        };
        Self {
            coding,
            playout: Playout::new(settings),
            gain: Gain::default(),
            heard: 0,
            held: false,
        }
    }

    /// Move our level to `decibels` in a ramp.
    pub fn fade(&mut self, decibels: f32, over_ms: u32) {
        self.gain.move_to(decibels, self.coding.rate_hz() / 1000 * over_ms);
    }

    /// Sound of the caller, a frame at a time; `at_ms` is its time by the peer's clock, which else is the sound before it.
    pub fn hear(&mut self, sound: &[u8], at_ms: Option<u64>, listener: &mut dyn Listener) {
        let heard_us = 1_000_000 * self.heard / u64::from(self.coding.rate_hz());
        listener.arrived(at_ms.map_or(heard_us, |at_ms| at_ms.saturating_mul(1000)));
        // On the stack, which is in the cache: what a call keeps is not, when its turn comes.
        let mut samples = [0; MOST_SAMPLES];
        for piece in sound.chunks(self.coding.frame_bytes()) {
            let count = self.coding.decode(piece, &mut samples);
            self.heard += count as u64;
            listener.sound(&samples[..count]);
        }
    }

    /// Take back what was not sent, and be at full level for what comes.
    pub fn clear(&mut self, now_us: u64) -> Dropped {
        self.gain = Gain::default();
        self.playout.clear(now_us)
    }

    /// Send what is due.
    pub fn send(&mut self, dialect: &dyn Dialect, now_us: u64, listener: &mut dyn Listener, out: &mut Vec<u8>) {
        if self.held || self.playout.due_us().is_none_or(|due_us| due_us > now_us) {
            return;
        }
        let (mut samples, mut bytes) = ([0; MOST_SAMPLES], [0; 2 * MOST_SAMPLES]);
        let samples = &mut samples[..self.coding.rate_hz() as usize / 50];
        while let Some(sent) = self.playout.next_frame(now_us, samples) {
            self.gain.apply(samples);
            let length = self.coding.encode(samples, &mut bytes);
            dialect.sound(&bytes[..length], out);
            listener.played(samples, sent);
        }
    }
}
