//! What a run measured, as the JSON of `twilio_load.py` with more fields.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Timings in ms, kept while the window is open.
#[derive(Default)]
pub struct Samples(Vec<f32>);

impl Samples {
    pub fn add(&mut self, open: bool, us: i64) {
        if open {
            self.0.push(us as f32 / 1000.0);
        }
    }

    #[must_use]
    pub fn quantile(&self, share: f64) -> f32 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f32::total_cmp);
        let at = ((share * sorted.len() as f64) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or(0.0)
    }

    fn json(&self) -> String {
        if self.0.is_empty() {
            return r#"{"n": 0}"#.to_owned();
        }
        let mut sorted = self.0.clone();
        sorted.sort_by(f32::total_cmp);
        let at = |share: f64| sorted[((share * sorted.len() as f64) as usize).min(sorted.len() - 1)];
        format!(
            r#"{{"n": {}, "p50": {:.2}, "p95": {:.2}, "p99": {:.2}, "p999": {:.2}, "max": {:.2}}}"#,
            sorted.len(),
            at(0.5),
            at(0.95),
            at(0.99),
            at(0.999),
            sorted[sorted.len() - 1]
        )
    }
}

/// Everything that all calls share.
#[derive(Default)]
pub struct Report {
    /// Whether what happens now counts.
    pub open: bool,
    /// First frame of speech written → `clear` read, where the caller talks over the reply.
    pub barge_in: Samples,
    /// The same → the reply is softer.
    pub duck: Samples,
    /// Last frame of speech written → first sound of the reply read.
    pub turn: Samples,
    /// How long after the caller's buffer ran dry a message came.
    pub audio_late: Samples,
    /// How long after its place on a grid of 20 ms a frame came; the grid is that of the reply's earliest frame.
    pub grid_late: Samples,
    /// How much sound waits in the caller's buffer after a message came.
    pub ahead: Samples,
    /// Burst written → burst read.
    pub echo: Samples,
    /// The generator's own lateness.
    pub tick_late: Samples,
    pub counts: BTreeMap<&'static str, u64>,
    pub frames_sent: u64,
    pub frames_heard: u64,
}

impl Report {
    pub fn count(&mut self, name: &'static str) {
        if self.open {
            self.count_always(name);
        }
    }

    /// Count what matters before the window, too.
    pub fn count_always(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// One JSON object; `void_ms` is the lateness of our own beyond which latencies mean nothing.
    #[must_use]
    pub fn json(
        &self,
        scenario: &str,
        calls: usize,
        alive: usize,
        seconds: f64,
        cpu_share: f64,
        void_ms: f32,
    ) -> String {
        let mut counts = String::new();
        for (n, (name, count)) in self.counts.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(counts, r#"{}"{name}": {count}"#, if n > 0 { ", " } else { "" });
        }
        format!(
            r#"{{"scenario": "{scenario}", "calls": {calls}, "alive": {alive}, "seconds": {seconds:.1}, "barge_in_ms": {}, "duck_ms": {}, "turn_ms": {}, "audio_late_ms": {}, "grid_late_ms": {}, "ahead_ms": {}, "echo_ms": {}, "bot_audio_s": {:.1}, "frames_sent": {}, "frames_heard": {}, "counts": {{{counts}}}, "generator": {{"tick_late_ms": {}, "cpu_percent": {:.1}, "valid": {}}}}}"#,
            self.barge_in.json(),
            self.duck.json(),
            self.turn.json(),
            self.audio_late.json(),
            self.grid_late.json(),
            self.ahead.json(),
            self.echo.json(),
            self.frames_heard as f64 / 50.0,
            self.frames_sent,
            self.frames_heard,
            self.tick_late.json(),
            100.0 * cpu_share,
            self.tick_late.quantile(0.99) <= void_ms,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_the_window_does_not_count() {
        let mut report = Report::default();
        report.count("early");
        report.tick_late.add(report.open, 9_000_000);
        report.open = true;
        report.count("extra_clears");
        for ms in 1..=100 {
            report.tick_late.add(report.open, ms * 1000);
        }
        let json = report.json("turns", 2, 1, 3.0, 0.5, 5.0);
        assert!(json.contains(r#""counts": {"extra_clears": 1}"#), "{json}");
        let late =
            r#""tick_late_ms": {"n": 100, "p50": 51.00, "p95": 96.00, "p99": 100.00, "p999": 100.00, "max": 100.00}"#;
        assert!(json.contains(late), "{json}");
        assert!(json.contains(r#""cpu_percent": 50.0, "valid": false"#), "{json}");
    }
}
