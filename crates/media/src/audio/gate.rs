//! An O(n) gate per frame: is there anything worth asking the voice detector about?
//!
//! Two thresholds over a noise floor that follows the quiet: loud frames open the gate, and so do softer ones that cross
//! zero often (unvoiced consonants). It closes when `HANG` frames in a row are neither.

use super::simd::dispatched;

/// Over the floor, as ratios of power: 10 dB for what is voiced, 4 dB for what hisses.
const LOUD: f32 = 10.0;
const SOFT: f32 = 2.5;
const HISS: f32 = 0.25;
/// −65 dB of full scale: below it nothing is worth a look.
const FAINTEST: f32 = 340.0;
/// The floor sinks at once and rises by 2.6 dB a second, at 50 frames of it.
const RISE: f32 = 1.012;
/// 300 ms: a detector needs to hear how speech ends.
const HANG: u32 = 15;

/// What one frame measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Mean square of the samples.
    pub power: f32,
    /// Sign changes per sample, 0 to 1.
    pub crossings: f32,
}

dispatched! {
    /// Measure a frame in one pass.
    #[must_use]
    pub fn level(samples: &[i16]) -> Level {
        let power: i64 = samples.iter().map(|&sample| i64::from(i32::from(sample) * i32::from(sample))).sum();
        let signs = samples.iter().zip(samples.iter().skip(1));
        let crossings: u32 = signs.map(|(before, sample)| u32::from((before ^ sample) < 0)).sum();
        let count = samples.len().max(1) as f32;
        Level { power: power as f32 / count, crossings: crossings as f32 / count }
    }
}

/// The gate of one call.
pub struct Gate {
    floor: f32,
    left: u32,
    loud: u32,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            floor: FAINTEST,
            left: 0,
            loud: 0,
        }
    }
}

impl Gate {
    /// Take the next frame; whether the detector should hear it.
    pub fn push(&mut self, level: Level) -> bool {
        let loud = level.power > self.floor * LOUD;
        let hissing = level.power > self.floor * SOFT && level.crossings > HISS;
        self.loud = if loud { self.loud + 1 } else { 0 };
        self.floor = (self.floor * RISE).min(level.power.max(FAINTEST));
        self.left = if loud || hissing {
            HANG
        } else {
            self.left.saturating_sub(1)
        };
        self.left > 0
    }

    /// How many frames in a row were loud, up to the last one.
    #[must_use]
    pub const fn loud_frames(&self) -> u32 {
        self.loud
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(amplitude: f32, hz: f32, frames: usize) -> Vec<Vec<i16>> {
        let sample = |n: usize| (amplitude * (n as f32 * hz * core::f32::consts::TAU / 8000.0).sin()) as i16;
        (0..frames)
            .map(|frame| (frame * 160..frame * 160 + 160).map(sample).collect())
            .collect()
    }

    fn open(gate: &mut Gate, frames: &[Vec<i16>]) -> Vec<bool> {
        frames.iter().map(|frame| gate.push(level(frame))).collect()
    }

    #[test]
    fn a_level_is_power_and_crossings() {
        assert_eq!(
            level(&[]),
            Level {
                power: 0.0,
                crossings: 0.0
            }
        );
        assert_eq!(
            level(&[3, -3, 3, -3]),
            Level {
                power: 9.0,
                crossings: 0.75
            }
        );
        assert_eq!(level(&[i16::MIN; 2]).power, 1_073_741_824.0);
    }

    #[test]
    fn a_voice_opens_it_at_once_and_it_closes_after_the_hang() {
        let mut gate = Gate::default();
        assert!(!open(&mut gate, &tone(20.0, 100.0, 50)).contains(&true));
        assert!(!open(&mut gate, &tone(3000.0, 200.0, 10)).contains(&false));
        let after = open(&mut gate, &tone(20.0, 100.0, 30));
        assert_eq!(after.iter().filter(|open| **open).count(), HANG as usize - 1);
    }

    #[test]
    fn a_hiss_opens_it_at_a_lower_level_than_a_hum() {
        let [mut hiss, mut hum] = [Gate::default(), Gate::default()];
        assert!(open(&mut hiss, &tone(50.0, 3000.0, 3))[0]);
        assert!(!open(&mut hum, &tone(50.0, 100.0, 3)).contains(&true));
    }

    #[test]
    fn steady_noise_becomes_the_floor() {
        let mut gate = Gate::default();
        let opened = open(&mut gate, &tone(1000.0, 100.0, 1000));
        assert!(opened[0]);
        assert!(!opened[999]);
    }

    proptest! {
        #[test]
        fn no_sound_makes_it_panic(samples in proptest::collection::vec(any::<i16>(), 0..400)) {
            Gate::default().push(level(&samples));
        }
    }
}
