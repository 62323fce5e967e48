//! What is done when the caller speaks while the agent does, decided without Python.
//!
//! `strict` clears the agent's speech as soon as a voice is certain. `patient` ducks it as soon as it is loud, before
//! anybody knows whether that is a voice, clears it when the caller goes on speaking or says something (which Python tells), and restores it for a back-channel. Time is sample time in ms.

/// How a call is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The agent is not interrupted.
    Off,
    Strict,
    Patient,
}

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Probability of a voice: while the agent is silent, and while it speaks.
    pub voice: f32,
    pub voice_while_playing: f32,
    /// Below it, a voice is over after `hang_ms`.
    pub silence: f32,
    pub hang_ms: u32,
    /// Below it, a voice may be over: work for an answer can begin. Higher than the others, since what tells voices
    /// from silence needs some 70 ms to see that one has ended.
    pub pause: f32,
    /// How long a voice must last to be certain: while the agent is silent, and while it speaks. The one is for whoever
    /// transcribes, the other must be quick: the higher threshold makes up for it.
    pub certain_ms: u32,
    pub certain_while_playing_ms: u32,
    /// How long it must last for `patient` to clear.
    pub patience_ms: u32,
    /// How long `patient` ducks for mere loudness, and how long it does not after it did so in vain.
    pub stir_ms: u32,
    pub calm_ms: u32,
    /// At this likeness to what is played it is an echo.
    pub echo: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            voice: 0.5,
            voice_while_playing: 0.6,
            silence: 0.35,
            hang_ms: 200,
            pause: 0.7,
            certain_ms: 60,
            certain_while_playing_ms: 30,
            patience_ms: 500,
            stir_ms: 300,
            calm_ms: 400,
            echo: 0.85,
        }
    }
}

/// What one window of sound was.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub start_ms: u64,
    pub end_ms: u64,
    /// Of a voice, 0 to 1.
    pub probability: f32,
    /// The likeness to what was played.
    pub echo: f32,
}

/// What is to be done and told, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    SpeechStart {
        at_ms: u64,
    },
    Duck,
    /// The interruption is certain: stop speaking.
    Clear,
    /// It was none: speak on at full level.
    Restore,
    /// It may be over. `SpeechResume` takes that back, `SpeechEnd` makes it certain.
    SpeechPause {
        at_ms: u64,
    },
    SpeechResume {
        at_ms: u64,
    },
    SpeechEnd {
        at_ms: u64,
    },
}

/// At most this many acts follow from one window.
pub type Acts = [Option<Act>; 3];

/// What the agent's speech underwent since the caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Ducked,
    /// Cleared; what is on the wire already may still be heard.
    Cleared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    /// A voice that may be nothing yet.
    Candidate {
        since_ms: u64,
    },
    Speaking {
        since_ms: u64,
        last_ms: u64,
        paused: bool,
        answer: Answer,
    },
}

/// The reflex of one call.
pub struct Reflex {
    policy: Policy,
    settings: Settings,
    state: State,
    /// Since when the agent is ducked for loudness that may be no voice.
    stirred_ms: Option<u64>,
    /// Loudness does nothing before.
    calm_until_ms: u64,
}

impl Reflex {
    #[must_use]
    pub const fn new(policy: Policy, settings: Settings) -> Self {
        Self {
            policy,
            settings,
            state: State::Quiet,
            stirred_ms: None,
            calm_until_ms: 0,
        }
    }

    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Take the next window; `playing` is whether the listener hears the agent.
    pub fn hear(&mut self, window: Window, playing: bool) -> Acts {
        let settings = self.settings;
        let needed = if playing {
            settings.voice_while_playing
        } else {
            settings.voice
        };
        let voice = window.probability >= needed && !(playing && window.echo >= settings.echo);
        match self.state {
            State::Quiet if voice => self.grown(window.start_ms, window.end_ms, playing),
            State::Candidate { since_ms } if voice => self.grown(since_ms, window.end_ms, playing),
            State::Quiet | State::Candidate { .. } => {
                self.state = State::Quiet;
                [self.calm(window.end_ms), None, None]
            }
            State::Speaking {
                since_ms,
                last_ms,
                paused,
                answer,
            } => {
                let quiet = window.probability < settings.pause;
                let at_ms = window.start_ms;
                let turned = match (paused, quiet) {
                    (false, true) => Some(Act::SpeechPause { at_ms }),
                    (true, false) => Some(Act::SpeechResume { at_ms }),
                    _ => None,
                };
                if voice || (window.probability >= settings.silence && !playing) {
                    let act = self.spoken(since_ms, window.end_ms, answer, playing);
                    self.pause(quiet);
                    return [turned, act, None];
                }
                if window.end_ms - last_ms < u64::from(settings.hang_ms) {
                    self.pause(quiet);
                    return [turned, None, None];
                }
                self.state = State::Quiet;
                let restore = (answer == Answer::Ducked).then_some(Act::Restore);
                [restore, Some(Act::SpeechEnd { at_ms: last_ms }), None]
            }
        }
    }

    /// What was said has meaning: an interruption under `patient`, however short.
    pub fn confirm(&mut self) -> Option<Act> {
        let State::Speaking {
            since_ms,
            last_ms,
            paused,
            answer: Answer::Ducked,
        } = self.state
        else {
            return None;
        };
        self.state = State::Speaking {
            since_ms,
            last_ms,
            paused,
            answer: Answer::Cleared,
        };
        Some(Act::Clear)
    }

    /// It is loud: under `patient` the agent is ducked until it is known whether that is a voice.
    pub fn stir(&mut self, at_ms: u64, echo: f32) -> Option<Act> {
        let settings = self.settings;
        let idle = self.stirred_ms.is_none() && !matches!(self.state, State::Speaking { .. });
        if self.policy != Policy::Patient || !idle || at_ms < self.calm_until_ms || echo >= settings.echo {
            return None;
        }
        self.stirred_ms = Some(at_ms);
        Some(Act::Duck)
    }

    /// It was no voice after all.
    fn calm(&mut self, now_ms: u64) -> Option<Act> {
        let since_ms = self.stirred_ms?;
        if now_ms < since_ms + u64::from(self.settings.stir_ms) {
            return None;
        }
        self.stirred_ms = None;
        self.calm_until_ms = now_ms + u64::from(self.settings.calm_ms);
        Some(Act::Restore)
    }

    fn grown(&mut self, since_ms: u64, end_ms: u64, playing: bool) -> Acts {
        let settings = self.settings;
        let certain_ms = if playing {
            settings.certain_while_playing_ms
        } else {
            settings.certain_ms
        };
        if end_ms - since_ms < u64::from(certain_ms) {
            self.state = State::Candidate { since_ms };
            return [None; 3];
        }
        let answer = if self.stirred_ms.take().is_some() {
            Answer::Ducked
        } else {
            Answer::Nothing
        };
        let act = self.spoken(since_ms, end_ms, answer, playing);
        [Some(Act::SpeechStart { at_ms: since_ms }), act, None]
    }

    const fn pause(&mut self, is: bool) {
        if let State::Speaking { paused, .. } = &mut self.state {
            *paused = is;
        }
    }

    /// The caller speaks, until `last_ms` at least.
    fn spoken(&mut self, since_ms: u64, last_ms: u64, answer: Answer, playing: bool) -> Option<Act> {
        let patience = last_ms - since_ms >= u64::from(self.settings.patience_ms);
        let act = match (self.policy, answer) {
            _ if !playing => None,
            (Policy::Strict, Answer::Nothing | Answer::Ducked) => Some(Act::Clear),
            (Policy::Patient, Answer::Nothing) => Some(Act::Duck),
            (Policy::Patient, Answer::Ducked) if patience => Some(Act::Clear),
            _ => None,
        };
        let answer = match act {
            Some(Act::Clear) => Answer::Cleared,
            Some(Act::Duck) => Answer::Ducked,
            // What is played after a silence is new: it is cut off as well.
            _ if !playing && answer == Answer::Cleared => Answer::Nothing,
            _ => answer,
        };
        self.state = State::Speaking {
            since_ms,
            last_ms,
            paused: false,
            answer,
        };
        act
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of 32 ms with these probabilities; every act with the end of the window that it followed.
    fn run(policy: Policy, playing: bool, echo: f32, probabilities: &[f32]) -> Vec<(u64, Act)> {
        let mut reflex = Reflex::new(policy, Settings::default());
        let mut told = vec![];
        for (n, &probability) in probabilities.iter().enumerate() {
            let (start_ms, end_ms) = (n as u64 * 32, n as u64 * 32 + 32);
            let acts = reflex.hear(
                Window {
                    start_ms,
                    end_ms,
                    probability,
                    echo,
                },
                playing,
            );
            told.extend(acts.into_iter().flatten().map(|act| (end_ms, act)));
        }
        told
    }

    fn voice(quiet: usize, loud: usize, after: usize) -> Vec<f32> {
        [vec![0.1; quiet], vec![0.95; loud], vec![0.1; after]].concat()
    }

    #[test]
    fn strict_clears_when_a_voice_is_certain() {
        let told = run(Policy::Strict, true, 0.0, &voice(3, 10, 10));
        assert_eq!(told[..2], [(128, Act::SpeechStart { at_ms: 96 }), (128, Act::Clear)]);
        let over = [
            (448, Act::SpeechPause { at_ms: 416 }),
            (640, Act::SpeechEnd { at_ms: 416 }),
        ];
        assert_eq!(told[2..], over, "it clears once");
    }

    #[test]
    fn an_agent_that_speaks_up_again_is_cleared_again() {
        let mut reflex = Reflex::new(Policy::Strict, Settings::default());
        let mut cleared = vec![];
        for (n, playing) in [true, true, true, false, false, true, true].into_iter().enumerate() {
            let (start_ms, end_ms) = (n as u64 * 32, n as u64 * 32 + 32);
            let acts = reflex.hear(
                Window {
                    start_ms,
                    end_ms,
                    probability: 0.9,
                    echo: 0.0,
                },
                playing,
            );
            cleared.extend(acts.contains(&Some(Act::Clear)).then_some(end_ms));
        }
        assert_eq!(cleared, [32, 192]);
    }

    #[test]
    fn patient_ducks_and_restores_for_a_back_channel() {
        let told = run(Policy::Patient, true, 0.0, &voice(3, 8, 10));
        let acts: Vec<_> = told.iter().map(|(_, act)| *act).collect();
        let expected = [
            Act::SpeechStart { at_ms: 96 },
            Act::Duck,
            Act::SpeechPause { at_ms: 352 },
            Act::Restore,
        ];
        assert_eq!(acts[..4], expected);
        assert!(!acts.contains(&Act::Clear));
    }

    #[test]
    fn patient_clears_when_the_caller_goes_on() {
        let told = run(Policy::Patient, true, 0.0, &voice(0, 20, 10));
        let clear = told.iter().find(|(_, act)| *act == Act::Clear).expect("it clears");
        assert_eq!(clear.0, 512);
        assert!(!told.iter().any(|(_, act)| *act == Act::Restore));
    }

    #[test]
    fn a_word_that_means_something_clears_at_once() {
        let mut reflex = Reflex::new(Policy::Patient, Settings::default());
        assert_eq!(reflex.confirm(), None);
        for n in 0..3 {
            reflex.hear(
                Window {
                    start_ms: n * 32,
                    end_ms: n * 32 + 32,
                    probability: 0.9,
                    echo: 0.0,
                },
                true,
            );
        }
        assert_eq!(reflex.confirm(), Some(Act::Clear));
        assert_eq!(reflex.confirm(), None);
    }

    #[test]
    fn noise_and_echo_do_nothing_while_the_agent_speaks() {
        assert_eq!(run(Policy::Strict, true, 0.9, &voice(1, 20, 10)), []);
        assert_eq!(run(Policy::Strict, true, 0.0, &[0.55; 20]), []);
    }

    #[test]
    fn loudness_ducks_a_patient_agent_until_it_is_known_what_it_was() {
        let mut reflex = Reflex::new(Policy::Patient, Settings::default());
        let mut told = vec![];
        for n in 0..60_u64 {
            if [1, 12, 45].contains(&n) {
                told.extend(reflex.stir(n * 32, 0.0).map(|act| (n * 32, act)));
                assert_eq!(reflex.stir(n * 32, 0.0), None);
            }
            let probability = if (47..50).contains(&n) { 0.9 } else { 0.1 };
            let window = Window {
                start_ms: n * 32,
                end_ms: n * 32 + 32,
                probability,
                echo: 0.0,
            };
            told.extend(reflex.hear(window, true).into_iter().flatten().map(|act| (n * 32, act)));
        }
        let expected = [
            (32, Act::Duck),
            (320, Act::Restore),
            // In vain: for a while it takes a voice.
            (1440, Act::Duck),
            (1504, Act::SpeechStart { at_ms: 1504 }),
            (1600, Act::SpeechPause { at_ms: 1600 }),
            (1792, Act::Restore),
            (1792, Act::SpeechEnd { at_ms: 1600 }),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn loudness_is_nothing_to_others_and_an_echo_is_nothing_to_anybody() {
        for (policy, echo) in [(Policy::Strict, 0.0), (Policy::Off, 0.0), (Policy::Patient, 0.9)] {
            assert_eq!(Reflex::new(policy, Settings::default()).stir(0, echo), None);
        }
    }

    #[test]
    fn while_the_agent_is_silent_speech_is_only_told() {
        let told = run(Policy::Strict, false, 0.9, &voice(1, 10, 10));
        let acts: Vec<_> = told.iter().map(|(_, act)| *act).collect();
        let expected = [
            Act::SpeechStart { at_ms: 32 },
            Act::SpeechPause { at_ms: 352 },
            Act::SpeechEnd { at_ms: 352 },
        ];
        assert_eq!(acts, expected);
    }

    #[test]
    fn a_pause_is_taken_back_when_the_voice_goes_on() {
        let told = run(
            Policy::Strict,
            false,
            0.0,
            &[voice(0, 5, 3), voice(0, 5, 1), voice(0, 5, 0)].concat(),
        );
        let expected = [
            (64, Act::SpeechStart { at_ms: 0 }),
            (192, Act::SpeechPause { at_ms: 160 }),
            (288, Act::SpeechResume { at_ms: 256 }),
            (448, Act::SpeechPause { at_ms: 416 }),
            (480, Act::SpeechResume { at_ms: 448 }),
        ];
        assert_eq!(told, expected);
    }
}
