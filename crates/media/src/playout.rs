//! What a call's listener will hear: a queue of speech, a short lead on the wire, epochs, marks, and what was heard.
//!
//! The *queue* holds seconds of speech; the *lead* is what has been sent ahead of real time and is beyond recall. Sound
//! leaves in frames of 20 ms as long as the lead stays within its bound. After a stall the missing frames leave at once, in
//! order, until the lead is whole again, and no word is dropped. Time is passed in, in microseconds.

pub use crate::marks::Fate;
use crate::marks::Marks;
use crate::queue::chunks::{Chunk, Chunks};

/// One frame: 20 ms.
pub const FRAME_US: u64 = 20_000;

const FRAMES_A_SECOND: u64 = 1_000_000 / FRAME_US;

/// How a call is played.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub rate_hz: u32,
    /// Seconds of speech that may wait.
    pub queue_s: u32,
    /// Pieces of speech that may wait, and marks.
    pub chunks: usize,
    pub marks: usize,
    /// How far ahead of real time sound is sent; at least one frame.
    pub lead_us: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_hz: 8000,
            queue_s: 30,
            chunks: 64,
            marks: 64,
            lead_us: 60_000,
        }
    }
}

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room now.
    Full,
    /// Its epoch is older than one that was cleared.
    Stale,
}

/// What `clear` took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Sound that was queued and will not be sent.
    pub samples: u64,
    /// Sound that was sent and, where the peer does not drop it, is heard all the same.
    pub lead_us: u64,
}

/// How a frame left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// After the moment at which it was due.
    pub late_us: u64,
    /// The listener heard nothing for so long in the middle of an epoch.
    pub gap_us: u64,
    /// How far ahead of real time the wire is with it.
    pub ahead_us: u64,
    /// Samples of speech in it.
    pub samples: usize,
}

/// The playout of one call. All room is made at the start.
pub struct Playout {
    settings: Settings,
    frame: usize,
    samples: Chunks,
    marks: Marks,
    /// Samples queued and sent since the call began.
    queued: u64,
    sent: u64,
    /// When the last sample that was sent will have been heard.
    heard_at_us: u64,
    /// Since when something waits.
    waits_from_us: u64,
    /// The epoch of which the last frame was.
    sent_epoch: Option<u32>,
    /// The newest epoch that was played, and the oldest that still may be.
    epoch: Option<u32>,
    floor: u32,
    /// Samples that were queued before the newest epoch.
    epoch_from: u64,
}

impl Playout {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            frame: (u64::from(settings.rate_hz) / FRAMES_A_SECOND) as usize,
            samples: Chunks::new(settings.chunks),
            marks: Marks::new(settings.marks),
            queued: 0,
            sent: 0,
            heard_at_us: 0,
            waits_from_us: 0,
            sent_epoch: None,
            epoch: None,
            floor: 0,
            epoch_from: 0,
        }
    }

    /// Queue sound of an epoch.
    ///
    /// # Errors
    ///
    /// `Stale` for an epoch before one that was cleared, `Full` where it does not find room; then it is spent.
    pub fn play(&mut self, epoch: u32, chunk: Chunk, now_us: u64) -> Result<(), Refused> {
        let refused = if epoch < self.floor {
            Refused::Stale
        } else if self.samples.len() + chunk.len() > self.limit() || !self.samples.has_room() {
            Refused::Full
        } else {
            if self.epoch.is_none_or(|newest| epoch > newest) {
                self.epoch = Some(epoch);
                self.epoch_from = self.queued;
            }
            if self.samples.is_empty() {
                self.waits_from_us = now_us;
            }
            self.queued += chunk.len() as u64;
            self.samples.push(chunk);
            return Ok(());
        };
        self.samples.refuse(chunk);
        Err(refused)
    }

    /// Sound that is used up or was refused, for whoever made it to free.
    pub fn spent(&mut self) -> Option<Chunk> {
        self.samples.spent()
    }

    /// Ask to be told when everything queued so far was heard; `epoch` is that of the last of it.
    ///
    /// # Errors
    ///
    /// `Full` when too many marks wait, `Stale` when the epoch was cleared.
    pub fn mark(&mut self, name: u32, epoch: u32) -> Result<(), Refused> {
        if epoch < self.floor {
            return Err(Refused::Stale);
        }
        if self.marks.push(name, self.queued) {
            Ok(())
        } else {
            Err(Refused::Full)
        }
    }

    /// Take back what was not sent. Sound of the epochs so far is refused from now on.
    ///
    /// The peer is told to drop what it holds, so that nothing more is heard; the marks of all that are reported by
    /// [`Self::next_mark`] as cleared.
    pub fn clear(&mut self, now_us: u64) -> Dropped {
        let samples = self.samples.len() as u64;
        self.samples.clear();
        let (lead_us, heard) = (self.ahead_us(now_us), self.heard(now_us));
        self.marks.clear_after(heard);
        (self.sent, self.queued) = (heard, heard);
        self.heard_at_us = self.heard_at_us.min(now_us);
        self.epoch_from = self.epoch_from.min(self.queued);
        self.floor = self.epoch.map_or(self.floor, |epoch| epoch.saturating_add(1));
        Dropped { samples, lead_us }
    }

    /// Write the next frame into `out` if one is due.
    ///
    /// Call it until there is none. A frame that the queue cannot fill waits until the listener is about to hear nothing,
    /// and is filled up with silence then.
    ///
    /// # Panics
    ///
    /// If `out` is not one frame long.
    pub fn next_frame(&mut self, now_us: u64, out: &mut [i16]) -> Option<Sent> {
        assert_eq!(out.len(), self.frame, "a frame is 20 ms");
        let due_us = self.due_us()?;
        if due_us > now_us {
            return None;
        }
        // A pause of more than a second was meant: the next words of this epoch had not been thought of.
        let dry_us = now_us.saturating_sub(self.heard_at_us);
        let amid = self.sent_epoch == self.epoch && self.sent > self.epoch_from && dry_us < 1_000_000;
        let late_us = now_us.saturating_sub(due_us.max(self.waits_from_us));
        let taken = self.samples.take(out);
        out[taken..].fill(0);
        self.sent += taken as u64;
        self.sent_epoch = self.epoch;
        // A peer that ran dry begins anew when this arrives.
        self.heard_at_us = self.heard_at_us.max(now_us) + FRAME_US;
        Some(Sent {
            late_us,
            gap_us: if amid { dry_us } else { 0 },
            ahead_us: self.ahead_us(now_us),
            samples: taken,
        })
    }

    /// When `next_frame` is to be asked again; None while nothing is queued.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        let whole = self.samples.len() >= self.frame;
        let spare = if whole {
            self.settings.lead_us.saturating_sub(FRAME_US)
        } else {
            FRAME_US - 1
        };
        (!self.samples.is_empty()).then(|| self.heard_at_us.saturating_sub(spare))
    }

    /// When the fate of the next mark will be known, unless there is a `clear` before; None while it is not sent whole.
    #[must_use]
    pub fn mark_due_us(&self) -> Option<u64> {
        let Some(at) = self.marks.first()? else {
            return Some(0);
        };
        let after = self.sent.checked_sub(at)?;
        Some(
            self.heard_at_us
                .saturating_sub(after * 1_000_000 / u64::from(self.settings.rate_hz)),
        )
    }

    /// The next mark whose fate is known.
    pub fn next_mark(&mut self, now_us: u64) -> Option<(u32, Fate)> {
        self.marks.next(self.heard(now_us))
    }

    /// Samples heard since the call began, silence between them not counted.
    #[must_use]
    pub fn heard(&self, now_us: u64) -> u64 {
        let ahead = (self.ahead_us(now_us) * u64::from(self.settings.rate_hz)).div_ceil(1_000_000);
        self.sent.saturating_sub(ahead)
    }

    /// Samples heard of the newest epoch.
    #[must_use]
    pub fn heard_of_epoch(&self, now_us: u64) -> u64 {
        self.heard(now_us).saturating_sub(self.epoch_from)
    }

    /// Whether the listener hears something, or soon will.
    #[must_use]
    pub fn is_playing(&self, now_us: u64) -> bool {
        !self.samples.is_empty() || self.heard_at_us > now_us
    }

    /// Samples that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.samples.len()
    }

    fn ahead_us(&self, now_us: u64) -> u64 {
        self.heard_at_us.saturating_sub(now_us)
    }

    fn limit(&self) -> usize {
        self.settings.rate_hz as usize * self.settings.queue_s as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: usize = 160;

    fn ramp(from: usize, count: usize) -> Vec<i16> {
        (from..from + count).map(|n| n as i16).collect()
    }

    fn play(playout: &mut Playout, epoch: u32, samples: &[i16]) -> Result<(), Refused> {
        playout.play(epoch, samples.into(), 0)
    }

    fn frames(playout: &mut Playout, now_us: u64) -> Vec<Vec<i16>> {
        let mut all = vec![];
        let mut frame = [0; FRAME];
        while playout.next_frame(now_us, &mut frame).is_some() {
            all.push(frame.to_vec());
        }
        all
    }

    #[test]
    fn the_lead_is_sent_at_once_and_then_a_frame_each_20_ms() {
        let mut playout = Playout::new(Settings::default());
        assert_eq!(play(&mut playout, 1, &ramp(0, 10 * FRAME)), Ok(()));
        assert_eq!(frames(&mut playout, 0).concat(), ramp(0, 3 * FRAME));
        for n in 3..10 {
            let due = playout.due_us().expect("sound is queued");
            assert_eq!(frames(&mut playout, due - 1).len(), 0);
            assert_eq!(frames(&mut playout, due).concat(), ramp(n * FRAME, FRAME));
        }
        assert_eq!(playout.due_us(), None);
    }

    #[test]
    fn after_a_stall_the_lead_is_made_whole_and_nothing_is_lost() {
        let mut playout = Playout::new(Settings::default());
        play(&mut playout, 1, &ramp(0, 20 * FRAME)).expect("there is room");
        let mut said = frames(&mut playout, 0).concat();
        let late = frames(&mut playout, 500_000);
        assert_eq!(late.len(), 3);
        said.extend(late.concat());
        for tick in 1..40 {
            said.extend(frames(&mut playout, 500_000 + tick * FRAME_US).concat());
        }
        assert_eq!(said, ramp(0, 20 * FRAME));
    }

    #[test]
    fn after_clear_nothing_goes_out_and_old_epochs_are_refused() {
        let mut playout = Playout::new(Settings::default());
        play(&mut playout, 4, &ramp(0, 10 * FRAME)).expect("there is room");
        playout.mark(1, 1).expect("there is room");
        frames(&mut playout, 0);
        let dropped = playout.clear(10_000);
        assert_eq!(
            dropped,
            Dropped {
                samples: 7 * FRAME as u64,
                lead_us: 50_000
            }
        );
        assert_eq!(playout.next_mark(10_000), Some((1, Fate::Cleared)));
        assert_eq!(frames(&mut playout, 1_000_000).len(), 0);
        assert_eq!(play(&mut playout, 4, &[1]), Err(Refused::Stale));
        assert_eq!(play(&mut playout, 5, &[1]), Ok(()));
    }

    #[test]
    fn only_marks_of_what_was_heard_are_played_when_it_is_cleared() {
        let mut playout = Playout::new(Settings::default());
        for name in 0..3 {
            play(&mut playout, 1, &ramp(0, FRAME)).expect("there is room");
            playout.mark(name, 1).expect("there is room");
        }
        frames(&mut playout, 0);
        assert_eq!(playout.clear(20_000).lead_us, 40_000);
        let told: Vec<_> = std::iter::from_fn(|| playout.next_mark(20_000)).collect();
        assert_eq!(told, [(0, Fate::Played), (1, Fate::Cleared), (2, Fate::Cleared)]);
        assert_eq!(playout.heard(9_000_000), FRAME as u64);
        assert_eq!(playout.mark(3, 1), Err(Refused::Stale));
        // The peer holds nothing any more: what comes next is heard at once.
        play(&mut playout, 2, &ramp(0, FRAME)).expect("there is room");
        playout.mark(4, 2).expect("there is room");
        assert_eq!(frames(&mut playout, 20_000).len(), 1);
        assert_eq!(playout.next_mark(39_999), None);
        assert_eq!(playout.next_mark(40_000), Some((4, Fate::Played)));
    }

    #[test]
    fn clearing_a_call_that_said_nothing_refuses_nothing() {
        let mut playout = Playout::new(Settings::default());
        playout.clear(0);
        assert_eq!(play(&mut playout, 0, &ramp(0, FRAME)), Ok(()));
        playout.clear(0);
        assert_eq!(play(&mut playout, 0, &ramp(0, FRAME)), Err(Refused::Stale));
    }

    #[test]
    fn what_was_heard_follows_the_peers_clock() {
        let mut playout = Playout::new(Settings::default());
        play(&mut playout, 1, &ramp(0, 2 * FRAME)).expect("there is room");
        frames(&mut playout, 1_000_000);
        assert_eq!(playout.heard(1_000_000), 0);
        assert_eq!(playout.heard(1_030_000), 240);
        assert_eq!(playout.heard(9_000_000), 320);
        play(&mut playout, 2, &ramp(0, FRAME)).expect("there is room");
        frames(&mut playout, 9_000_000);
        assert_eq!(playout.heard_of_epoch(9_010_000), 80);
    }

    #[test]
    fn a_rest_is_sent_when_the_listener_would_hear_nothing() {
        let mut playout = Playout::new(Settings::default());
        play(&mut playout, 1, &ramp(1, FRAME + 40)).expect("there is room");
        assert_eq!(frames(&mut playout, 0).len(), 1);
        assert_eq!(frames(&mut playout, 0).len(), 0);
        let rest = frames(&mut playout, 1).concat();
        assert_eq!(rest[..40], ramp(FRAME + 1, 40));
        assert_eq!(rest[40..], [0; 120]);
    }

    #[test]
    fn what_does_not_find_room_is_refused_and_given_back() {
        let mut playout = Playout::new(Settings {
            queue_s: 1,
            chunks: 3,
            ..Settings::default()
        });
        assert_eq!(play(&mut playout, 1, &[0; 7_900]), Ok(()));
        assert_eq!(play(&mut playout, 1, &[0; 200]), Err(Refused::Full));
        assert_eq!(play(&mut playout, 1, &[0; 100]), Ok(()));
        assert_eq!(playout.spent().map(|chunk| chunk.len()), Some(200));
        assert_eq!(frames(&mut playout, 0).len(), 3);
        assert_eq!(play(&mut playout, 1, &[0; 1]), Ok(()));
        assert_eq!(play(&mut playout, 1, &[0; 1]), Err(Refused::Full));
    }

    #[test]
    fn a_frame_is_late_after_it_was_due_and_there() {
        let mut playout = Playout::new(Settings::default());
        let mut out = [0; FRAME];
        playout
            .play(1, ramp(0, 5 * FRAME).into(), 7_000)
            .expect("there is room");
        for late_us in [500, 500, 0] {
            let sent = playout.next_frame(7_500, &mut out).expect("the lead is not whole");
            assert_eq!((sent.late_us, sent.gap_us, sent.samples), (late_us, 0, FRAME));
        }
        assert_eq!(playout.next_frame(7_500, &mut out), None);
        let sent = playout.next_frame(30_500, &mut out).expect("it is due");
        assert_eq!((sent.late_us, sent.gap_us, sent.ahead_us), (3_000, 0, 57_000));
        let sent = playout.next_frame(100_000, &mut out).expect("it is due");
        assert_eq!((sent.late_us, sent.gap_us, sent.ahead_us), (52_500, 12_500, 20_000));
    }

    #[test]
    fn a_mark_that_was_cleared_stays_so_when_more_is_played() {
        let mut playout = Playout::new(Settings::default());
        play(&mut playout, 1, &ramp(0, 9 * FRAME)).expect("there is room");
        playout.mark(3, 1).expect("there is room");
        playout.clear(0);
        play(&mut playout, 2, &ramp(0, 20 * FRAME)).expect("there is room");
        assert_eq!(playout.next_mark(0), Some((3, Fate::Cleared)));
    }

    proptest! {
        #[test]
        fn sound_leaves_in_order_and_never_too_early(
            pieces in proptest::collection::vec((0_usize..900, 0_u64..70_000), 1..60),
        ) {
            let mut playout = Playout::new(Settings::default());
            let (mut now, mut given, mut said) = (0, 0, vec![]);
            for (count, pause) in pieces {
                given += if play(&mut playout, 1, &ramp(given, count)).is_ok() { count } else { 0 };
                while playout.spent().is_some() {}
                now += pause;
                for frame in frames(&mut playout, now) {
                    said.extend(frame);
                }
                prop_assert!(playout.ahead_us(now) <= playout.settings.lead_us);
                prop_assert!(playout.heard(now) <= playout.sent);
            }
            for tick in 1..2_000 {
                said.extend(frames(&mut playout, now + tick * FRAME_US).concat());
            }
            let spoken: Vec<i16> = said.into_iter().collect();
            let mut expected = ramp(0, given).into_iter();
            let mut next = expected.next();
            for sample in spoken {
                if Some(sample) == next {
                    next = expected.next();
                } else {
                    prop_assert_eq!(sample, 0, "only silence stands between");
                }
            }
            prop_assert_eq!(next, None);
        }
    }
}
