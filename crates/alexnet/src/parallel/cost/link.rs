//! Latency and bandwidth of networks.

use std::time::Instant;

use serde::Serialize;

use super::transfer::{CollectiveCall, CollectiveKind, Peer, SentMessage};
use crate::parallel::Collective;
use crate::{Error, Result};

/// The speed of messages between two processes: `latency + bytes / bandwidth`, in both directions at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Link {
    /// Seconds until a short message has arrived.
    pub latency_seconds: f64,
    /// Bytes per second of a long message.
    pub bytes_per_second: f64,
}

/// What TCP leaves of the line rate of Ethernet: 1,448 of 1,538 bytes per frame.
const TCP_SHARE: f64 = 1448.0 / 1538.0;

/// Latencies of MPI over TCP on such networks.
const PRESETS: [(&str, f64, f64); 4] =
    [("1GbE", 50e-6, 1e9), ("10GbE", 30e-6, 10e9), ("25GbE", 20e-6, 25e9), ("100GbE", 15e-6, 100e9)];

/// Suffixes of bandwidths and their bytes per second.
const BANDWIDTHS: [(&str, f64); 6] =
    [("kbit", 125.0), ("Mbit", 125e3), ("Gbit", 125e6), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)];

/// Suffixes of latencies and their seconds.
const LATENCIES: [(&str, f64); 4] = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];

impl Link {
    /// Between the processes of one machine, through shared memory.
    pub const SHARED_MEMORY: Self = Self { latency_seconds: 1e-6, bytes_per_second: 4e9 };

    /// The names of the known networks.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.0)
    }

    /// A network with a known name, ignoring case: `10GbE`.
    pub fn preset(name: &str) -> Option<(&'static str, Self)> {
        let (name, latency_seconds, bits) =
            PRESETS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).copied()?;
        Some((name, Self { latency_seconds, bytes_per_second: TCP_SHARE * bits / 8.0 }))
    }

    /// Seconds for one message of this many bytes.
    pub fn seconds(&self, bytes: f64) -> f64 {
        self.latency_seconds + bytes / self.bytes_per_second
    }

    /// Measures the link between the first two ranks of a job. All ranks call it, and all get the result.
    ///
    /// # Errors
    /// Returns an error if there is only one rank, or the transport fails.
    pub fn measure(world: &Collective) -> Result<Self> {
        const SHORT_CALLS: usize = 200;
        const LONG_CALLS: usize = 5;
        /// 64 MB, as long as the gradients of a fully connected layer.
        const LONG_VALUES: usize = 16 << 20;
        if world.size() < 2 {
            return Err(Error::usage("one process has no link to measure")
                .help("start two: `mpirun -n 2 alexnet plan-cluster --measure-link`"));
        }
        let measured = match world.index() {
            0 | 1 => {
                let pair = world.group(vec![0, 1])?;
                let short = median_exchange(&pair, 1, SHORT_CALLS)?;
                let long = median_exchange(&pair, LONG_VALUES, LONG_CALLS)?;
                let bytes = (LONG_VALUES * size_of::<f32>()) as f64;
                Some((short, bytes / (long - short).max(1e-9)))
            }
            _ => None,
        };
        let (latency_seconds, bytes_per_second) = world.broadcast_value(measured.as_ref())?;
        Ok(Self { latency_seconds, bytes_per_second })
    }
}

/// The median seconds in which two ranks exchange this many values, after a tenth as many calls, but at least one, to warm up.
fn median_exchange(pair: &Collective, values: usize, calls: usize) -> Result<f64> {
    let parts = [0..values, values..2 * values];
    let mut memory = vec![0.0; 2 * values];
    let (warm_up, mut seconds) = (calls.div_ceil(10), Vec::with_capacity(calls));
    for call in 0..warm_up + calls {
        let begin = Instant::now();
        pair.all_gather(&mut memory, &parts)?;
        if call >= warm_up {
            seconds.push(begin.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// Parses seconds: `30us`.
///
/// # Errors
/// Returns what was expected if it is not a latency.
pub fn parse_latency(text: &str) -> std::result::Result<f64, String> {
    match number(text, &LATENCIES) {
        Some(seconds) if (0.0..=10.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a latency from 0 to 10 s, as in 30us or 0.5ms".into()),
    }
}

/// Parses bytes per second: `10Gbit` or `1.2GB/s`.
///
/// # Errors
/// Returns what was expected if it is not a bandwidth.
pub fn parse_bandwidth(text: &str) -> std::result::Result<f64, String> {
    let text = text.trim().trim_end_matches("/s");
    match number(text, &BANDWIDTHS) {
        Some(rate) if (1e3..=1e13).contains(&rate) => Ok(rate),
        _ => Err(
            "expected a bandwidth from 1kB/s to 10000GB/s, as in 10Gbit (bits per second) or 1.2GB/s (bytes)"
                .into(),
        ),
    }
}

/// A number with one of the suffixes.
fn number(text: &str, suffixes: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    suffixes.iter().find_map(|(suffix, factor)| {
        let number: f64 = text.strip_suffix(suffix)?.trim().parse().ok()?;
        number.is_finite().then_some(number * factor)
    })
}

/// Where ranks run: consecutive ranks share a node, and all ranks of a node share its link to the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Topology {
    /// Number of ranks per node.
    pub ranks_per_node: usize,
    /// Between the ranks of a node.
    pub inner: Link,
    /// Between nodes.
    pub outer: Link,
}

impl Topology {
    /// One rank per node.
    pub const fn flat(outer: Link) -> Self {
        Self { ranks_per_node: 1, inner: outer, outer }
    }

    /// Seconds of latency, and of bytes on their way, of a transfer alone.
    pub fn seconds(&self, transfer: &CollectiveCall) -> (f64, f64) {
        // Otherwise some groups have ranks on two nodes, and a step waits for the slowest.
        let inside = self.ranks_per_node.is_multiple_of(transfer.ranks * transfer.stride);
        transfer.messages().iter().fold((0.0, 0.0), |(latency, wire), message| {
            let (link, sharing) = if inside { (&self.inner, 1) } else { self.route(transfer, message) };
            (latency + link.latency_seconds, wire + message.bytes * sharing as f64 / link.bytes_per_second)
        })
    }

    /// The slowest link that a message takes, and how many ranks of a node send over it at the same time.
    fn route(&self, transfer: &CollectiveCall, message: &SentMessage) -> (&Link, usize) {
        match message.peer {
            Peer::Pair(distance) if 2 * distance <= self.ranks_per_node => (&self.inner, 1),
            Peer::Pair(_) => (&self.outer, self.ranks_per_node),
            Peer::Shift(distance) => {
                // A gather goes around the group, where a long way is a short one back.
                let across = match transfer.kind {
                    CollectiveKind::AllGather | CollectiveKind::ScatterSums => {
                        distance.min(transfer.ranks * transfer.stride - distance)
                    }
                    CollectiveKind::AllReduce | CollectiveKind::Broadcast => distance,
                };
                (&self.outer, across.min(self.ranks_per_node))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::parallel::collective::BUCKET;
    use crate::parallel::threads::ThreadTransport;
    use crate::parallel::traffic::{Payload, Traffic};
    use crate::parallel::transport::Lane;
    use crate::parallel::{Solo, Transport};

    fn all_reduce(ranks: usize, bytes: f64) -> CollectiveCall {
        CollectiveCall {
            kind: CollectiveKind::AllReduce,
            purpose: Payload::Gradients,
            ranks,
            stride: 1,
            bytes,
        }
    }

    #[test]
    fn units_are_those_of_networks() {
        assert!((parse_latency("30us").unwrap() - 30e-6).abs() < 1e-12);
        assert_eq!(parse_latency("0.5 ms"), Ok(0.0005));
        assert_eq!(parse_bandwidth("10Gbit"), Ok(1.25e9));
        assert_eq!(parse_bandwidth("200Mbit/s"), Ok(25e6));
        assert_eq!(parse_bandwidth("1.2GB/s"), Ok(1.2e9));
        for text in ["-1Gbit", "0Gbit", "10", "fast", "NaNGbit", "infGB", "1e30GB", ""] {
            assert!(parse_bandwidth(text).unwrap_err().contains("10Gbit"), "{text}");
        }
        for text in ["-1us", "30", "NaNs", "11s"] {
            assert!(parse_latency(text).unwrap_err().contains("30us"), "{text}");
        }
        let (name, link) = Link::preset("10gbe").unwrap();
        assert_eq!(name, "10GbE");
        assert!(link.bytes_per_second > 1.17e9 && link.bytes_per_second < 1.25e9);
        assert_eq!(Link::preset("token ring"), None);
    }

    #[test]
    fn ranks_of_a_node_share_its_link_for_what_leaves_it() {
        let outer = Link { latency_seconds: 0.0, bytes_per_second: 1.0 };
        let inner = Link { latency_seconds: 0.0, bytes_per_second: f64::INFINITY };
        let seconds = |ranks_per_node: usize, ranks: usize| {
            let gather =
                CollectiveCall { kind: CollectiveKind::AllGather, ..all_reduce(ranks, ranks as f64) };
            Topology { ranks_per_node, inner, outer }.seconds(&gather).1
        };
        // Each of four ranks sends its part to the four of the other node.
        assert_eq!((seconds(4, 8), seconds(8, 16)), (16.0, 64.0));
        // One pair in three is on two nodes.
        assert_eq!((seconds(4, 2), seconds(3, 2)), (0.0, 1.0));
    }

    #[test]
    fn two_levels_send_a_share_of_the_bytes_between_nodes() {
        let outer = Link { latency_seconds: 0.0, bytes_per_second: 1e9 };
        let inner = Link { latency_seconds: 0.0, bytes_per_second: f64::INFINITY };
        let bytes = 1e9;
        for (nodes, ranks_per_node) in [(2, 4), (8, 2), (4, 4)] {
            let (_, two) =
                Topology { ranks_per_node, inner, outer }.seconds(&all_reduce(nodes * ranks_per_node, bytes));
            let (_, one) = Topology::flat(outer).seconds(&all_reduce(nodes, bytes));
            assert!((two - one).abs() < 1e-9, "as many bytes leave a node as with one rank: {two} {one}");
        }
        let inside = Topology { ranks_per_node: 4, inner: Link { latency_seconds: 1.0, ..inner }, outer };
        // Two levels there and back, for each bucket.
        let buckets = (bytes / BUCKET as f64).ceil();
        assert_eq!(inside.seconds(&all_reduce(4, bytes)), (4.0 * buckets, 0.0));
    }

    #[test]
    fn a_link_is_measured_by_all_ranks() {
        let measure = |transport: Arc<dyn Transport>| {
            Link::measure(&Collective::world(
                &transport,
                Lane::Main,
                Payload::Control,
                &Arc::new(Traffic::default()),
            ))
        };
        let links: Vec<Link> = std::thread::scope(|scope| {
            let ranks = ThreadTransport::job(3).into_iter();
            let running: Vec<_> = ranks.map(|rank| scope.spawn(move || measure(Arc::new(rank)))).collect();
            running.into_iter().map(|rank| rank.join().unwrap().unwrap()).collect()
        });
        assert!(links[0].latency_seconds > 0.0 && links[0].bytes_per_second > 1e6, "{links:?}");
        assert!(links.iter().all(|link| *link == links[0]), "{links:?}");
        assert!(measure(Arc::new(Solo)).unwrap_err().message.contains("one process"));
    }
}
