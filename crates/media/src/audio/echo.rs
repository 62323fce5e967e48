//! Is what the caller's line brings our own voice coming back?
//!
//! Both sides' loudness is kept in steps of 10 ms. What came in the last 960 ms is compared with what was played before,
//! at every lag up to 500 ms (a shorter stretch of anybody's speech is like some stretch of ours): a normalised correlation of the two envelopes in decibels that is high at some lag, with a
//! level below the played one, is an echo. Envelopes are blind to phase, so codecs and lines in between do no harm.

use super::gate::level;
use super::simd::{dispatched, dot};

/// Steps of 10 ms.
const LAGS: usize = 50;
const WINDOW: usize = 96;
const KEPT: usize = LAGS + WINDOW;

const STEPS_A_SECOND: u32 = 100;
/// Below it a step is silence: about −60 dB of full scale.
const FLOOR_DB: f32 = 30.0;

/// The loudness of one direction, newest last.
#[derive(Clone)]
pub struct Envelope {
    step: usize,
    sum: f32,
    count: usize,
    levels: [f32; KEPT],
    at: usize,
}

impl Envelope {
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self {
            step: (rate_hz / STEPS_A_SECOND) as usize,
            sum: 0.0,
            count: 0,
            levels: [FLOOR_DB; KEPT],
            at: 0,
        }
    }

    pub fn push(&mut self, samples: &[i16]) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(self.step - self.count));
            self.sum += level(piece).power * piece.len() as f32;
            self.count += piece.len();
            rest = after;
            if self.count == self.step {
                let power = self.sum / self.step as f32;
                self.levels[self.at] = (10.0 * power.max(1.0).log10()).max(FLOOR_DB);
                self.at = (self.at + 1) % KEPT;
                (self.sum, self.count) = (0.0, 0);
            }
        }
    }

    /// The newest `N` levels, oldest first, in decibels over one.
    fn newest<const N: usize>(&self) -> [f32; N] {
        std::array::from_fn(|n| self.levels[(self.at + 2 * KEPT - N + n) % KEPT])
    }
}

/// How alike the newest of `heard` is to `played` at the likeliest lag: 1 for an echo, around 0 for another voice.
#[must_use]
pub fn likeness(heard: &Envelope, played: &Envelope) -> f32 {
    highest_correlation(&heard.newest(), &played.newest())
}

dispatched! {
    fn highest_correlation(heard: &[f32; WINDOW], played: &[f32; KEPT]) -> f32 {
        let (count, ones) = (WINDOW as f32, [1.0; WINDOW]);
        let heard_mean = dot(heard, &ones) / count;
        let heard = heard.map(|level| level - heard_mean);
        let theirs = dot(&heard, &heard);
        let mut highest = 0.0_f32;
        for lagging in played.windows(WINDOW) {
            let mean = dot(lagging, &ones) / count;
            let ours = dot(lagging, lagging) - count * mean * mean;
            // An echo is softer than what it is an echo of, and without movement there is nothing to compare.
            if heard_mean <= mean && ours >= count && theirs >= count {
                highest = highest.max(dot(&heard, lagging) / (theirs * ours).sqrt());
            }
        }
        highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loudness that moves like syllables do, from a seed.
    fn speech(seed: u32, steps: usize) -> Vec<i16> {
        let mut state = seed;
        let mut all = vec![];
        for step in 0..steps {
            if step % 9 == 0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            }
            let amplitude = f32::from((state >> 18) as u16).max(50.0);
            all.extend((0..80).map(|n| (amplitude * ((step * 80 + n) as f32 * 0.7).sin()) as i16));
        }
        all
    }

    fn envelope(samples: &[i16]) -> Envelope {
        let mut envelope = Envelope::new(8000);
        envelope.push(samples);
        envelope
    }

    #[test]
    fn our_own_voice_that_comes_back_softer_and_later_is_an_echo() {
        let ours = speech(1, 200);
        for delay_ms in [0, 30, 250, 480] {
            let mut back = vec![0; delay_ms * 8];
            back.extend(ours.iter().map(|sample| sample / 6));
            back.truncate(ours.len());
            let found = likeness(&envelope(&back), &envelope(&ours));
            assert!(found > 0.95, "{delay_ms} ms: {found}");
        }
    }

    #[test]
    fn another_voice_is_none_nor_is_a_louder_one() {
        let ours = speech(1, 200);
        let others: Vec<_> = (2..12)
            .map(|seed| likeness(&envelope(&speech(seed, 200)), &envelope(&ours)))
            .collect();
        assert!(others.iter().all(|found| *found < 0.85), "{others:?}");
        let soft: Vec<_> = ours.iter().map(|sample| sample / 6).collect();
        assert_eq!(likeness(&envelope(&ours), &envelope(&soft)), 0.0);
        assert_eq!(likeness(&envelope(&[0; 8000]), &envelope(&ours)), 0.0);
    }
}
