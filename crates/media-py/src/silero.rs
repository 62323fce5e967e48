//! Silero's voice detector at 8 kHz, through the ONNX Runtime that the Python package brings.
//!
//! The model is the graph that `vivavoce.media.silero_batched` makes: f32\[n, 32 + 256\] and state f32\[2, n, 128\].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use vivavoce_media::detector::{BEFORE, Desk, Detector, Model, Question, STATE};
use vivavoce_media::door::CallId;
use vivavoce_media::hearing::{Ask, WINDOW};

/// The model, loaded.
pub struct Silero {
    session: Session,
}

impl Silero {
    /// # Errors
    ///
    /// Where the runtime's library or the model cannot be loaded.
    pub fn load(library: &Path, model: &[u8]) -> Result<Self, String> {
        let environment = environment(library)?;
        let session = Session::builder(&environment)
            .map_err(said)?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(said)?
            .with_intra_threads(1)
            .map_err(said)?
            .with_inter_threads(1)
            .map_err(said)?
            .commit_from_memory(model)
            .map_err(said)?;
        Ok(Self { session })
    }
}

/// The runtime allows one environment in a process; the first library that loads is everybody's.
fn environment(library: &Path) -> Result<Environment, String> {
    static LOADED: Mutex<Option<Environment>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*loaded {
        return Ok(environment.clone());
    }
    let environment = ort::init_from(library).map_err(said)?.build().map_err(said)?;
    Ok(loaded.insert(environment).clone())
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Model for Silero {
    fn run(&mut self, count: usize, input: &[f32], state: &mut [f32], out: &mut [f32]) -> Result<(), String> {
        self.answer(count, input, state, out).map_err(said)
    }
}

impl Silero {
    fn answer(&mut self, count: usize, input: &[f32], state: &mut [f32], out: &mut [f32]) -> Result<(), ort::Error> {
        let outputs = self.session.run(ort::inputs![
            "input" => TensorRef::from_array_view(([count, BEFORE + WINDOW], input))?,
            "state" => TensorRef::from_array_view(([2, count, STATE / 2], &*state))?,
        ])?;
        let (_, probabilities) = outputs["output"].try_extract_tensor::<f32>()?;
        out.copy_from_slice(&probabilities[..count]);
        let (_, after) = outputs["stateN"].try_extract_tensor::<f32>()?;
        state.copy_from_slice(&after[..state.len()]);
        Ok(())
    }
}

/// The probabilities of a voice in the windows of 32 ms of a sound at 8 kHz, as calls get them.
#[pyfunction]
#[pyo3(signature = (library, model, samples, /))]
pub fn voice_probabilities(
    py: Python<'_>,
    library: PathBuf,
    model: Vec<u8>,
    samples: PyBuffer<i16>,
) -> PyResult<Vec<f32>> {
    let samples = samples.to_vec(py)?;
    py.detach(|| {
        let model = Silero::load(&library, &model).map_err(PyRuntimeError::new_err)?;
        let (mut ask, questions) = rtrb::RingBuffer::new(1);
        let (answers, mut told) = rtrb::RingBuffer::new(1);
        let mut detector = Detector::new(Box::new(model), vec![Desk { questions, answers }], 1, Arc::default());
        let mut probabilities = Vec::new();
        for (n, window) in samples.chunks_exact(WINDOW).enumerate() {
            let mut samples = [0; WINDOW];
            samples.copy_from_slice(window);
            let question = Ask {
                at: (n * WINDOW) as u64,
                fresh: false,
                samples,
            };
            let call = CallId::new(0, 0);
            if ask
                .push(Question {
                    call,
                    ask: question,
                    asked_us: 0,
                })
                .is_ok()
                && detector.answer() == 1
            {
                probabilities.extend(told.pop().map(|answer| answer.probability));
            }
        }
        Ok(probabilities)
    })
}
