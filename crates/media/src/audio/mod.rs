//! Samples: codecs, sampling rates, levels, echoes. All are 16-bit, native-endian, one channel.

pub mod echo;
pub mod g711;
pub mod gate;
mod kernel;
pub mod mix;
pub mod resample;
mod simd;
