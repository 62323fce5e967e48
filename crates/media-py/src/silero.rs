//! Silero's voice detector at 8 kHz, through the ONNX Runtime that the Python package brings.
//!
//! Inputs of the model (v5 and later): f32\[n, 32 + 256\], state f32\[2, n, 128\], the rate as i64.

use std::path::Path;

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use vivavoce_media::detector::{BEFORE, Model, STATE};
use vivavoce_media::hearing::{RATE_HZ, WINDOW};

/// The model, loaded.
pub struct Silero {
    session: Session,
}

impl Silero {
    /// # Errors
    ///
    /// Where the runtime's library or the model cannot be loaded.
    pub fn load(library: &Path, model: &Path) -> Result<Self, String> {
        let environment = ort::init_from(library).map_err(said)?.build().map_err(said)?;
        let session = Session::builder(&environment)
            .map_err(said)?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(said)?
            .with_intra_threads(1)
            .map_err(said)?
            .with_inter_threads(1)
            .map_err(said)?
            .commit_from_file(model)
            .map_err(said)?;
        Ok(Self { session })
    }
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
        let rate = [i64::from(RATE_HZ)];
        let outputs = self.session.run(ort::inputs![
            "input" => TensorRef::from_array_view(([count, BEFORE + WINDOW], input))?,
            "state" => TensorRef::from_array_view(([2, count, STATE / 2], &*state))?,
            "sr" => TensorRef::from_array_view((Vec::<usize>::new(), &rate[..]))?,
        ])?;
        let (_, probabilities) = outputs["output"].try_extract_tensor::<f32>()?;
        out.copy_from_slice(&probabilities[..count]);
        let (_, after) = outputs["stateN"].try_extract_tensor::<f32>()?;
        state.copy_from_slice(&after[..state.len()]);
        Ok(())
    }
}
