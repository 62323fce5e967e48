//! One caller: a script that goes on every 20 ms, and a model of the peer's playout buffer. No I/O, time in µs.

use vivavoce_media::audio::g711;
use vivavoce_media::wire::base64;

use crate::report::Report;
use crate::wire::FRAME;

const FRAME_US: i64 = 20_000;
const SILENCE: [u8; FRAME] = [0xff; FRAME];
/// An echo's burst: so many frames of so many.
const BURST: u64 = 5;
const PERIOD: u64 = 50;
/// A longer pause between messages of sound begins a new reply.
const NEW_REPLY_US: i64 = 500_000;
/// A reply is still heard so long after its buffer ran dry.
const AUDIBLE_US: i64 = 100_000;
/// Softer by this is ducked; 15 dB are asked for.
const DUCKED: f32 = 0.3;

/// What callers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Speak, hear the reply, talk over it, and so on.
    Turns,
    /// Send a burst each second to a server that echoes.
    Echo,
    /// Send silence.
    Stream,
}

/// What callers say and how long they wait, in seconds.
pub struct Script {
    pub scenario: Scenario,
    /// Turns, and what is said in between that is no turn; in frames.
    pub turns: Vec<Vec<[u8; FRAME]>>,
    pub backchannels: Vec<Vec<[u8; FRAME]>>,
    /// How much of a reply is heard before one talks over it.
    pub barge_after_s: (f32, f32),
    pub reply_timeout_s: f32,
    /// After a back-channel or a confirmed interruption.
    pub pause_s: (f32, f32),
}

/// Cut μ-law bytes into frames, the last one filled up with silence.
#[must_use]
pub fn frames(bytes: &[u8]) -> Vec<[u8; FRAME]> {
    let of = |piece: &[u8]| {
        let mut frame = SILENCE;
        frame[..piece.len()].copy_from_slice(piece);
        frame
    };
    bytes.chunks(FRAME).map(of).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Speaking { backchannel: bool },
    Hearing,
}

/// Small random numbers that are the same in each run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn between(&mut self, (least, most): (f32, f32)) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        least + (most - least) * ((self.0 >> 40) as f32 / (1 << 24) as f32)
    }

    fn one_of(&mut self, count: usize) -> usize {
        (self.between((0.0, count as f32)) as usize).min(count - 1)
    }
}

/// One caller.
pub struct Caller {
    dice: Dice,
    state: State,
    clip: usize,
    clip_at: usize,
    /// Frames until the state ends.
    left: i64,
    sent: u64,
    speech_start_us: i64,
    speech_end_us: i64,
    burst_us: i64,
    awaiting_clear: bool,
    /// What was said last was no turn, and nothing was cleared for it.
    spared: bool,
    awaiting_duck: bool,
    awaiting_reply: bool,
    /// When the buffer runs dry; 0 before the first sound and after `clear`.
    dry_us: i64,
    /// The reply's earliest frame, as the time at which its first would have come; and frames since.
    grid_us: i64,
    grid_frames: i64,
    /// The reply's usual power.
    level: f32,
    turns_taken: u64,
}

impl Caller {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let left = (dice.between((0.3, 2.0)) * 50.0) as i64;
        Self {
            dice,
            state: State::Waiting,
            clip: 0,
            clip_at: 0,
            left,
            sent: 0,
            speech_start_us: 0,
            speech_end_us: 0,
            burst_us: 0,
            awaiting_clear: false,
            spared: false,
            awaiting_duck: false,
            awaiting_reply: false,
            dry_us: 0,
            grid_us: 0,
            grid_frames: 0,
            level: 0.0,
            turns_taken: 0,
        }
    }

    /// The next 20 ms.
    pub fn speak(&mut self, script: &Script, now_us: i64, report: &mut Report) -> [u8; FRAME] {
        self.sent += 1;
        match script.scenario {
            Scenario::Stream => SILENCE,
            Scenario::Echo => {
                let phase = (self.sent - 1) % PERIOD;
                if phase == 0 {
                    self.burst_us = now_us;
                }
                if phase < BURST {
                    script.turns[0][(20 + phase as usize).min(script.turns[0].len() - 1)]
                } else {
                    SILENCE
                }
            }
            Scenario::Turns => self.take_turns(script, now_us, report),
        }
    }

    fn take_turns(&mut self, script: &Script, now_us: i64, report: &mut Report) -> [u8; FRAME] {
        if let State::Speaking { backchannel } = self.state {
            let clip = if backchannel {
                &script.backchannels[self.clip]
            } else {
                &script.turns[self.clip]
            };
            let frame = clip[self.clip_at];
            self.clip_at += 1;
            if self.clip_at == clip.len() {
                self.end_speech(backchannel, script, now_us, report);
            }
            return frame;
        }
        self.left -= 1;
        if self.left > 0 {
            return SILENCE;
        }
        if self.state == State::Hearing && self.awaiting_reply {
            report.count("no_reply");
        }
        self.begin_speech(script, now_us, report);
        self.take_turns(script, now_us, report)
    }

    fn begin_speech(&mut self, script: &Script, now_us: i64, report: &mut Report) {
        // Only who talks over a reply that is heard expects something.
        let over = self.dry_us > now_us - AUDIBLE_US;
        let backchannel = over && !script.backchannels.is_empty() && self.dice.between((0.0, 1.0)) < 0.5;
        let clips = if backchannel {
            &script.backchannels
        } else {
            &script.turns
        };
        self.clip = self.dice.one_of(clips.len());
        self.state = State::Speaking { backchannel };
        (self.clip_at, self.speech_start_us) = (0, now_us);
        self.awaiting_clear = over && !backchannel;
        self.awaiting_duck = over;
        self.spared = backchannel;
        self.awaiting_reply = false;
        self.turns_taken += 1;
        report.count(if backchannel { "backchannels" } else { "turns" });
        if self.awaiting_clear {
            report.count("interruptions");
        }
    }

    fn end_speech(&mut self, backchannel: bool, script: &Script, now_us: i64, report: &mut Report) {
        if backchannel {
            // The reply goes on; later it is talked over in earnest.
            self.state = State::Hearing;
            self.left = (self.dice.between(script.pause_s) * 50.0) as i64;
            return;
        }
        self.state = State::Hearing;
        self.speech_end_us = now_us;
        // A reply that was not interrupted goes on: what comes next of it answers nothing.
        self.awaiting_reply = !self.awaiting_clear;
        if std::mem::take(&mut self.awaiting_clear) {
            report.count("missed_clears");
            self.left = (self.dice.between(script.barge_after_s) * 50.0) as i64;
        } else {
            self.left = (script.reply_timeout_s * 50.0) as i64;
        }
    }

    /// Take a message of sound, μ-law in Base64.
    pub fn hear(&mut self, script: &Script, payload: &[u8], now_us: i64, report: &mut Report) {
        let mut bytes = [0; 4096];
        let Some(count) = std::str::from_utf8(payload)
            .ok()
            .and_then(|text| base64::decode(text, &mut bytes))
        else {
            report.count("garbled");
            return;
        };
        let bytes = &bytes[..count];
        if report.open {
            report.frames_heard += (count / FRAME).max(1) as u64;
        }
        if script.scenario == Scenario::Echo {
            if self.burst_us > 0 && loud(bytes) {
                report.echo.add(report.open, now_us - self.burst_us);
                self.burst_us = 0;
            }
            return;
        }
        let long_us = count as i64 * 125;
        if self.awaiting_reply && self.state == State::Hearing {
            report.turn.add(report.open, now_us - self.speech_end_us);
            self.awaiting_reply = false;
            self.left = (self.dice.between(script.barge_after_s) * 50.0) as i64;
        }
        if now_us - self.dry_us > NEW_REPLY_US || self.dry_us == 0 {
            self.dry_us = now_us;
            (self.grid_us, self.grid_frames, self.level) = (now_us, 0, 0.0);
        }
        let late_us = (now_us - self.dry_us).max(0);
        report.audio_late.add(report.open, late_us);
        if late_us > FRAME_US {
            report.count("audible_gaps");
        }
        self.dry_us = self.dry_us.max(now_us) + long_us;
        report.ahead.add(report.open, self.dry_us - now_us);
        let place_us = now_us - self.grid_frames * FRAME_US;
        self.grid_us = self.grid_us.min(place_us);
        report.grid_late.add(report.open, place_us - self.grid_us);
        self.grid_frames += (count / FRAME) as i64;
        self.listen_for_duck(bytes, now_us, report);
    }

    fn listen_for_duck(&mut self, bytes: &[u8], now_us: i64, report: &mut Report) {
        let power = power(bytes);
        if self.awaiting_duck && self.level > 0.0 && power < self.level * DUCKED {
            report.duck.add(report.open, now_us - self.speech_start_us);
            self.awaiting_duck = false;
        } else if !matches!(self.state, State::Speaking { .. }) {
            self.level = self.level.max(power);
        }
    }

    /// The server asks to fall silent.
    pub fn clear(&mut self, now_us: i64, report: &mut Report) {
        if self.spared {
            report.count("false_clears");
        } else if self.awaiting_clear {
            report.barge_in.add(report.open, now_us - self.speech_start_us);
        } else {
            report.count("extra_clears");
        }
        self.spared = false;
        self.awaiting_clear = false;
        self.dry_us = 0;
    }

    /// How long until what is queued now is heard.
    #[must_use]
    pub fn waiting_us(&self, now_us: i64) -> i64 {
        (self.dry_us - now_us).max(0)
    }
}

fn power(bytes: &[u8]) -> f32 {
    let mut samples = [0; 4096];
    let samples = &mut samples[..bytes.len()];
    g711::ulaw_decode(bytes, samples);
    samples.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / bytes.len().max(1) as f32
}

/// Beyond the noise of a codec.
fn loud(bytes: &[u8]) -> bool {
    power(bytes) > 100.0 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(backchannels: usize) -> Script {
        Script {
            scenario: Scenario::Turns,
            turns: vec![vec![[0x10; FRAME]; 10]],
            backchannels: vec![vec![[0x20; FRAME]; 3]; backchannels],
            barge_after_s: (0.2, 0.2),
            reply_timeout_s: 1.0,
            pause_s: (0.2, 0.2),
        }
    }

    fn sound(level: u8) -> Vec<u8> {
        let mut text = vec![0; base64::encoded_len(FRAME)];
        base64::encode(&[level; FRAME], &mut text);
        text
    }

    struct Stage {
        caller: Caller,
        script: Script,
        report: Report,
        now_us: i64,
    }

    impl Stage {
        fn new(script: Script) -> Self {
            Self {
                caller: Caller::new(1),
                script,
                report: Report {
                    open: true,
                    ..Report::default()
                },
                now_us: 1,
            }
        }

        /// The frames of so many ticks; `reply` is what the server sends in each.
        fn run(&mut self, ticks: usize, reply: Option<u8>) -> Vec<u8> {
            (0..ticks)
                .map(|_| {
                    self.now_us += FRAME_US;
                    if let Some(level) = reply {
                        self.caller
                            .hear(&self.script, &sound(level), self.now_us, &mut self.report);
                    }
                    self.caller.speak(&self.script, self.now_us, &mut self.report)[0]
                })
                .collect()
        }
    }

    #[test]
    fn a_caller_talks_over_the_reply_and_wants_silence() {
        let mut stage = Stage::new(script(0));
        let said = stage.run(110, None);
        assert_eq!(said.iter().filter(|byte| **byte == 0x10).count(), 10);
        let said = stage.run(15, Some(0x00));
        assert_eq!(said.iter().filter(|byte| **byte == 0x10).count(), 6);
        stage.caller.clear(stage.now_us + 5_000, &mut stage.report);
        assert_eq!(stage.report.barge_in.quantile(0.5), 105.0);
        assert_eq!(stage.report.counts["turns"], 2);
        assert!(!stage.report.counts.contains_key("extra_clears"));
    }

    #[test]
    fn a_frame_is_late_against_the_reply_s_earliest() {
        let mut stage = Stage::new(script(0));
        for at_us in [0, 0, 0, 20_000, 47_000, 60_000] {
            stage
                .caller
                .hear(&stage.script, &sound(0), 5_000_000 + at_us, &mut stage.report);
        }
        assert_eq!(stage.report.grid_late.quantile(1.0), 7.0);
        assert_eq!(stage.report.ahead.quantile(1.0), 60.0);
        assert_eq!(stage.report.audio_late.quantile(1.0), 0.0);
    }

    #[test]
    fn a_softer_reply_is_ducked() {
        let mut stage = Stage::new(script(0));
        stage.run(120, None);
        stage.run(12, Some(0x00));
        stage.run(2, Some(0x30));
        assert!(stage.report.duck.quantile(0.5) > 0.0);
    }
}
