//! What is made of a caller's sound: it goes to the door, and what may be a voice to the detector and the reflex.
//!
//! Everything that is heard is counted in samples at 8 kHz, the detector's rate, from the call's first frame on.

use std::collections::VecDeque;

use crate::audio::echo::{Envelope, likeness};
use crate::audio::gate::{Gate, level};
use crate::audio::resample::{Resampler, UnsupportedRatio};
use crate::reflex::{Act, Acts, Policy, Reflex, Settings, Window};

pub const RATE_HZ: u32 = 8000;
/// Samples that the detector looks at: 32 ms.
pub const WINDOW: usize = 256;

const PER_MS: u64 = RATE_HZ as u64 / 1000;
/// Acts that may wait: those of all windows that one message can hold.
const MOST_ACTS: usize = 64;

/// What we say while we say nothing, a frame of any rate at most.
const SILENCE: [i16; 960] = [0; 960];
/// Below this probability nobody asks whose voice it is.
const LEAST: f32 = 0.3;
/// So many loud frames in a row are no click.
const STIRRING: u32 = 2;

/// A window for the detector.
#[derive(Clone, Copy)]
pub struct Ask {
    /// The first sample's number.
    pub at: u64,
    /// What was heard before it was not asked about: begin anew.
    pub fresh: bool,
    pub samples: [i16; WINDOW],
}

/// One call's hearing.
pub struct Hearing {
    sound: rtrb::Producer<i16>,
    to_door: Resampler,
    /// None where the wire has the detector's rate.
    to_detector: Option<Resampler>,
    at_door: Vec<i16>,
    narrow: Vec<i16>,
    /// Samples at the door's rate that found no room: silence is put in their place.
    owed: usize,
    lost: u64,
    gate: Gate,
    open: bool,
    fresh: bool,
    window: [i16; WINDOW],
    filled: usize,
    at: u64,
    /// Windows that the detector has not answered.
    asked: u32,
    heard: Envelope,
    played: Envelope,
    reflex: Reflex,
    acts: VecDeque<Act>,
}

impl Hearing {
    /// # Errors
    ///
    /// Where the wire's rate cannot be changed to the door's or the detector's.
    pub fn new(
        sound: rtrb::Producer<i16>,
        rate_hz: u32,
        door_hz: u32,
        policy: Policy,
        settings: Settings,
    ) -> Result<Self, UnsupportedRatio> {
        Ok(Self {
            sound,
            to_door: Resampler::new(rate_hz, door_hz)?,
            to_detector: (rate_hz != RATE_HZ)
                .then(|| Resampler::new(rate_hz, RATE_HZ))
                .transpose()?,
            at_door: Vec::with_capacity(door_hz as usize / 5),
            narrow: Vec::with_capacity(RATE_HZ as usize / 5),
            owed: 0,
            lost: 0,
            gate: Gate::default(),
            open: false,
            fresh: true,
            window: [0; WINDOW],
            filled: 0,
            at: 0,
            asked: 0,
            heard: Envelope::new(RATE_HZ),
            played: Envelope::new(rate_hz),
            reflex: Reflex::new(policy, settings),
            acts: VecDeque::with_capacity(MOST_ACTS),
        })
    }

    /// Take the caller's next sound. `ask` passes a window on to the detector, unless it has no room.
    pub fn hear(&mut self, samples: &[i16], playing: bool, ask: &mut dyn FnMut(&Ask) -> bool) {
        if !playing {
            self.played.push(&SILENCE[..samples.len().min(SILENCE.len())]);
        }
        self.at_door.clear();
        self.to_door.push(samples, &mut self.at_door);
        self.pass_on();
        if let Some(resampler) = &mut self.to_detector {
            let mut narrow = std::mem::take(&mut self.narrow);
            narrow.clear();
            resampler.push(samples, &mut narrow);
            self.listen(&narrow, playing, ask);
            self.narrow = narrow;
        } else {
            self.listen(samples, playing, ask);
        }
    }

    /// Take sound at the detector's rate.
    fn listen(&mut self, narrow: &[i16], playing: bool, ask: &mut dyn FnMut(&Ask) -> bool) {
        self.heard.push(narrow);
        self.open |= self.gate.push(level(narrow));
        if playing && self.gate.loud_frames() == STIRRING {
            let at_ms = (self.at + self.filled as u64) / PER_MS;
            let act = self.reflex.stir(at_ms, likeness(&self.heard, &self.played));
            self.note([act, None, None]);
        }
        for piece in Pieces::of(narrow, WINDOW - self.filled) {
            self.window[self.filled..self.filled + piece.len()].copy_from_slice(piece);
            self.filled += piece.len();
            if self.filled == WINDOW {
                self.filled = 0;
                self.look(playing, ask);
            }
        }
    }

    /// Note what the caller was sent.
    pub fn note_played(&mut self, samples: &[i16]) {
        self.played.push(samples);
    }

    /// Take the detector's answer about the window at `at`.
    pub fn judge(&mut self, at: u64, probability: f32, playing: bool) {
        self.asked = self.asked.saturating_sub(1);
        self.decide(at, probability, playing);
    }

    pub fn set_policy(&mut self, policy: Policy) {
        self.reflex.set_policy(policy);
    }

    /// What is said has meaning.
    pub fn confirm(&mut self) {
        let act = self.reflex.confirm();
        self.note([act, None, None]);
    }

    /// What is to be done next.
    pub fn next_act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// Samples at the door's rate for which there was no room since the last look.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn pass_on(&mut self) {
        while self.owed > 0 && self.sound.push(0).is_ok() {
            self.owed -= 1;
        }
        let room = if self.owed > 0 {
            0
        } else {
            self.sound.slots().min(self.at_door.len())
        };
        let (passed, missing) = self.at_door.split_at(room);
        if let Ok(mut places) = self.sound.write_chunk(room) {
            let (first, second) = places.as_mut_slices();
            let split = first.len();
            first.copy_from_slice(&passed[..split]);
            second.copy_from_slice(&passed[split..]);
            places.commit_all();
        }
        self.owed += missing.len();
        self.lost += missing.len() as u64;
    }

    /// A window is full: ask about it, or know that it is silence.
    fn look(&mut self, playing: bool, ask: &mut dyn FnMut(&Ask) -> bool) {
        let at = self.at;
        self.at += WINDOW as u64;
        // Answers come in order: silence waits for those before it.
        let worth = std::mem::take(&mut self.open) || self.asked > 0;
        if worth
            && ask(&Ask {
                at,
                fresh: self.fresh,
                samples: self.window,
            })
        {
            self.fresh = false;
            self.asked += 1;
        } else {
            self.fresh = true;
            self.decide(at, 0.0, playing);
        }
    }

    fn decide(&mut self, at: u64, probability: f32, playing: bool) {
        let echo = if playing && probability >= LEAST {
            likeness(&self.heard, &self.played)
        } else {
            0.0
        };
        let window = Window {
            start_ms: at / PER_MS,
            end_ms: (at + WINDOW as u64) / PER_MS,
            probability,
            echo,
        };
        let acts = self.reflex.hear(window, playing);
        self.note(acts);
    }

    fn note(&mut self, acts: Acts) {
        for act in acts.into_iter().flatten() {
            if self.acts.len() < MOST_ACTS {
                self.acts.push_back(act);
            }
        }
    }
}

/// A slice cut so that the first piece has `first` samples and the others a window's.
struct Pieces<'a> {
    rest: &'a [i16],
    next: usize,
}

impl<'a> Pieces<'a> {
    fn of(rest: &'a [i16], first: usize) -> Self {
        Self { rest, next: first }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [i16];

    fn next(&mut self) -> Option<&'a [i16]> {
        if self.rest.is_empty() {
            return None;
        }
        let (piece, rest) = self.rest.split_at(self.next.min(self.rest.len()));
        (self.rest, self.next) = (rest, WINDOW);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, count: usize, amplitude: f32) -> Vec<i16> {
        (from..from + count)
            .map(|n| (amplitude * (n as f32 * 0.4).sin()) as i16)
            .collect()
    }

    fn hearing(room: usize, rate_hz: u32, policy: Policy) -> (Hearing, rtrb::Consumer<i16>) {
        let (producer, consumer) = rtrb::RingBuffer::new(room);
        (
            Hearing::new(producer, rate_hz, 8000, policy, Settings::default()).expect("a telephone's rate"),
            consumer,
        )
    }

    fn heard(consumer: &mut rtrb::Consumer<i16>) -> Vec<i16> {
        std::iter::from_fn(|| consumer.pop().ok()).collect()
    }

    #[test]
    fn silence_reaches_the_door_and_not_the_detector() {
        let (mut hearing, mut door) = hearing(8000, 8000, Policy::Strict);
        for _ in 0..50 {
            hearing.hear(&[0; 160], false, &mut |_| panic!("nobody speaks"));
        }
        assert_eq!(heard(&mut door).len(), 8000);
        assert_eq!(hearing.next_act(), None);
    }

    #[test]
    fn a_voice_is_asked_about_in_windows_that_follow_one_another() {
        let (mut hearing, _door) = hearing(16_000, 8000, Policy::Strict);
        let mut asks = vec![];
        for n in 0..20 {
            let amplitude = if n < 5 { 0.0 } else { 8000.0 };
            hearing.hear(&tone(n * 160, 160, amplitude), false, &mut |ask| {
                asks.push((ask.at, ask.fresh));
                true
            });
        }
        assert_eq!(asks[0], (768, true), "the window in which it begins");
        for (n, (at, fresh)) in asks.iter().enumerate().skip(1) {
            assert_eq!((*at, *fresh), (768 + 256 * n as u64, false));
        }
        for (at, _) in asks {
            hearing.judge(at, 0.9, false);
        }
        assert_eq!(hearing.next_act(), Some(Act::SpeechStart { at_ms: 96 }));
    }

    #[test]
    fn what_found_no_room_is_silence_at_its_place() {
        let (mut hearing, mut door) = hearing(400, 8000, Policy::Off);
        let mut all = vec![];
        for n in 0..4 {
            hearing.hear(&tone(n * 160, 160, 9000.0), false, &mut |_| true);
            if n == 2 {
                all.extend(heard(&mut door));
            }
        }
        all.extend(heard(&mut door));
        let expected: Vec<_> = tone(0, 640, 9000.0);
        assert_eq!(hearing.take_lost(), 80);
        assert_eq!(all[..400], expected[..400]);
        assert_eq!(all[400..480], [0; 80]);
        assert_eq!(all[480..], expected[480..]);
    }

    #[test]
    fn wideband_sound_is_judged_at_8_khz() {
        let (mut hearing, mut door) = hearing(16_000, 16_000, Policy::Strict);
        let mut count = 0;
        for n in 0..50 {
            hearing.hear(&tone(n * 320, 320, 8000.0), false, &mut |_| {
                count += 1;
                true
            });
        }
        assert_eq!(count, 31, "a second less what the filter holds back");
        assert!(heard(&mut door).len() > 7900);
    }
}
