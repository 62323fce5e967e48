//! A bounded queue of many producers and consumers over preallocated nodes.
//!
//! Source: Michael and Scott, "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms" (PODC
//! 1996), the non-blocking one. Nodes are named by their index, and every name has a tag that grows when it is stored, so
//! that a name read long ago is not taken for the same name of today. Nodes that are free form a stack (Treiber 1986). An
//! event is a few words, each in an atomic: a reader that was overtaken reads old or new words, sees that by the tag, and
//! begins anew; nothing here needs `unsafe`.

use super::sync::{AtomicU64, Ordering};

/// An index with its tag, as one word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name(u64);

const NOTHING: u32 = u32::MAX;

impl Name {
    const fn new(index: u32, tag: u32) -> Self {
        Self((tag as u64) << 32 | index as u64)
    }

    const fn index(self) -> u32 {
        self.0 as u32
    }

    const fn is_nothing(self) -> bool {
        self.index() == NOTHING
    }

    /// Another index in this one's place.
    const fn then(self, index: u32) -> Self {
        Self::new(index, ((self.0 >> 32) as u32).wrapping_add(1))
    }
}

struct Place(AtomicU64);

impl Place {
    fn new(index: u32) -> Self {
        Self(AtomicU64::new(Name::new(index, 0).0))
    }

    fn get(&self) -> Name {
        Name(self.0.load(Ordering::Acquire))
    }

    /// Put `index` where `seen` was seen; false when it was changed since.
    fn swing(&self, seen: Name, index: u32) -> bool {
        self.0
            .compare_exchange(seen.0, seen.then(index).0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

struct Node<const WORDS: usize> {
    next: Place,
    words: [AtomicU64; WORDS],
}

/// The queue of events of `WORDS` words.
pub struct Events<const WORDS: usize> {
    nodes: Box<[Node<WORDS>]>,
    head: Place,
    tail: Place,
    free: Place,
}

/// There is no room for another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<const WORDS: usize> Events<WORDS> {
    /// Room for `capacity` events.
    ///
    /// # Panics
    ///
    /// If there is no index for each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let count = u32::try_from(capacity + 1).expect("fewer than four thousand million events");
        assert!(count < NOTHING, "fewer than four thousand million events");
        // Node 0 is the empty one that the head stands on; the others are free.
        let nodes = (0..count)
            .map(|index| Node {
                next: Place::new(if index == 0 || index + 1 == count {
                    NOTHING
                } else {
                    index + 1
                }),
                words: std::array::from_fn(|_| AtomicU64::new(0)),
            })
            .collect();
        Self {
            nodes,
            head: Place::new(0),
            tail: Place::new(0),
            free: Place::new(if count > 1 { 1 } else { NOTHING }),
        }
    }

    /// Add an event behind the others.
    ///
    /// # Errors
    ///
    /// `Full` where as many wait as there is room for.
    pub fn push(&self, words: [u64; WORDS]) -> Result<(), Full> {
        let index = self.take_node().ok_or(Full)?;
        let node = self.node(index);
        for (place, word) in node.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        // The tag goes on from the node's last life, so that whoever still holds its name cannot link behind it.
        let before = node.next.get();
        node.next.0.store(before.then(NOTHING).0, Ordering::Release);
        loop {
            let tail = self.tail.get();
            let last = self.node(tail.index());
            let next = last.next.get();
            if self.tail.get() != tail {
                continue;
            }
            if !next.is_nothing() {
                self.tail.swing(tail, next.index());
            } else if last.next.swing(next, index) {
                self.tail.swing(tail, index);
                return Ok(());
            }
        }
    }

    /// Take the oldest event.
    #[must_use]
    pub fn pop(&self) -> Option<[u64; WORDS]> {
        loop {
            let head = self.head.get();
            let tail = self.tail.get();
            let next = self.node(head.index()).next.get();
            if self.head.get() != head {
                continue;
            }
            if head.index() == tail.index() {
                if next.is_nothing() {
                    return None;
                }
                self.tail.swing(tail, next.index());
                continue;
            }
            if next.is_nothing() {
                continue;
            }
            // Read before the head moves: afterwards the node may have another life.
            let words = self
                .node(next.index())
                .words
                .each_ref()
                .map(|word| word.load(Ordering::Relaxed));
            if self.head.swing(head, next.index()) {
                self.give_node(head.index());
                return Some(words);
            }
        }
    }

    fn node(&self, index: u32) -> &Node<WORDS> {
        &self.nodes[index as usize]
    }

    fn take_node(&self) -> Option<u32> {
        loop {
            let first = self.free.get();
            if first.is_nothing() {
                return None;
            }
            let next = self.node(first.index()).next.get();
            if self.free.swing(first, next.index()) {
                return Some(first.index());
            }
        }
    }

    fn give_node(&self, index: u32) {
        let node = self.node(index);
        loop {
            let first = self.free.get();
            let before = node.next.get();
            node.next.0.store(before.then(first.index()).0, Ordering::Release);
            if self.free.swing(first, index) {
                return;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64 as Counter;
    use std::thread;

    #[test]
    fn events_come_out_in_the_order_in_which_they_went_in() {
        let events = Events::<2>::new(3);
        assert_eq!(events.pop(), None);
        for round in 0..100 {
            for n in 0..3 {
                assert_eq!(events.push([round, n]), Ok(()));
            }
            assert_eq!(events.push([round, 9]), Err(Full));
            for n in 0..3 {
                assert_eq!(events.pop(), Some([round, n]));
            }
            assert_eq!(events.pop(), None);
        }
    }

    #[test]
    fn every_event_of_every_producer_arrives_once_and_in_its_order() {
        const EACH: u64 = 20_000;
        let events = Events::<3>::new(64);
        let seen = Counter::new(0);
        thread::scope(|scope| {
            for producer in 0..3 {
                let events = &events;
                scope.spawn(move || {
                    for n in 0..EACH {
                        while events.push([producer, n, producer * EACH + n]).is_err() {
                            thread::yield_now();
                        }
                    }
                });
            }
            for _ in 0..2 {
                let (events, seen) = (&events, &seen);
                scope.spawn(move || {
                    let mut last = [None; 3];
                    while seen.load(Ordering::Relaxed) < 3 * EACH {
                        let Some([producer, n, sum]) = events.pop() else {
                            thread::yield_now();
                            continue;
                        };
                        assert_eq!(sum, producer * EACH + n, "the words of one event stay together");
                        assert!(
                            last[producer as usize] < Some(n),
                            "a producer's events keep their order"
                        );
                        last[producer as usize] = Some(n);
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(events.pop(), None);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn two_producers_lose_nothing() {
        loom::model(|| {
            let events = Arc::new(Events::<1>::new(2));
            let threads: Vec<_> = (1..3)
                .map(|n| {
                    let events = Arc::clone(&events);
                    thread::spawn(move || events.push([n]).expect("there is room"))
                })
                .collect();
            for thread in threads {
                thread.join().expect("it ends");
            }
            let mut found = [events.pop(), events.pop()];
            found.sort();
            assert_eq!(found, [Some([1]), Some([2])]);
            assert_eq!(events.pop(), None);
        });
    }

    #[test]
    fn a_node_that_lives_again_is_not_mistaken() {
        loom::model(|| {
            let events = Arc::new(Events::<1>::new(1));
            let producer = {
                let events = Arc::clone(&events);
                thread::spawn(move || [events.push([1]).is_ok(), events.push([2]).is_ok()])
            };
            let early = events.pop();
            let pushed = producer.join().expect("it ends");
            let late = [events.pop(), events.pop()];
            let found: Vec<u64> = [early, late[0], late[1]].into_iter().flatten().map(|[n]| n).collect();
            let expected: Vec<u64> = [(pushed[0], 1), (pushed[1], 2)]
                .into_iter()
                .filter(|(ok, _)| *ok)
                .map(|(_, n)| n)
                .collect();
            assert_eq!(found, expected);
        });
    }
}
