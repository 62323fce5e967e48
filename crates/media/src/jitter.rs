//! How unevenly a caller's packets arrive.
//!
//! Source: RFC 3550, §6.4.1, in the integer form of its appendix A.8; here in microseconds. A packet is a message with
//! sound, and what it was sent at is the peer's own time of it: its time stamp, or the sound that came before.

use crate::stats::Histogram;

/// A packet that comes so much later than the one before foretold leaves a gap in whatever is played of it: as much as
/// we ourselves speak ahead.
pub const GAP_US: i64 = 60_000;
/// A longer one is a source that has paused, which says nothing of the network: it is a gap and no jitter.
pub const PAUSE_US: u64 = 1_000_000;

/// What is known of a call's packets when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrivals {
    pub packets: u64,
    pub gaps: u64,
    /// Of the estimates, of which there is one with each packet.
    pub p50_us: u64,
    pub p95_us: u64,
}

/// The interarrival jitter of one call.
#[derive(Default)]
pub struct Jitter {
    /// How long the last packet was under way; on two clocks, so that only differences mean something.
    transit_us: Option<i64>,
    /// Sixteen times the estimate.
    sixteenfold_us: u64,
    spread: Histogram,
    packets: u64,
    gaps: u64,
}

impl Jitter {
    pub fn note(&mut self, sent_us: u64, now_us: u64) {
        self.packets += 1;
        let transit_us = (now_us as i64).wrapping_sub(sent_us as i64);
        let Some(before_us) = self.transit_us.replace(transit_us) else {
            return;
        };
        let late_us = transit_us.wrapping_sub(before_us);
        self.gaps += u64::from(late_us > GAP_US);
        if late_us.unsigned_abs() > PAUSE_US {
            return;
        }
        self.sixteenfold_us = self.sixteenfold_us + late_us.unsigned_abs() - ((self.sixteenfold_us + 8) >> 4);
        self.spread.note(self.sixteenfold_us >> 4);
    }

    /// None before there were two packets to compare.
    #[must_use]
    pub fn arrivals(&self) -> Option<Arrivals> {
        (self.spread.count() > 0).then(|| Arrivals {
            packets: self.packets,
            gaps: self.gaps,
            p50_us: self.spread.quantile(0.5),
            p95_us: self.spread.quantile(0.95),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME_US: u64 = 20_000;

    /// The estimates of RFC 3550's formula, as it stands there: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1))/16.
    fn reference(packets: &[(u64, u64)]) -> Vec<f64> {
        let mut jitter = 0.0;
        packets
            .windows(2)
            .map(|pair| {
                let (sent, came) = (pair[1].0 as f64 - pair[0].0 as f64, pair[1].1 as f64 - pair[0].1 as f64);
                jitter += ((came - sent).abs() - jitter) / 16.0;
                jitter
            })
            .collect()
    }

    fn noted(packets: &[(u64, u64)]) -> Jitter {
        let mut jitter = Jitter::default();
        for (sent_us, now_us) in packets {
            jitter.note(*sent_us, *now_us);
        }
        jitter
    }

    /// Packets of 20 ms, each so much later than the first one foretells.
    fn late_by(delays_us: &[u64]) -> Vec<(u64, u64)> {
        (0..)
            .map(|n| n * FRAME_US)
            .zip(delays_us)
            .map(|(sent_us, delay_us)| (sent_us, 7_000_000 + sent_us + delay_us))
            .collect()
    }

    #[test]
    fn even_packets_have_no_jitter_and_one_packet_has_no_figures() {
        let jitter = noted(&late_by(&[3000; 100]));
        let expected = Arrivals {
            packets: 100,
            gaps: 0,
            p50_us: 0,
            p95_us: 0,
        };
        assert_eq!(jitter.arrivals(), Some(expected));
        assert_eq!(noted(&late_by(&[0])).arrivals(), None);
    }

    #[test]
    fn lost_packets_are_no_jitter_and_swapped_ones_are() {
        let mut packets = late_by(&[0; 50]);
        packets.drain(20..25);
        assert_eq!(noted(&packets).sixteenfold_us, 0, "what came, came in time");
        // The later one comes when it should, the earlier one with the next: 20 ms too late, and back.
        packets.swap(10, 11);
        let (sent, came): (Vec<_>, Vec<_>) = (
            packets.iter().map(|(sent, _)| *sent).collect(),
            late_by(&[0; 45]).iter().map(|(_, came)| *came).collect(),
        );
        let swapped: Vec<_> = sent.into_iter().zip(came).take(20).collect();
        let jitter = noted(&swapped);
        let wanted = reference(&swapped).pop().expect("there are packets");
        assert!((jitter.sixteenfold_us as f64 / 16.0 - wanted).abs() < 1.0, "{wanted}");
        assert_eq!(jitter.gaps, 0, "40 ms at most");
    }

    #[test]
    fn a_source_that_stalls_leaves_a_gap_and_then_its_burst_is_jitter() {
        // 200 ms of nothing, then ten packets at once.
        let mut delays: Vec<u64> = vec![0; 50];
        delays.extend((0..10).map(|n| 200_000 - n * FRAME_US));
        delays.extend([0; 50]);
        let packets = late_by(&delays);
        let jitter = noted(&packets);
        assert_eq!(jitter.gaps, 1);
        let wanted = reference(&packets).pop().expect("there are packets");
        assert!((jitter.sixteenfold_us as f64 / 16.0 - wanted).abs() < 1.0);
    }

    #[test]
    fn a_source_that_pauses_leaves_a_gap_and_no_jitter() {
        let mut delays: Vec<u64> = vec![0; 50];
        delays.extend([3_000_000; 50]);
        let jitter = noted(&late_by(&delays));
        assert_eq!((jitter.gaps, jitter.sixteenfold_us), (1, 0));
    }

    #[test]
    fn no_time_stamp_is_too_large() {
        let mut jitter = Jitter::default();
        for sent_us in [0, u64::MAX, 1 << 63, 5, u64::MAX / 2] {
            jitter.note(sent_us, 1_000_000);
        }
        assert_eq!(jitter.packets, 5);
    }

    proptest! {
        #[test]
        fn it_is_the_formula_of_the_rfc(
            delays in proptest::collection::vec(0_u64..400_000, 2..400),
            lost in proptest::collection::vec(0_usize..400, 0..40),
            swapped in proptest::collection::vec(0_usize..400, 0..40),
        ) {
            let mut packets = late_by(&delays);
            for at in lost {
                if packets.len() > 2 {
                    packets.remove(at % packets.len());
                }
            }
            for at in swapped {
                let at = at % (packets.len() - 1);
                let (one, other) = (packets[at].0, packets[at + 1].0);
                (packets[at].0, packets[at + 1].0) = (other, one);
            }
            let far = packets.windows(2).any(|pair| {
                let sent = pair[1].0 as i64 - pair[0].0 as i64;
                (pair[1].1 as i64 - pair[0].1 as i64 - sent).unsigned_abs() > PAUSE_US
            });
            prop_assume!(!far);
            let mut wanted = reference(&packets);
            let jitter = noted(&packets);
            let last = *wanted.last().expect("there are two packets");
            // Rounding loses half a sixteenth of a microsecond at every packet, and forgets it as the estimate does.
            prop_assert!((jitter.sixteenfold_us as f64 / 16.0 - last).abs() < 1.0);
            wanted.sort_by(f64::total_cmp);
            let found = jitter.arrivals().expect("there are two packets");
            for (share, found) in [(0.5, found.p50_us), (0.95, found.p95_us)] {
                let exact = wanted[((share * wanted.len() as f64).ceil() as usize).max(1) - 1];
                prop_assert!(found as f64 >= exact - 2.0 && found as f64 <= exact * 1.04 + 2.0, "{found} for {exact}");
            }
        }
    }
}
