//! The module `vivavoce._media`: the media plane's functions on Python buffers. It converts and does nothing else.
//!
//! Samples come in as any contiguous buffer of 16-bit integers (a NumPy array, an `array('h')`) and go out as a
//! `bytearray` in native order, which `numpy.frombuffer` takes without a copy and leaves writable. Input is copied once
//! before the interpreter's lock is released, because other threads may write to a buffer meanwhile.

mod plane;
mod silero;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use vivavoce_media::audio::{g711, resample};

/// Below this many samples work is shorter than giving the interpreter's lock away and waiting for it again.
const LONG: usize = 4096;

/// Run `work`, without the interpreter's lock where it is long.
fn released<T: Send>(py: Python<'_>, len: usize, work: impl FnOnce() -> T + Send) -> T {
    if len < LONG { work() } else { py.detach(work) }
}

fn samples_out<'py>(py: Python<'py>, samples: &[i16]) -> PyResult<Bound<'py, PyByteArray>> {
    PyByteArray::new_with(py, 2 * samples.len(), |bytes| {
        for (pair, sample) in bytes.chunks_exact_mut(2).zip(samples) {
            pair.copy_from_slice(&sample.to_ne_bytes());
        }
        Ok(())
    })
}

fn encode<'py>(py: Python<'py>, samples: &PyBuffer<i16>, into: fn(&[i16], &mut [u8])) -> PyResult<Bound<'py, PyBytes>> {
    let samples = samples.to_vec(py)?;
    let codes = released(py, samples.len(), || {
        let mut codes = vec![0; samples.len()];
        into(&samples, &mut codes);
        codes
    });
    Ok(PyBytes::new(py, &codes))
}

fn decode<'py>(
    py: Python<'py>,
    codes: &PyBuffer<u8>,
    into: fn(&[u8], &mut [i16]),
) -> PyResult<Bound<'py, PyByteArray>> {
    let codes = codes.to_vec(py)?;
    let samples = released(py, codes.len(), || {
        let mut samples = vec![0; codes.len()];
        into(&codes, &mut samples);
        samples
    });
    samples_out(py, &samples)
}

#[pyfunction]
#[pyo3(signature = (samples, /))]
fn ulaw_encode<'py>(py: Python<'py>, samples: PyBuffer<i16>) -> PyResult<Bound<'py, PyBytes>> {
    encode(py, &samples, g711::ulaw_encode)
}

#[pyfunction]
#[pyo3(signature = (samples, /))]
fn alaw_encode<'py>(py: Python<'py>, samples: PyBuffer<i16>) -> PyResult<Bound<'py, PyBytes>> {
    encode(py, &samples, g711::alaw_encode)
}

#[pyfunction]
#[pyo3(signature = (codes, /))]
fn ulaw_decode<'py>(py: Python<'py>, codes: PyBuffer<u8>) -> PyResult<Bound<'py, PyByteArray>> {
    decode(py, &codes, g711::ulaw_decode)
}

#[pyfunction]
#[pyo3(signature = (codes, /))]
fn alaw_decode<'py>(py: Python<'py>, codes: PyBuffer<u8>) -> PyResult<Bound<'py, PyByteArray>> {
    decode(py, &codes, g711::alaw_decode)
}

#[pyclass]
struct Resampler {
    inner: resample::Resampler,
    out: Vec<i16>,
}

#[pymethods]
impl Resampler {
    #[new]
    fn new(from_hz: u32, to_hz: u32) -> PyResult<Self> {
        let inner =
            resample::Resampler::new(from_hz, to_hz).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { inner, out: Vec::new() })
    }

    #[getter]
    fn look_ahead(&self) -> usize {
        self.inner.look_ahead()
    }

    #[pyo3(signature = (samples, /))]
    fn push<'py>(&mut self, py: Python<'py>, samples: PyBuffer<i16>) -> PyResult<Bound<'py, PyByteArray>> {
        let samples = samples.to_vec(py)?;
        self.out.clear();
        released(py, samples.len(), || self.inner.push(&samples, &mut self.out));
        samples_out(py, &self.out)
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        self.out.clear();
        self.inner.flush(&mut self.out);
        samples_out(py, &self.out)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

#[pymodule]
mod _media {
    #[pymodule_export]
    use super::plane::Plane;
    #[pymodule_export]
    use super::silero::voice_probabilities;
    #[pymodule_export]
    use super::{Resampler, alaw_decode, alaw_encode, ulaw_decode, ulaw_encode};
}
