//! Streaming change of sampling rate by a rational factor.
//!
//! Output sample `k` stands at input time `k · from / to`: nothing is delayed against the input, and `n` samples
//! become `ceil(n · to / from)` once the stream is flushed. Frequencies up to 0.9 of the lower Nyquist frequency pass
//! within ±0.1 dB; what would alias or image is at least 80 dB down. To look ahead costs about 56 samples of the lower
//! rate (3.5 ms at 16 kHz), which `push` holds back.

use super::kernel::Kernel;

/// Input samples that are filtered at a time.
const BLOCK: usize = 1024;

/// The two rates have no small common ratio, or one of them is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedRatio {
    pub from_hz: u32,
    pub to_hz: u32,
}

impl std::fmt::Display for UnsupportedRatio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot resample from {} Hz to {} Hz", self.from_hz, self.to_hz)
    }
}

impl std::error::Error for UnsupportedRatio {}

/// Turns samples at one rate into samples at another, in pieces of any length.
///
/// How a stream is cut into pieces does not change a bit of the result. After `new` nothing is allocated except where
/// the caller's `out` has to grow.
#[derive(Clone)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// Absent where both rates are the same: samples pass through untouched.
    kernel: Option<Kernel>,
    /// The last inputs, with silence for what precedes the stream.
    window: Vec<f32>,
    /// Where in `window` the next output's taps begin, and its phase.
    start: usize,
    phase: usize,
}

impl Resampler {
    /// # Errors
    /// `UnsupportedRatio` where a rate is zero or the reduced ratio is too fine for a table of coefficients.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, UnsupportedRatio> {
        let unsupported = UnsupportedRatio { from_hz, to_hz };
        if from_hz == 0 || to_hz == 0 {
            return Err(unsupported);
        }
        let divisor = greatest_common_divisor(from_hz, to_hz);
        let (up, down) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
        let kernel = if up == down {
            None
        } else {
            Some(Kernel::new(up, down).ok_or(unsupported)?)
        };
        let taps = kernel.as_ref().map_or(0, |kernel| kernel.taps);
        let mut resampler = Self {
            up,
            down,
            kernel,
            window: Vec::with_capacity(taps + BLOCK),
            start: 0,
            phase: 0,
        };
        resampler.reset();
        Ok(resampler)
    }

    /// Input samples that must follow an input sample before its output can be given.
    #[must_use]
    pub fn look_ahead(&self) -> usize {
        self.kernel.as_ref().map_or(0, |kernel| kernel.taps / 2)
    }

    /// The most samples that `push` of `input_len` samples can append.
    #[must_use]
    pub fn max_output(&self, input_len: usize) -> usize {
        (input_len * self.up).div_ceil(self.down)
    }

    /// Take samples in and append to `out` those that are complete.
    pub fn push(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.kernel.is_none() {
            out.extend_from_slice(input);
            return;
        }
        out.reserve(self.max_output(input.len()));
        for block in input.chunks(BLOCK) {
            self.window.extend(block.iter().map(|&sample| f32::from(sample)));
            self.filter(out);
        }
    }

    /// Append what `push` has held back and begin anew.
    pub fn flush(&mut self, out: &mut Vec<i16>) {
        let mut missing = self.look_ahead();
        out.reserve(self.max_output(missing));
        while missing > 0 {
            let block = missing.min(BLOCK);
            self.window.resize(self.window.len() + block, 0.0);
            self.filter(out);
            missing -= block;
        }
        self.reset();
    }

    /// Forget the stream so far.
    pub fn reset(&mut self) {
        (self.start, self.phase) = (0, 0);
        self.window.clear();
        self.window.resize(self.look_ahead().saturating_sub(1), 0.0);
    }

    fn filter(&mut self, out: &mut Vec<i16>) {
        let Some(kernel) = &self.kernel else { return };
        let Some(room) = (self.window.len() + 1).checked_sub(self.start + kernel.taps) else {
            return;
        };
        // So many outputs have all their taps in the window.
        let count = (room * self.up).saturating_sub(self.phase).div_ceil(self.down);
        let at = out.len();
        out.resize(at + count, 0);
        let step = (self.down / self.up, self.down % self.up, self.up);
        let begin = (self.start, self.phase);
        (self.start, self.phase) = kernel.filter(&self.window, begin, step, &mut out[at..]);
        self.window.drain(..self.start);
        self.start = 0;
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_never_grows_past_what_new_reserved() {
        for (from_hz, to_hz) in [(8_000, 16_000), (48_000, 8_000), (44_100, 16_000), (192_000, 4_000)] {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let (place, capacity) = (resampler.window.as_ptr(), resampler.window.capacity());
            let mut out = Vec::new();
            for len in [1, 160, 5_000, 3] {
                resampler.push(&vec![1_000; len], &mut out);
            }
            resampler.flush(&mut out);
            resampler.push(&[1_000; 3_000], &mut out);
            assert_eq!(
                (resampler.window.as_ptr(), resampler.window.capacity()),
                (place, capacity)
            );
        }
    }
}
