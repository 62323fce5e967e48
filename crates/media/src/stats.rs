//! Counts and histograms that are written on the frame path and read while it runs.
//!
//! Buckets are those of an HDR histogram (Tene, hdrhistogram.org) with 32 steps to each power of two: a value is known
//! within 3.2 %. To note one is two relaxed atomic operations.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;
/// Values up to 2^40: twelve days in microseconds.
const BUCKETS: usize = (40 - STEP_BITS as usize + 1) * STEPS;

/// How often values were how large.
pub struct Histogram {
    counts: Box<[AtomicU64]>,
    most: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            most: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub fn note(&self, value: u64) {
        self.counts[bucket(value)].fetch_add(1, Ordering::Relaxed);
        self.most.fetch_max(value, Ordering::Relaxed);
    }

    /// Add what another one noted.
    pub fn add(&self, other: &Self) {
        for (count, more) in self.counts.iter().zip(&other.counts) {
            let more = more.load(Ordering::Relaxed);
            if more > 0 {
                count.fetch_add(more, Ordering::Relaxed);
            }
        }
        self.most.fetch_max(other.most(), Ordering::Relaxed);
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    #[must_use]
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// The value that this share of all does not exceed, rounded up to its bucket's end; 0 where nothing was noted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (share * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (n, count) in self.counts.iter().enumerate() {
            seen += count.load(Ordering::Relaxed);
            if seen >= wanted {
                return last_of(n).min(self.most());
            }
        }
        self.most()
    }
}

fn bucket(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    let shift = bits.saturating_sub(STEP_BITS + 1);
    let step = (value >> shift) as usize;
    (shift as usize * STEPS + step).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = bucket - shift * STEPS;
    ((step as u64 + 1) << shift) - 1
}

/// What one worker counts. Times are microseconds.
#[derive(Default)]
pub struct WorkerStats {
    /// Frames of the callers' and ours.
    pub frames_in: AtomicU64,
    pub frames_out: AtomicU64,
    /// Frames of the callers' for which there was no room at the door.
    pub frames_lost: AtomicU64,
    /// Frames of ours that left more than a frame late.
    pub frames_late: AtomicU64,
    /// How late frames left after they were due.
    pub late_us: Histogram,
    /// How far ahead of real time a frame was sent.
    pub ahead_us: Histogram,
    /// From a certain interruption to `clear` on the socket.
    pub clear_us: Histogram,
    /// From a full window to the detector's answer.
    pub wait_us: Histogram,
    pub calls: AtomicU64,
    pub anonymous: AtomicU64,
    /// Connections that were not let in because there were too many.
    pub refused: AtomicU64,
    /// Windows for which the detector had no room.
    pub unasked: AtomicU64,
    /// Faults of ours that ended a call.
    pub panics: AtomicU64,
    pub cpu_ns: AtomicU64,
    /// A [`crate::scheduling::Class`].
    pub class: AtomicU8,
}

/// What the detector counts.
#[derive(Default)]
pub struct DetectorStats {
    pub windows: AtomicU64,
    pub runs: AtomicU64,
    pub run_ns: AtomicU64,
    /// Windows of runs that failed.
    pub failed: AtomicU64,
    pub cpu_ns: AtomicU64,
}

impl DetectorStats {
    pub fn note_run(&self, windows: u64, took: Duration) {
        self.windows.fetch_add(windows, Ordering::Relaxed);
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.run_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }
}

/// CPU time that the calling thread took.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_a_thousand_values() {
        let histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.quantile(0.5)), (0, 0));
        for value in 1..=1000 {
            histogram.note(value);
        }
        assert_eq!(histogram.count(), 1000);
        for (share, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = histogram.quantile(share) as f64;
            assert!(found >= exact && found <= exact * 1.035, "{share}: {found}");
        }
        assert_eq!((histogram.quantile(1.0), histogram.most()), (1000, 1000));
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(value in 0_u64..1 << 39) {
            let n = bucket(value);
            prop_assert!(last_of(n) >= value);
            prop_assert!(n == 0 || last_of(n - 1) < value);
            prop_assert!(last_of(n) as f64 <= value as f64 * 1.04 + 1.0);
        }
    }
}
