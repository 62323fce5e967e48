//! What is done to samples: companding and resampling.

pub mod g711;
mod kernel;
pub mod resample;
