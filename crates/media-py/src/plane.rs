//! The plane's engine as Python holds it. It converts and does nothing else: waiting is Python's.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyConnectionError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyList, PyTuple};
use vivavoce_media::admission::Unfit;
use vivavoce_media::call::Limits;
use vivavoce_media::detector::Model;
use vivavoce_media::door::{CallId, Happening, reason};
use vivavoce_media::engine::{Absent, Config, Engine, Sound, Unplayed};
use vivavoce_media::playout::Fate;
use vivavoce_media::reflex::{Policy, Settings as ReflexSettings};
use vivavoce_media::scheduling::Class;
use vivavoce_media::stats::{Histogram, WorkerStats};
use vivavoce_media::worker::Settings;

use crate::silero::Silero;
use crate::{released, samples_out};

fn policy(name: &str) -> PyResult<Policy> {
    match name {
        "off" => Ok(Policy::Off),
        "strict" => Ok(Policy::Strict),
        "patient" => Ok(Policy::Patient),
        _ => Err(PyValueError::new_err(format!(
            "no policy {name:?}: off, strict or patient"
        ))),
    }
}

fn class(name: &str) -> PyResult<Class> {
    [Class::Default, Class::ShortSlice, Class::RealTime]
        .into_iter()
        .find(|class| class.name() == name)
        .ok_or_else(|| PyValueError::new_err(format!("no class {name:?}: real-time, short-slice or default")))
}

fn absent(absent: Absent) -> PyErr {
    PyConnectionError::new_err(match absent {
        Absent::Unknown => "the call is over",
        Absent::NotStarted => "the call has not begun",
    })
}

/// A happening as a tuple of the call, its name, two figures and the time in µs.
fn event<'py>(py: Python<'py>, call: CallId, happening: Happening, at_us: u64) -> PyResult<Bound<'py, PyTuple>> {
    let closed;
    let (name, a, b) = match happening {
        Happening::Started => ("started", 0, 0),
        Happening::SpeechStart { at_ms } => ("speech_start", at_ms, 0),
        Happening::SpeechPause { at_ms } => ("speech_pause", at_ms, 0),
        Happening::SpeechResume { at_ms } => ("speech_resume", at_ms, 0),
        Happening::SpeechEnd { at_ms } => ("speech_end", at_ms, 0),
        Happening::Ducked => ("ducked", 0, 0),
        Happening::Confirmed { dropped, heard } => ("confirmed", dropped, heard),
        Happening::Refuted => ("refuted", 0, 0),
        Happening::Cleared { dropped, heard } => ("cleared", dropped, heard),
        Happening::Mark { name, fate } => ("mark", u64::from(name), u64::from(fate == Fate::Played)),
        Happening::Dtmf(digit) => ("dtmf", u64::from(u32::from(digit)), 0),
        Happening::Underrun { gap_us } => ("underrun", gap_us, 0),
        Happening::Closed(number) => {
            closed = reason(number);
            return (call.0, "closed", closed, 0, at_us).into_pyobject(py);
        }
    };
    (call.0, name, a, b, at_us).into_pyobject(py)
}

fn sound<'py>(py: Python<'py>, sound: &Sound) -> PyResult<(u32, u64, Bound<'py, PyByteArray>)> {
    Ok((sound.call.0, sound.start, samples_out(py, &sound.samples)?))
}

fn quantiles<'py>(py: Python<'py>, histogram: &Histogram) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("n", histogram.count())?;
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)] {
        dict.set_item(name, histogram.quantile(share) as f64 / 1000.0)?;
    }
    dict.set_item("max", histogram.most() as f64 / 1000.0)?;
    Ok(dict)
}

#[pyclass]
pub struct Plane {
    /// Python may come from any thread; nothing waits while it holds this.
    engine: Mutex<Engine>,
}

#[pymethods]
impl Plane {
    #[new]
    #[pyo3(signature = (*, host, port, workers, calls, anonymous, rate_hz, lead_ms, scheduling, door_s, events, silero=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of one constructor")]
    fn new(
        py: Python<'_>,
        host: &str,
        port: u16,
        workers: usize,
        calls: usize,
        anonymous: usize,
        rate_hz: u32,
        lead_ms: u64,
        scheduling: &str,
        door_s: usize,
        events: u32,
        silero: Option<(PathBuf, Vec<u8>)>,
    ) -> PyResult<Self> {
        let address = format!("{host}:{port}").parse::<SocketAddr>();
        let config = Config {
            bind: address.map_err(|_| PyValueError::new_err(format!("{host} is no address of this machine")))?,
            workers,
            worker: Settings {
                limits: Limits::default(),
                reflex: ReflexSettings::default(),
                lead_us: 1000 * lead_ms,
                most_calls: calls,
                most_anonymous: anonymous,
                door_hz: rate_hz,
                duck_db: -15.0,
                duck_ms: 10,
                class: class(scheduling)?,
            },
            door_s,
            events,
        };
        py.detach(|| {
            let model: Option<Box<dyn Model>> = match silero {
                Some((library, model)) => Some(Box::new(
                    Silero::load(&library, &model).map_err(PyRuntimeError::new_err)?,
                )),
                None => None,
            };
            let engine = Engine::start(&config, model).map_err(|error| PyOSError::new_err(error.to_string()))?;
            Ok(Self {
                engine: Mutex::new(engine),
            })
        })
    }

    #[getter]
    fn port(&self) -> u16 {
        self.engine().address().port()
    }

    /// A descriptor that is readable when something of consequence happened.
    #[getter]
    fn bell(&self) -> i32 {
        self.engine().upwards().bell().as_raw_fd()
    }

    #[pyo3(signature = (token, *, ttl_ms, policy, piece_ms))]
    fn expect(&self, token: &[u8], ttl_ms: u64, policy: &str, piece_ms: u32) -> PyResult<u32> {
        let policy = self::policy(policy)?;
        match self.engine().expect(token, ttl_ms, policy, piece_ms) {
            Ok(call) => Ok(call.0),
            Err(Unfit::Length) => Err(PyValueError::new_err("a token has 1 to 128 bytes")),
            Err(Unfit::Character) => Err(PyValueError::new_err("a token has letters, digits and -._~ only")),
            Err(Unfit::Known) => Err(PyValueError::new_err("this token is expected already")),
            Err(Unfit::Full) => Err(PyConnectionError::new_err(
                "as many calls are expected as there is room for",
            )),
        }
    }

    /// 0 where the samples were taken; otherwise there is no room for so many ms, unless something is cleared.
    #[pyo3(signature = (call, epoch, samples, rate_hz, *, last))]
    fn play(
        &self,
        py: Python<'_>,
        call: u32,
        epoch: u32,
        samples: PyBuffer<i16>,
        rate_hz: u32,
        last: bool,
    ) -> PyResult<u64> {
        let samples = samples.to_vec(py)?;
        let play = || self.engine().play(CallId(call), epoch, &samples, rate_hz, last);
        match released(py, samples.len(), play) {
            Ok(()) => Ok(0),
            Err(Unplayed::Full { wait_ms }) => Ok(wait_ms),
            Err(Unplayed::Absent(why)) => Err(absent(why)),
            Err(Unplayed::TooLong) => Err(PyValueError::new_err("a piece of speech has 30 s at most")),
            Err(Unplayed::Rate(error)) => Err(PyValueError::new_err(error.to_string())),
        }
    }

    fn mark(&self, call: u32, name: u32) -> PyResult<bool> {
        self.engine().mark(CallId(call), name).map_err(absent)
    }

    fn clear(&self, call: u32) -> PyResult<bool> {
        self.engine().clear(CallId(call)).map_err(absent)
    }

    #[pyo3(name = "policy")]
    fn set_policy(&self, call: u32, policy: &str) -> PyResult<bool> {
        let policy = self::policy(policy)?;
        self.engine().set_policy(CallId(call), policy).map_err(absent)
    }

    fn confirm(&self, call: u32) -> PyResult<bool> {
        self.engine().confirm(CallId(call)).map_err(absent)
    }

    fn hang_up(&self, call: u32) -> PyResult<bool> {
        self.engine().hang_up(CallId(call)).map_err(absent)
    }

    /// Ask for more of a caller's sound.
    fn want(&self, call: u32) {
        self.engine().want(CallId(call));
    }

    /// What happened, and the pieces of sound that were asked for and are whole.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let (events, sounds) = (PyList::empty(py), PyList::empty(py));
        let mut failed = Ok(());
        let mut engine = self.engine();
        engine.reports(|report| {
            let added = event(py, report.call, report.happening, report.at_us).and_then(|event| events.append(event));
            failed = std::mem::replace(&mut failed, Ok(())).and(added);
        });
        engine.sounds(|piece| {
            let added = sound(py, &piece).and_then(|sound| sounds.append(sound));
            failed = std::mem::replace(&mut failed, Ok(())).and(added);
        });
        failed?;
        Ok((events, sounds))
    }

    /// What is left of a caller's sound, a piece at most; empty when there is no more.
    fn rest<'py>(&self, py: Python<'py>, call: u32) -> PyResult<Option<(u32, u64, Bound<'py, PyByteArray>)>> {
        self.engine()
            .rest(CallId(call))
            .map(|piece| sound(py, &piece))
            .transpose()
    }

    /// The wire's rate, the stream's name, the call's, a JSON object of parameters, and the wire's codec.
    fn started(&self, call: u32) -> Option<(u32, String, String, String, &'static str)> {
        let mut engine = self.engine();
        let started = engine.started(CallId(call))?;
        Some((
            started.rate_hz,
            started.stream.clone(),
            started.call.clone(),
            started.parameters.clone(),
            started.codec,
        ))
    }

    /// Of a call that is over: its packets, how many came after a gap, and the jitter's p50 and p95 in ms.
    fn arrivals(&self, call: u32) -> Option<(u64, u64, f64, f64)> {
        let arrivals = self.engine().arrivals(CallId(call))?;
        let (p50_ms, p95_ms) = (arrivals.p50_us as f64 / 1000.0, arrivals.p95_us as f64 / 1000.0);
        Some((arrivals.packets, arrivals.gaps, p50_ms, p95_ms))
    }

    /// Make room for one more event of a call.
    fn taken(&self, call: u32) {
        self.engine().taken(CallId(call));
    }

    /// Let a call that is over go.
    fn forget(&self, call: u32) {
        self.engine().forget(CallId(call));
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let engine = self.engine();
        let sum = |of: fn(&WorkerStats) -> u64| engine.workers().map(of).sum::<u64>();
        let merged = |of: fn(&WorkerStats) -> &Histogram| {
            let all = Histogram::default();
            engine.workers().for_each(|worker| all.add(of(worker)));
            all
        };
        dict.set_item("calls", sum(|worker| worker.calls.load(Ordering::Relaxed)))?;
        dict.set_item("anonymous", sum(|worker| worker.anonymous.load(Ordering::Relaxed)))?;
        dict.set_item("refused", sum(|worker| worker.refused.load(Ordering::Relaxed)))?;
        dict.set_item("frames_in", sum(|worker| worker.frames_in.load(Ordering::Relaxed)))?;
        dict.set_item("frames_out", sum(|worker| worker.frames_out.load(Ordering::Relaxed)))?;
        dict.set_item("frames_lost", sum(|worker| worker.frames_lost.load(Ordering::Relaxed)))?;
        dict.set_item("frames_late", sum(|worker| worker.frames_late.load(Ordering::Relaxed)))?;
        dict.set_item("panics", sum(|worker| worker.panics.load(Ordering::Relaxed)))?;
        dict.set_item(
            "worker_cpu_s",
            sum(|worker| worker.cpu_ns.load(Ordering::Relaxed)) as f64 / 1e9,
        )?;
        dict.set_item("late_ms", quantiles(py, &merged(|worker| &worker.late_us))?)?;
        dict.set_item("ahead_ms", quantiles(py, &merged(|worker| &worker.ahead_us))?)?;
        dict.set_item("clear_ms", quantiles(py, &merged(|worker| &worker.clear_us))?)?;
        dict.set_item("silero_wait_ms", quantiles(py, &merged(|worker| &worker.wait_us))?)?;
        dict.set_item("event_age_ms", quantiles(py, engine.age_us())?)?;
        dict.set_item("threads_lost", engine.threads_lost())?;
        let detector = engine.detector();
        dict.set_item("silero_windows", detector.windows.load(Ordering::Relaxed))?;
        dict.set_item("silero_runs", detector.runs.load(Ordering::Relaxed))?;
        dict.set_item("silero_run_s", detector.run_ns.load(Ordering::Relaxed) as f64 / 1e9)?;
        dict.set_item("silero_cpu_s", detector.cpu_ns.load(Ordering::Relaxed) as f64 / 1e9)?;
        let unheard = detector.failed.load(Ordering::Relaxed) + sum(|worker| worker.unasked.load(Ordering::Relaxed));
        dict.set_item("silero_unheard", unheard)?;
        let classes = [Class::Default, Class::ShortSlice, Class::RealTime];
        let granted = |worker: &WorkerStats| classes[usize::from(worker.class.load(Ordering::Relaxed)).min(2)].name();
        dict.set_item("scheduling", engine.workers().map(granted).collect::<Vec<_>>())?;
        Ok(dict)
    }

    /// Hang up every call and end all threads.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.engine().stop());
    }
}

impl Plane {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
