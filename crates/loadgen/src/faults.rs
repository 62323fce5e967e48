//! What goes wrong on a TCP connection, which neither loses nor reorders: bursts, stalls, and peers that misbehave.

/// What one call in ten does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Half a second of frames comes at once, each second.
    Bursts,
    /// Nothing for three seconds, then all of it.
    Stall,
    /// Gone after two seconds, without a word.
    AbruptClose,
    /// It reads nothing for three seconds, then goes on.
    BackPressure,
    /// It reads nothing once it is connected.
    SlowReader,
    /// Bytes that are no WebSocket, after a second.
    Garbage,
    /// A message in single pieces of a few bytes.
    Dribble,
}

/// Frames a second.
const SECOND: u64 = 50;

impl Fault {
    /// Every fault with its name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("bursts", Self::Bursts),
        ("stall", Self::Stall),
        ("abrupt-close", Self::AbruptClose),
        ("back-pressure", Self::BackPressure),
        ("slow-reader", Self::SlowReader),
        ("garbage", Self::Garbage),
        ("dribble", Self::Dribble),
    ];

    /// Whether it reads what was sent to it, when it has said `n` frames.
    pub const fn reads(self, n: u64) -> bool {
        match self {
            Self::SlowReader => false,
            Self::BackPressure => !pauses(n),
            _ => true,
        }
    }

    /// Whether our system must not read for it.
    pub const fn has_little_room(self) -> bool {
        matches!(self, Self::SlowReader | Self::BackPressure)
    }

    /// Change what is about to be sent with frame `n`; `held` is what was held back. False where the peer leaves.
    pub fn disturb(self, n: u64, out: &mut Vec<u8>, held: &mut Vec<u8>) -> bool {
        let hold = match self {
            Self::Bursts => n % SECOND >= SECOND / 2 && n % SECOND != SECOND - 1,
            Self::Stall => pauses(n),
            Self::AbruptClose => return n < 2 * SECOND,
            Self::Garbage => {
                if n == SECOND {
                    out.clear();
                    out.extend((0..=255).cycle().take(2000).map(|byte: u8| byte.wrapping_mul(167)));
                }
                false
            }
            Self::Dribble => {
                held.append(out);
                let piece = held.len().min(if n % 10 == 0 { usize::MAX } else { 7 });
                out.extend(held.drain(..piece));
                return true;
            }
            Self::SlowReader | Self::BackPressure => false,
        };
        if hold {
            held.append(out);
        } else if !held.is_empty() {
            held.append(out);
            std::mem::swap(held, out);
        }
        true
    }
}

/// Three seconds of every ten.
const fn pauses(n: u64) -> bool {
    n % (10 * SECOND) >= 5 * SECOND && n % (10 * SECOND) < 8 * SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(fault: Fault, frames: u64) -> (Vec<usize>, bool) {
        let (mut held, mut sizes, mut stayed) = (vec![], vec![], true);
        for n in 0..frames {
            let mut out = vec![n as u8; 10];
            stayed &= fault.disturb(n, &mut out, &mut held);
            sizes.push(out.len());
        }
        (sizes, stayed)
    }

    #[test]
    fn bursts_and_stalls_lose_nothing() {
        let (sizes, stayed) = sent(Fault::Bursts, 100);
        assert_eq!((sizes[24], sizes[25], sizes[49], stayed), (10, 0, 250, true));
        assert_eq!(sizes.iter().sum::<usize>(), 1000);
        let (sizes, _) = sent(Fault::Stall, 500);
        assert_eq!((sizes[249], sizes[250], sizes[400]), (10, 0, 1510));
        assert_eq!(sizes.iter().sum::<usize>(), 5000);
        let (sizes, _) = sent(Fault::Dribble, 101);
        assert_eq!((sizes[1], sizes.iter().sum::<usize>()), (7, 1010));
    }

    #[test]
    fn some_read_nothing_for_a_while_or_for_ever() {
        let reads = |fault: Fault| [0, 249, 250, 399, 400].map(|n| fault.reads(n));
        assert_eq!(reads(Fault::BackPressure), [true, true, false, false, true]);
        assert_eq!(reads(Fault::SlowReader), [false; 5]);
        assert_eq!(reads(Fault::Bursts), [true; 5]);
    }

    #[test]
    fn some_leave() {
        assert!(sent(Fault::AbruptClose, 100).1);
        assert!(!sent(Fault::AbruptClose, 101).1);
    }
}
