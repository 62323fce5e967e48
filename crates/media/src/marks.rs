//! Places in what is played whose fate is asked for, in their order.

use std::collections::VecDeque;

/// What became of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Played,
    Cleared,
}

struct Mark {
    name: u32,
    /// Samples since the call began; None where its sound was taken back.
    at: Option<u64>,
}

/// The marks of one call that wait. All room is made at the start.
pub(crate) struct Marks {
    waiting: VecDeque<Mark>,
    most: usize,
}

impl Marks {
    pub fn new(most: usize) -> Self {
        Self {
            waiting: VecDeque::with_capacity(most),
            most,
        }
    }

    /// Add a mark after so many samples; false where too many wait.
    pub fn push(&mut self, name: u32, at: u64) -> bool {
        let placed = self.waiting.len() < self.most;
        if placed {
            self.waiting.push_back(Mark { name, at: Some(at) });
        }
        placed
    }

    /// What comes after so many samples was taken back.
    pub fn clear_after(&mut self, samples: u64) {
        for mark in &mut self.waiting {
            mark.at = mark.at.filter(|at| *at <= samples);
        }
    }

    /// Where the first one stands, if there is one; None inside where it was cleared.
    #[expect(clippy::option_option, reason = "no mark, and a mark without a place")]
    pub fn first(&self) -> Option<Option<u64>> {
        self.waiting.front().map(|mark| mark.at)
    }

    /// The first one, if its fate is known now that so many samples were heard.
    pub fn next(&mut self, heard: u64) -> Option<(u32, Fate)> {
        let fate = match self.first()? {
            None => Fate::Cleared,
            Some(at) if at <= heard => Fate::Played,
            Some(_) => return None,
        };
        self.waiting.pop_front().map(|mark| (mark.name, fate))
    }
}
