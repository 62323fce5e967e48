//! Speech that waits, in the pieces in which it came.
//!
//! Whoever speaks allocates a piece and whoever plays it gives it back, so that the thread between neither allocates nor
//! frees, and an empty queue holds no memory.

use std::collections::VecDeque;

/// A piece of speech.
pub type Chunk = Box<[i16]>;

/// Pieces that wait, oldest first, and those that were used up.
pub struct Chunks {
    waiting: VecDeque<Chunk>,
    spent: Vec<Chunk>,
    /// Samples of the oldest piece that were taken.
    taken: usize,
    samples: usize,
}

impl Chunks {
    /// Room for `most` pieces, waiting and spent together.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            waiting: VecDeque::with_capacity(most),
            spent: Vec::with_capacity(most),
            taken: 0,
            samples: 0,
        }
    }

    /// Samples that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Whether another piece finds room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.len() + self.spent.len() < self.waiting.capacity().min(self.spent.capacity())
    }

    /// Put a piece behind the others; there must be room.
    pub fn push(&mut self, chunk: Chunk) {
        self.samples += chunk.len();
        self.waiting.push_back(chunk);
    }

    /// Take the oldest samples; how many there were.
    pub fn take(&mut self, out: &mut [i16]) -> usize {
        let mut filled = 0;
        while filled < out.len() {
            let Some(chunk) = self.waiting.front() else { break };
            let rest = &chunk[self.taken..];
            let count = rest.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            self.taken += count;
            if self.taken == chunk.len() {
                self.taken = 0;
                self.spent.extend(self.waiting.pop_front());
            }
        }
        self.samples -= filled;
        filled
    }

    /// Let all that waits be spent.
    pub fn clear(&mut self) {
        self.spent.extend(self.waiting.drain(..));
        (self.taken, self.samples) = (0, 0);
    }

    /// Put a piece that will not be played with the spent ones; there must be room.
    pub fn refuse(&mut self, chunk: Chunk) {
        self.spent.push(chunk);
    }

    /// A piece that is used up.
    pub fn spent(&mut self) -> Option<Chunk> {
        self.spent.pop()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_cleared_is_spent_and_makes_room() {
        let mut chunks = Chunks::new(2);
        chunks.push([1, 2, 3].into());
        chunks.push([4].into());
        assert!(!chunks.has_room());
        assert_eq!(chunks.take(&mut [0; 2]), 2);
        chunks.clear();
        assert_eq!((chunks.len(), chunks.take(&mut [0; 2])), (0, 0));
        assert_eq!(
            std::iter::from_fn(|| chunks.spent())
                .map(|chunk| chunk.len())
                .sum::<usize>(),
            4
        );
        assert!(chunks.has_room());
    }

    proptest! {
        #[test]
        fn samples_come_out_as_they_went_in(pieces in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..9), 0..9),
                                            step in 1_usize..7) {
            let mut chunks = Chunks::new(9);
            let expected = pieces.concat();
            for piece in pieces {
                chunks.push(piece.into());
            }
            let mut all = vec![];
            let mut out = vec![0; step];
            loop {
                prop_assert_eq!(chunks.len(), expected.len() - all.len());
                let count = chunks.take(&mut out);
                if count == 0 {
                    break;
                }
                all.extend_from_slice(&out[..count]);
            }
            prop_assert_eq!(all, expected);
        }
    }
}
