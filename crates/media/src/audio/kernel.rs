//! The polyphase low-pass filter behind the resampler: a sinc under a Kaiser window, cut into phases.

use std::f64::consts::PI;

use super::simd::{LANES, dispatched, dot};

/// Kept within ±0.1 dB up to this share of the lower Nyquist frequency.
pub(super) const PASS_BAND: f64 = 0.9;
/// What lies beyond the lower Nyquist frequency is lower than this; 80 dB are promised, the rest is margin.
const STOP_BAND_DB: f64 = 86.0;
/// 4 MiB of coefficients; ratios of ordinary sampling rates need a tenth of it at most.
const MAX_COEFFICIENTS: usize = 1 << 20;

/// `up` phases of `taps` coefficients. Phase `p` answers at `p / up` input samples after the window's middle.
#[derive(Clone)]
pub(super) struct Kernel {
    pub taps: usize,
    coefficients: Vec<f32>,
}

impl Kernel {
    /// A filter for `up / down` times the input's rate, or nothing where its table would be too large.
    pub fn new(up: usize, down: usize) -> Option<Self> {
        // Lower Nyquist frequency as a share of the input's.
        let nyquist = (up as f64 / down as f64).min(1.0);
        let transition = nyquist * (1.0 - PASS_BAND);
        let cutoff = nyquist - transition / 2.0;
        // Kaiser's formulas for length and shape; the transition is in units of π radians a sample.
        let length = (STOP_BAND_DB - 7.95) / (2.285 * transition * PI);
        let beta = 0.1102 * (STOP_BAND_DB - 8.7);
        let taps = (length.ceil() as usize).next_multiple_of(LANES);
        if up.checked_mul(taps)? > MAX_COEFFICIENTS {
            return None;
        }
        let half = (taps / 2) as f64;
        let mut coefficients = Vec::with_capacity(up * taps);
        let mut phase_taps = vec![0.0; taps];
        for phase in 0..up {
            let middle = half - 1.0 + phase as f64 / up as f64;
            for (index, tap) in phase_taps.iter_mut().enumerate() {
                let offset = index as f64 - middle;
                *tap = sinc(cutoff * offset) * kaiser(offset / half, beta);
            }
            // Unity gain at 0 Hz in every phase, so that a constant stays constant.
            let sum: f64 = phase_taps.iter().sum();
            coefficients.extend(phase_taps.iter().map(|tap| (tap / sum) as f32));
        }
        Some(Self { taps, coefficients })
    }

    /// Fill `out`, beginning at a place in `window` and a phase and taking a step of whole inputs, phases and phases to an
    /// input for each; the place and phase after it.
    pub fn filter(
        &self,
        window: &[f32],
        begin: (usize, usize),
        step: (usize, usize, usize),
        out: &mut [i16],
    ) -> (usize, usize) {
        if step == (0, 1, self.up()) {
            let starts = out.len() / self.up();
            interpolate(&self.coefficients, self.taps, &window[begin.0..], out);
            return (begin.0 + starts, 0);
        }
        filter(&self.coefficients, self.taps, window, begin, step, out)
    }

    fn up(&self) -> usize {
        self.coefficients.len() / self.taps
    }
}

/// Outputs of one phase that are summed side by side.
const SIDE: usize = 4 * LANES;

dispatched! {
    /// Where every input has an output in each phase: outputs of one phase lie side by side, and so do their sums.
    fn interpolate(coefficients: &[f32], taps: usize, window: &[f32], out: &mut [i16]) {
        let up = coefficients.len() / taps;
        let starts = out.len() / up;
        for (phase, coefficients) in coefficients.chunks_exact(taps).enumerate() {
            let mut at = 0;
            while at < starts {
                let count = SIDE.min(starts - at);
                let mut sums = [0.0_f32; SIDE];
                if count == SIDE {
                    for (tap, window) in coefficients.iter().zip(window[at..].windows(SIDE)) {
                        for (sum, sample) in sums.iter_mut().zip(window) {
                            *sum += tap * sample;
                        }
                    }
                } else {
                    for (tap, window) in coefficients.iter().zip(window[at..].windows(count)) {
                        for (sum, sample) in sums.iter_mut().zip(window) {
                            *sum += tap * sample;
                        }
                    }
                }
                for (n, sum) in sums.iter().take(count).enumerate() {
                    out[(at + n) * up + phase] = sum.round_ties_even() as i16;
                }
                at += count;
            }
        }
    }

    fn filter(
        coefficients: &[f32],
        taps: usize,
        window: &[f32],
        begin: (usize, usize),
        step: (usize, usize, usize),
        out: &mut [i16],
    ) -> (usize, usize) {
        let (mut start, mut phase) = begin;
        let (whole, part, up) = step;
        for sample in out {
            let sum = dot(&coefficients[phase * taps..][..taps], &window[start..][..taps]);
            // `as` saturates.
            *sample = sum.round_ties_even() as i16;
            phase += part;
            start += whole;
            if phase >= up {
                phase -= up;
                start += 1;
            }
        }
        (start, phase)
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn kaiser(x: f64, beta: f64) -> f64 {
    bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(beta)
}

/// Modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}
