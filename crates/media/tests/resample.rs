//! The resampler against ideal sines, and its promises about length, place and pieces.

use proptest::prelude::*;
use std::f64::consts::TAU;
use vivavoce_media::audio::resample::{Resampler, UnsupportedRatio};

/// Rates that telephone, recognisers and synthesis use among themselves, and those of files into the two models' rates.
const PAIRS: [(u32, u32); 26] = [
    (8_000, 16_000),
    (8_000, 24_000),
    (8_000, 48_000),
    (16_000, 8_000),
    (16_000, 24_000),
    (16_000, 48_000),
    (24_000, 8_000),
    (24_000, 16_000),
    (24_000, 48_000),
    (48_000, 8_000),
    (48_000, 16_000),
    (48_000, 24_000),
    (11_025, 16_000),
    (11_025, 24_000),
    (12_000, 16_000),
    (12_000, 24_000),
    (22_050, 16_000),
    (22_050, 24_000),
    (32_000, 16_000),
    (32_000, 24_000),
    (44_100, 16_000),
    (44_100, 24_000),
    (88_200, 16_000),
    (88_200, 24_000),
    (96_000, 16_000),
    (96_000, 24_000),
];
const AMPLITUDE: f64 = 30_000.0;

fn resample(from_hz: u32, to_hz: u32, input: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(from_hz, to_hz).expect("an ordinary pair of rates");
    let mut out = Vec::new();
    resampler.push(input, &mut out);
    resampler.flush(&mut out);
    out
}

fn sine(hz: f64, rate_hz: u32, len: usize) -> Vec<f64> {
    let step = TAU * hz / f64::from(rate_hz);
    (0..len).map(|n| AMPLITUDE * (step * n as f64).sin()).collect()
}

fn rounded(samples: &[f64]) -> Vec<i16> {
    samples.iter().map(|sample| sample.round() as i16).collect()
}

fn rms(samples: impl ExactSizeIterator<Item = f64>) -> f64 {
    let len = samples.len() as f64;
    (samples.map(|sample| sample * sample).sum::<f64>() / len).sqrt()
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// What stays of 200 ms of sound once 30 ms at either end, where the tone is switched, are cut off.
fn steady<T>(samples: &[T], rate_hz: u32) -> &[T] {
    let edge = rate_hz as usize * 30 / 1000;
    &samples[edge..samples.len() - edge]
}

#[test]
fn pass_band_is_flat_in_its_place_and_free_of_images() {
    for (from_hz, to_hz) in PAIRS {
        let nyquist = f64::from(from_hz.min(to_hz)) / 2.0;
        for share in [0.02, 0.1, 0.25, 0.5, 0.7, 0.8, 0.85, 0.9] {
            let hz = share * nyquist;
            let input = sine(hz, from_hz, from_hz as usize / 5);
            let out = resample(from_hz, to_hz, &rounded(&input));
            let ideal = sine(hz, to_hz, out.len());
            let (out, ideal) = (steady(&out, to_hz), steady(&ideal, to_hz));
            // The part in phase with the ideal sine is the gain; everything else is error, delay included.
            let dot: f64 = out.iter().zip(ideal).map(|(&o, i)| f64::from(o) * i).sum();
            let gain = dot / ideal.iter().map(|i| i * i).sum::<f64>();
            let level = rms(ideal.iter().copied());
            let error = rms(out.iter().zip(ideal).map(|(&o, i)| f64::from(o) - gain * i));
            assert!(
                decibels(gain).abs() < 0.1,
                "{from_hz}->{to_hz}, {hz} Hz: gain {} dB",
                decibels(gain)
            );
            assert!(
                decibels(error / level) < -80.0,
                "{from_hz}->{to_hz}, {hz} Hz: error {} dB",
                decibels(error / level)
            );
        }
    }
}

#[test]
fn what_would_alias_is_80_db_down() {
    for (from_hz, to_hz) in PAIRS.into_iter().filter(|(from_hz, to_hz)| from_hz > to_hz) {
        let (low, high) = (f64::from(to_hz) / 2.0, f64::from(from_hz) / 2.0);
        for step in 0..20 {
            let hz = low + (high - low) * f64::from(step) / 20.0;
            let input = sine(hz, from_hz, from_hz as usize / 5);
            let out = resample(from_hz, to_hz, &rounded(&input));
            let level = rms(steady(&input, from_hz).iter().copied());
            let alias = rms(steady(&out, to_hz).iter().map(|&o| f64::from(o)));
            assert!(
                alias < level * 1e-4,
                "{from_hz}->{to_hz}, {hz} Hz: {} dB",
                decibels(alias / level)
            );
        }
    }
}

#[test]
fn an_impulse_stays_where_it_was() {
    for (from_hz, to_hz) in PAIRS {
        // A multiple of the reduced ratio's denominator stands at a whole output sample.
        let place = from_hz as usize;
        let mut input = vec![0; place + 500];
        input[place] = 20_000;
        let out = resample(from_hz, to_hz, &input);
        let loudest = (0..out.len()).max_by_key(|&n| out[n].unsigned_abs());
        assert_eq!(loudest, Some(to_hz as usize), "{from_hz}->{to_hz}");
    }
}

#[test]
fn a_constant_stays_constant_and_full_scale_saturates() {
    for (from_hz, to_hz) in PAIRS {
        let out = resample(from_hz, to_hz, &vec![12_345; from_hz as usize / 5]);
        assert!(steady(&out, to_hz).iter().all(|&o| o == 12_345), "{from_hz}->{to_hz}");
        let square: Vec<i16> = (0..from_hz)
            .map(|n| {
                if n % (from_hz / 50) < from_hz / 100 {
                    i16::MAX
                } else {
                    i16::MIN
                }
            })
            .collect();
        let out = resample(from_hz, to_hz, &square);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        // A wrapped overshoot would show as a jump across the scale inside a half wave.
        let half = to_hz as usize / 100;
        let (top, bottom) = (&out[half / 4..half * 3 / 4], &out[half + half / 4..half + half * 3 / 4]);
        assert!(
            top.iter().all(|&o| o > 25_000) && bottom.iter().all(|&o| o < -25_000),
            "{from_hz}->{to_hz}"
        );
    }
}

#[test]
fn equal_rates_pass_samples_through_at_once() {
    let mut resampler = Resampler::new(16_000, 16_000).expect("equal rates");
    let mut out = Vec::new();
    resampler.push(&[1, -2, i16::MIN], &mut out);
    assert_eq!(out, [1, -2, i16::MIN]);
    resampler.flush(&mut out);
    assert_eq!(out.len(), 3);
}

#[test]
fn what_was_flushed_or_reset_leaves_no_trace() {
    let input: Vec<i16> = (0..3_000).map(|n| (n * 37 % 20_011) as i16).collect();
    let fresh = resample(44_100, 16_000, &input);
    let mut resampler = Resampler::new(44_100, 16_000).expect("an ordinary pair of rates");
    let mut out = Vec::new();
    resampler.push(&[i16::MAX; 777], &mut out);
    resampler.flush(&mut out);
    resampler.push(&[i16::MIN; 333], &mut out);
    resampler.reset();
    out.clear();
    resampler.push(&input, &mut out);
    resampler.flush(&mut out);
    assert_eq!(out, fresh);
}

#[test]
fn ratios_without_a_table_are_refused() {
    for (from_hz, to_hz) in [(0, 16_000), (16_000, 0), (44_101, 191_999)] {
        assert_eq!(
            Resampler::new(from_hz, to_hz).err(),
            Some(UnsupportedRatio { from_hz, to_hz })
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_give_exactly_what_the_whole_gives(
        (from_hz, to_hz) in prop::sample::select(PAIRS.to_vec()),
        input in prop::collection::vec(any::<i16>(), 0..6_000),
        cuts in prop::collection::vec(0usize..700, 0..40),
    ) {
        let whole = resample(from_hz, to_hz, &input);
        let mut resampler = Resampler::new(from_hz, to_hz).expect("an ordinary pair of rates");
        let (mut out, mut rest) = (Vec::new(), input.as_slice());
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            let before = out.len();
            resampler.push(piece, &mut out);
            prop_assert!(out.len() - before <= resampler.max_output(piece.len()));
            rest = after;
        }
        resampler.push(rest, &mut out);
        resampler.flush(&mut out);
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn length_follows_the_rates(
        (from_hz, to_hz) in prop::sample::select(PAIRS.to_vec()),
        len in 0usize..5_000,
    ) {
        let expected = (len * to_hz as usize).div_ceil(from_hz as usize);
        prop_assert_eq!(resample(from_hz, to_hz, &vec![0; len]).len(), expected);
    }
}
