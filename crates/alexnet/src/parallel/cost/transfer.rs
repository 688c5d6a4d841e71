//! The messages and bytes of collective operations, as [`Collective`](crate::parallel::Collective) sends them.

use super::super::collective::BUCKET;
use super::super::traffic::Payload;

/// A collective operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectiveKind {
    /// Sums by halving and doubling: [`Collective::all_reduce`](crate::parallel::Collective::all_reduce).
    AllReduce,
    /// Every rank sends its part to each other: [`Collective::all_gather`](crate::parallel::Collective::all_gather).
    AllGather,
    /// Every rank sends each other its part of the sum: [`Collective::scatter_sums`](crate::parallel::Collective::scatter_sums).
    ScatterSums,
    /// A binomial tree: [`Collective::broadcast`](crate::parallel::Collective::broadcast).
    Broadcast,
}

/// A collective operation of one group of ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CollectiveCall {
    /// Which one.
    pub kind: CollectiveKind,
    /// What it is for.
    pub purpose: Payload,
    /// The number of ranks in the group.
    pub ranks: usize,
    /// The distance between neighboring members of the group: 1 for consecutive ranks.
    pub stride: usize,
    /// The bytes of the whole value: of the sum, or of all parts together.
    pub bytes: f64,
}

/// One message of a rank, which all members of the group send at the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SentMessage {
    /// Bytes.
    pub bytes: f64,
    /// To whom.
    pub peer: Peer,
}

/// The receiver of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Two ranks at this distance exchange messages.
    Pair(usize),
    /// Every rank sends to the one at this distance.
    Shift(usize),
}

impl CollectiveCall {
    /// The messages that one rank sends, in order; for a broadcast those of the first rank, which sends most.
    ///
    /// An all-reduce exists for powers of two only. For other numbers of ranks this is what halving and doubling would take
    /// with parts of any size: `2 (ranks - 1) / ranks` of the bytes, in `2 log2(ranks)` messages for each bucket, rounded up.
    pub fn messages(&self) -> Vec<SentMessage> {
        let Self { kind, ranks, stride, bytes, .. } = *self;
        let levels = ranks.next_power_of_two().trailing_zeros();
        let part = |level: u32| bytes / ranks.min(1 << level) as f64;
        match kind {
            CollectiveKind::AllReduce => {
                let buckets = (bytes / BUCKET as f64).ceil().max(1.0);
                let halve = |level| SentMessage {
                    bytes: (part(level) - part(level + 1)) / buckets,
                    peer: Peer::Pair(stride << level),
                };
                let of_bucket = (0..levels).chain((0..levels).rev()).map(halve);
                std::iter::repeat_n(of_bucket, buckets as usize).flatten().collect()
            }
            CollectiveKind::AllGather | CollectiveKind::ScatterSums => {
                let bytes = bytes / ranks as f64;
                (1..ranks).map(|step| SentMessage { bytes, peer: Peer::Shift(stride * step) }).collect()
            }
            CollectiveKind::Broadcast => {
                (0..levels).map(|level| SentMessage { bytes, peer: Peer::Shift(stride << level) }).collect()
            }
        }
    }

    /// Bytes that one rank sends.
    pub fn bytes_sent(&self) -> f64 {
        self.messages().iter().map(|message| message.bytes).sum()
    }

    /// Bytes that one rank reads or writes in its own memory to add or copy what it receives.
    pub fn memory_bytes(&self) -> f64 {
        let Self { kind, ranks, bytes, .. } = *self;
        let received = bytes * (ranks - 1) as f64 / ranks as f64;
        match kind {
            // Two values are read and their sum is written.
            CollectiveKind::AllReduce | CollectiveKind::ScatterSums => 3.0 * received,
            CollectiveKind::AllGather | CollectiveKind::Broadcast => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::parallel::threads::ThreadTransport;
    use crate::parallel::traffic::Traffic;
    use crate::parallel::transport::{Incoming, Lane, Outgoing};
    use crate::parallel::{Collective, Transport};
    use crate::{Error, Result};

    /// Counts messages.
    #[derive(Debug)]
    struct Counting {
        inner: ThreadTransport,
        sent: AtomicUsize,
    }

    impl Transport for Counting {
        fn rank(&self) -> usize {
            self.inner.rank()
        }

        fn size(&self) -> usize {
            self.inner.size()
        }

        fn transfer(
            &self,
            lane: Lane,
            out: Option<Outgoing<'_>>,
            incoming: Option<Incoming<'_>>,
        ) -> Result<()> {
            self.sent.fetch_add(usize::from(out.is_some()), Ordering::Relaxed);
            self.inner.transfer(lane, out, incoming)
        }

        fn abort(&self, error: &Error) {
            self.inner.abort(error);
        }
    }

    /// The messages and bytes that the first rank really sends.
    fn counted(ranks: usize, kind: CollectiveKind, values: usize) -> (usize, u64) {
        let work = |inner: ThreadTransport| {
            let counting = Arc::new(Counting { inner, sent: AtomicUsize::new(0) });
            let (transport, traffic) =
                (Arc::clone(&counting) as Arc<dyn Transport>, Arc::new(Traffic::default()));
            let group = Collective::world(&transport, Lane::Main, Payload::Gradients, &traffic);
            let parts: Vec<_> = (0..ranks).map(|i| i * values / ranks..(i + 1) * values / ranks).collect();
            let mut memory = vec![1.0; values];
            match kind {
                CollectiveKind::AllReduce => group.all_reduce(&mut memory),
                CollectiveKind::AllGather => group.all_gather(&mut memory, &parts),
                CollectiveKind::ScatterSums => group.scatter_sums(&mut memory, &parts),
                CollectiveKind::Broadcast => group.broadcast(&mut memory),
            }
            .unwrap();
            (counting.sent.load(Ordering::Relaxed), traffic.sent(Payload::Gradients))
        };
        std::thread::scope(|scope| {
            let ranks = ThreadTransport::job(ranks).into_iter();
            let running: Vec<_> = ranks.map(|inner| scope.spawn(move || work(inner))).collect();
            running.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()[0]
        })
    }

    #[test]
    fn messages_and_bytes_are_those_that_are_really_sent() {
        use CollectiveKind::{AllGather, AllReduce, Broadcast, ScatterSums};
        for kind in [AllReduce, AllGather, ScatterSums, Broadcast] {
            for ranks in [1_usize, 2, 3, 4, 6, 8] {
                if kind == AllReduce && !ranks.is_power_of_two() {
                    continue;
                }
                let values = 240;
                let bytes = (values * size_of::<f32>()) as f64;
                let transfer = CollectiveCall { kind, purpose: Payload::Gradients, ranks, stride: 1, bytes };
                let (messages, sent) = counted(ranks, kind, values);
                assert_eq!(transfer.messages().len(), messages, "{kind:?} of {ranks}");
                assert!((transfer.bytes_sent() - sent as f64).abs() < 1e-6, "{kind:?} of {ranks}");
            }
        }
    }

    #[test]
    fn other_numbers_of_ranks_lie_between_powers_of_two() {
        let sent = |ranks| {
            let transfer = CollectiveCall {
                kind: CollectiveKind::AllReduce,
                purpose: Payload::Gradients,
                ranks,
                stride: 1,
                bytes: 1000.0,
            };
            (transfer.messages().len(), transfer.bytes_sent())
        };
        assert_eq!(sent(1), (0, 0.0));
        let (messages, bytes) = sent(1000);
        assert_eq!(messages, 20);
        assert!((bytes - 1998.0).abs() < 1e-9, "{bytes}");
        assert!(sent(3).1 > sent(2).1 && sent(3).1 < sent(4).1);
    }
}
