//! Gain that moves in ramps, and mixing: no step in a signal that could click.

/// A gain on its way from one value to another, linear in amplitude.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    now: f32,
    target: f32,
    step: f32,
}

impl Default for Gain {
    fn default() -> Self {
        Self {
            now: 1.0,
            target: 1.0,
            step: 0.0,
        }
    }
}

impl Gain {
    /// Move to `decibels` over this many samples.
    pub fn move_to(&mut self, decibels: f32, samples: u32) {
        self.target = 10.0_f32.powf(decibels / 20.0);
        self.step = (self.target - self.now) / samples.max(1) as f32;
    }

    /// Whether it changes nothing now or later.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        self.now == 1.0 && self.target == 1.0
    }

    pub fn apply(&mut self, samples: &mut [i16]) {
        if self.is_neutral() {
            return;
        }
        for sample in samples {
            if self.now != self.target {
                self.now += self.step;
                let past = (self.step > 0.0) == (self.now > self.target);
                if past || (self.target - self.now).abs() < self.step.abs() / 2.0 {
                    self.now = self.target;
                }
            }
            *sample = (f32::from(*sample) * self.now).round() as i16;
        }
    }
}

/// Add samples to others, up to the shorter of the two; what is too loud is held at full scale.
pub fn add(samples: &[i16], to: &mut [i16]) {
    for (sum, sample) in to.iter_mut().zip(samples) {
        *sum = sum.saturating_add(*sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ramp_reaches_its_target_without_a_step() {
        let mut gain = Gain::default();
        gain.move_to(-20.0, 400);
        let mut sound = [20_000_i16; 480];
        gain.apply(&mut sound);
        assert!(sound.windows(2).all(|pair| (pair[0] - pair[1]).unsigned_abs() <= 46));
        assert_eq!(sound[399..], [2000; 81]);
        gain.move_to(0.0, 80);
        let mut sound = [20_000_i16; 100];
        gain.apply(&mut sound);
        assert_eq!(sound[79..], [20_000; 21]);
        assert!(gain.is_neutral());
    }

    #[test]
    fn a_mix_is_held_at_full_scale() {
        let mut sum = [30_000, -30_000, 5];
        add(&[10_000, -10_000], &mut sum);
        assert_eq!(sum, [i16::MAX, i16::MIN, 5]);
    }

    proptest! {
        #[test]
        fn a_gain_up_to_one_never_leaves_what_it_was_given(
            moves in proptest::collection::vec((-60.0_f32..0.0, 0_u32..500, 1_usize..300), 1..20),
        ) {
            let mut gain = Gain::default();
            for (decibels, ramp, count) in moves {
                gain.move_to(decibels, ramp);
                let mut sound = vec![10_000_i16; count];
                gain.apply(&mut sound);
                prop_assert!(sound.iter().all(|sample| (0..=10_000).contains(sample)));
            }
        }
    }
}
