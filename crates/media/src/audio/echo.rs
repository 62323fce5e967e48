//! Is what the caller's line brings our own voice coming back?
//!
//! Both sides' loudness is kept in steps of 10 ms. What came in the last 300 ms is compared with what was played before,
//! at every lag up to 500 ms: a normalised correlation of the two envelopes in decibels that is high at some lag, with a
//! level below the played one, is an echo. Envelopes are blind to phase, so codecs and lines in between do no harm.

/// Steps of 10 ms.
const LAGS: usize = 50;
const WINDOW: usize = 30;
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
        for &sample in samples {
            self.sum += f32::from(sample) * f32::from(sample);
            self.count += 1;
            if self.count == self.step {
                let power = self.sum / self.step as f32;
                self.levels[self.at] = (10.0 * power.max(1.0).log10()).max(FLOOR_DB);
                self.at = (self.at + 1) % KEPT;
                (self.sum, self.count) = (0.0, 0);
            }
        }
    }

    /// The level `ago` steps before the newest, in decibels over one.
    fn level(&self, ago: usize) -> f32 {
        self.levels[(self.at + KEPT - 1 - ago) % KEPT]
    }
}

/// How alike the newest of `heard` is to `played` at the likeliest lag: 1 for an echo, around 0 for another voice.
#[must_use]
pub fn likeness(heard: &Envelope, played: &Envelope) -> f32 {
    (0..LAGS).map(|lag| correlation(heard, played, lag)).fold(0.0, f32::max)
}

fn correlation(heard: &Envelope, played: &Envelope, lag: usize) -> f32 {
    let mean = |levels: &dyn Fn(usize) -> f32| (0..WINDOW).map(levels).sum::<f32>() / WINDOW as f32;
    let (heard_mean, played_mean) = (mean(&|n| heard.level(n)), mean(&|n| played.level(n + lag)));
    // An echo is softer than what it is an echo of.
    if heard_mean > played_mean {
        return 0.0;
    }
    let (mut both, mut ours, mut theirs) = (0.0, 0.0, 0.0);
    for n in 0..WINDOW {
        let (a, b) = (heard.level(n) - heard_mean, played.level(n + lag) - played_mean);
        both += a * b;
        theirs += a * a;
        ours += b * b;
    }
    // Without some movement on both sides there is nothing to compare.
    if theirs < WINDOW as f32 || ours < WINDOW as f32 {
        0.0
    } else {
        both / (theirs * ours).sqrt()
    }
}
