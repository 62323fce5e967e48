//! Tells voices of all calls in batches, on a thread of its own in the normal class.
//!
//! A model's cost for a window falls by two thirds when sixteen calls share a run. Each call has its own state, kept here
//! by its place. Windows of one call are answered in order; one run holds one window of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::door::CallId;
use crate::hearing::{Ask, WINDOW};
use crate::stats::DetectorStats;

/// Windows in one run: beyond it a window costs the same.
pub const MOST: usize = 64;
/// Samples before a window that the model hears with it.
pub const BEFORE: usize = 32;
/// Numbers that a call's state has.
pub const STATE: usize = 256;
const HALF: usize = STATE / 2;
/// A second of them.
const SILENT_WINDOWS: usize = 31;
/// How long windows gather: short against a window, long against a run.
const GATHER: Duration = Duration::from_millis(4);

/// What tells a voice.
pub trait Model: Send {
    /// Run a batch of `count`: `input` is f32\[count, 288\], `state` f32\[2, count, 128\] and changes, `out` f32\[count\].
    ///
    /// # Errors
    ///
    /// What the model's runtime says.
    fn run(&mut self, count: usize, input: &[f32], state: &mut [f32], out: &mut [f32]) -> Result<(), String>;
}

/// A window of a call, and an answer.
#[derive(Clone, Copy)]
pub struct Question {
    pub call: CallId,
    pub ask: Ask,
    pub asked_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub call: CallId,
    pub at: u64,
    pub probability: f32,
    pub asked_us: u64,
}

/// One worker's way to the detector and back.
pub struct Desk {
    pub questions: rtrb::Consumer<Question>,
    pub answers: rtrb::Producer<Answer>,
}

/// All that the model remembers of a call.
#[derive(Clone)]
struct Memory {
    state: [f32; STATE],
    before: [f32; BEFORE],
    /// The last run in which a window of this call was.
    run: u64,
}

impl Memory {
    const EMPTY: Self = Self {
        state: [0.0; STATE],
        before: [0.0; BEFORE],
        run: 0,
    };
}

/// The detector of all calls.
pub struct Detector {
    model: Box<dyn Model>,
    desks: Vec<Desk>,
    memories: Vec<Memory>,
    /// What the model remembers of a second of silence: with it a voice that begins is told sooner than with nothing.
    silence: Memory,
    /// With the desk that each came from.
    batch: Vec<(usize, Question)>,
    input: Vec<f32>,
    state: Vec<f32>,
    out: Vec<f32>,
    runs: u64,
    /// Windows waited that the last run had no place for.
    left: bool,
    stats: Arc<DetectorStats>,
}

impl Detector {
    #[must_use]
    pub fn new(model: Box<dyn Model>, desks: Vec<Desk>, places: usize, stats: Arc<DetectorStats>) -> Self {
        let mut model = model;
        let silence = after_silence(&mut *model);
        Self {
            model,
            desks,
            memories: vec![silence.clone(); places],
            silence,
            batch: Vec::with_capacity(MOST),
            input: vec![0.0; MOST * (BEFORE + WINDOW)],
            state: vec![0.0; MOST * STATE],
            out: vec![0.0; MOST],
            runs: 0,
            left: false,
            stats,
        }
    }

    /// Answer until `stop`.
    pub fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            self.answer();
            self.stats
                .cpu_ns
                .store(crate::stats::thread_cpu_ns(), Ordering::Relaxed);
            if !self.left {
                std::thread::sleep(GATHER);
            }
        }
    }

    /// Answer one batch of what waits; how many windows it had.
    pub fn answer(&mut self) -> usize {
        self.gather();
        let count = self.batch.len();
        if count == 0 {
            return 0;
        }
        let began = Instant::now();
        let (length, halves) = (BEFORE + WINDOW, count * HALF);
        for (n, (_, question)) in self.batch.iter().enumerate() {
            let memory = &mut self.memories[question.call.place()];
            let input = &mut self.input[n * length..(n + 1) * length];
            input[..BEFORE].copy_from_slice(&memory.before);
            for (place, sample) in input[BEFORE..].iter_mut().zip(&question.ask.samples) {
                *place = f32::from(*sample) / 32_768.0;
            }
            memory.before.copy_from_slice(&input[WINDOW..]);
            self.state[n * HALF..][..HALF].copy_from_slice(&memory.state[..HALF]);
            self.state[halves + n * HALF..][..HALF].copy_from_slice(&memory.state[HALF..]);
        }
        let (input, state) = (&self.input[..count * length], &mut self.state[..count * STATE]);
        if self.model.run(count, input, state, &mut self.out[..count]).is_err() {
            // Without a model nobody is heard to speak; the count says so.
            self.stats.failed.fetch_add(count as u64, Ordering::Relaxed);
            self.out[..count].fill(0.0);
        }
        for (n, (_, question)) in self.batch.iter().enumerate() {
            let memory = &mut self.memories[question.call.place()];
            memory.state[..HALF].copy_from_slice(&self.state[n * HALF..][..HALF]);
            memory.state[HALF..].copy_from_slice(&self.state[halves + n * HALF..][..HALF]);
        }
        self.send();
        self.stats.note_run(count as u64, began.elapsed());
        count
    }

    /// Fill the batch, with one window of a call at most.
    fn gather(&mut self) {
        self.batch.clear();
        self.left = false;
        self.runs += 1;
        let count = self.desks.len();
        // Another begins each time, so that none is kept waiting by those before it.
        for n in (0..count).map(|n| (n + self.runs as usize) % count) {
            let desk = &mut self.desks[n];
            while let Ok(question) = desk.questions.peek() {
                let memory = &mut self.memories[question.call.place()];
                if self.batch.len() == MOST || memory.run == self.runs {
                    self.left = true;
                    break;
                }
                if question.ask.fresh {
                    memory.clone_from(&self.silence);
                }
                memory.run = self.runs;
                self.batch.push((n, *question));
                let _ = desk.questions.pop();
            }
        }
    }

    fn send(&mut self) {
        for ((desk, question), probability) in self.batch.iter().zip(&self.out) {
            let Question { call, ask, asked_us } = question;
            let answer = Answer {
                call: *call,
                at: ask.at,
                probability: *probability,
                asked_us: *asked_us,
            };
            // The way back is as wide as the way here, and the worker empties it first.
            if self.desks[*desk].answers.push(answer).is_err() {
                self.stats.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A model that fails here will fail again, and be counted.
fn after_silence(model: &mut dyn Model) -> Memory {
    let mut memory = Memory::EMPTY;
    for _ in 0..SILENT_WINDOWS {
        let (input, mut state) = ([0.0; BEFORE + WINDOW], memory.state);
        if model.run(1, &input, &mut state, &mut [0.0]).is_err() {
            return Memory::EMPTY;
        }
        memory.state = state;
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how loud a window is, and counts in the state how many it saw of the call.
    struct Loudness;

    impl Model for Loudness {
        fn run(&mut self, count: usize, input: &[f32], state: &mut [f32], out: &mut [f32]) -> Result<(), String> {
            for n in 0..count {
                let window = &input[n * (BEFORE + WINDOW)..][..BEFORE + WINDOW];
                state[n * HALF] += 1.0;
                state[(count + n) * HALF] += window[BEFORE];
                out[n] = window[BEFORE + 1] + window[0] / 2.0 + state[n * HALF] / 1000.0;
            }
            Ok(())
        }
    }

    struct Failing;

    impl Model for Failing {
        fn run(&mut self, _: usize, _: &[f32], _: &mut [f32], _: &mut [f32]) -> Result<(), String> {
            Err("out of memory".to_owned())
        }
    }

    struct Bench {
        detector: Detector,
        questions: Vec<rtrb::Producer<Question>>,
        answers: Vec<rtrb::Consumer<Answer>>,
        stats: Arc<DetectorStats>,
    }

    fn bench(model: Box<dyn Model>, workers: usize) -> Bench {
        let (mut desks, mut ways_in, mut ways_out) = (vec![], vec![], vec![]);
        for _ in 0..workers {
            let (producer, questions) = rtrb::RingBuffer::new(256);
            let (answers, consumer) = rtrb::RingBuffer::new(256);
            desks.push(Desk { questions, answers });
            ways_in.push(producer);
            ways_out.push(consumer);
        }
        let stats = Arc::<DetectorStats>::default();
        let detector = Detector::new(model, desks, 100, Arc::clone(&stats));
        Bench {
            detector,
            questions: ways_in,
            answers: ways_out,
            stats,
        }
    }

    fn question(place: u16, at: u64, fresh: bool, level: i16) -> Question {
        Question {
            call: CallId::new(place, 1),
            ask: Ask {
                at,
                fresh,
                samples: [level; WINDOW],
            },
            asked_us: 5,
        }
    }

    fn answers(consumer: &mut rtrb::Consumer<Answer>) -> Vec<(u32, u64, i32)> {
        let of = |answer: Answer| {
            (
                answer.call.0 & 0xffff,
                answer.at,
                (answer.probability * 1000.0).round() as i32,
            )
        };
        std::iter::from_fn(|| consumer.pop().ok()).map(of).collect()
    }

    #[test]
    fn calls_share_a_run_and_keep_what_is_theirs() {
        let mut bench = bench(Box::new(Loudness), 2);
        for (worker, question) in [
            (0, question(3, 0, true, 16_384)),
            (0, question(4, 0, true, 0)),
            (0, question(3, 256, false, 0)),
            (1, question(9, 512, true, 0)),
        ] {
            bench.questions[worker].push(question).expect("there is room");
        }
        assert_eq!(
            bench.detector.answer(),
            3,
            "the second window of a call waits for its first"
        );
        assert_eq!(bench.detector.answer(), 1);
        assert_eq!(bench.detector.answer(), 0);
        // After 31 silent ones; call 3's second window has the first one's last samples before it, and is its 33rd.
        assert_eq!(answers(&mut bench.answers[0]), [(3, 0, 532), (4, 0, 32), (3, 256, 283)]);
        assert_eq!(answers(&mut bench.answers[1]), [(9, 512, 32)]);
        assert_eq!(bench.stats.windows.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_fresh_window_forgets() {
        let mut bench = bench(Box::new(Loudness), 1);
        for n in 0..3 {
            bench.questions[0]
                .push(question(1, n * 256, n == 2, 16_384))
                .expect("there is room");
            bench.detector.answer();
        }
        assert_eq!(
            answers(&mut bench.answers[0]),
            [(1, 0, 532), (1, 256, 783), (1, 512, 532)]
        );
    }

    #[test]
    fn a_batch_has_its_bound() {
        let mut bench = bench(Box::new(Loudness), 1);
        for place in 0..MOST as u16 + 5 {
            bench.questions[0]
                .push(question(place, 0, true, 0))
                .expect("there is room");
        }
        assert_eq!([bench.detector.answer(), bench.detector.answer()], [MOST, 5]);
    }

    #[test]
    fn a_model_that_fails_hears_nobody_and_is_counted() {
        let mut bench = bench(Box::new(Failing), 1);
        bench.questions[0]
            .push(question(1, 0, true, 9000))
            .expect("there is room");
        assert_eq!(bench.detector.answer(), 1);
        assert_eq!(answers(&mut bench.answers[0]), [(1, 0, 0)]);
        assert_eq!(bench.stats.failed.load(Ordering::Relaxed), 1);
    }
}
