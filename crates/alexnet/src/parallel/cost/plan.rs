//! Steps on a growing number of nodes, and the best scheme for each.

use serde::Serialize;

use super::super::job::{ExchangePrecision, Scheme};
use super::super::traffic::Payload;
use super::layer_times::LayerTimes;
use super::link::Topology;
use super::simulate::{Machines, StepTime};
use super::step::Step;
use crate::net::Network;
use crate::{Error, Result};

/// The share of a step that transfers may add before they count as its limit.
const NOTICEABLE: f64 = 0.05;

/// Numbers of nodes of a table: powers of two to 1,024, and 1,000.
pub const NODES: [usize; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1024];

/// The number of images of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Weak scaling: as many on each node.
    ImagesPerNode(usize),
    /// Strong scaling: as many for all nodes together.
    GlobalBatch(usize),
}

impl Load {
    /// The images of the global batch.
    pub const fn batch(self, nodes: usize) -> usize {
        match self {
            Self::ImagesPerNode(images) => images * nodes,
            Self::GlobalBatch(images) => images,
        }
    }

    /// The images that one rank of `nodes` nodes computes if they share the batch evenly.
    pub fn images_per_rank(self, nodes: usize, ranks_per_node: usize) -> f64 {
        self.batch(nodes) as f64 / (nodes * ranks_per_node) as f64
    }
}

/// What a plan is about.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The network to train.
    pub network: &'a Network,
    /// The speed of one rank.
    pub layers: &'a LayerTimes,
    /// The network between ranks.
    pub topology: Topology,
    /// See [`Machines::slowdown`].
    pub slowdown: f64,
    /// The schemes to compare.
    pub schemes: &'a [Scheme],
    /// Images per step.
    pub load: Load,
    /// The precision of exchanged gradients.
    pub precision: ExchangePrecision,
}

/// What is expected on a number of nodes.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Nodes.
    pub nodes: usize,
    /// Processes.
    pub ranks: usize,
    /// Images of the global batch.
    pub batch: usize,
    /// Every scheme.
    pub schemes: Vec<SchemeRow>,
    /// The scheme with most images per second, of those that exist.
    pub best: Option<&'static str>,
}

/// A scheme on a number of nodes.
#[derive(Clone, Debug, Serialize)]
pub struct SchemeRow {
    /// The name of the scheme.
    pub scheme: &'static str,
    /// What is expected of it.
    #[serde(flatten)]
    pub outcome: Expectation,
}

/// What is expected of a scheme.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Expectation {
    /// It exists.
    Throughput(Throughput),
    /// It does not exist for these numbers.
    Unavailable {
        /// Why not.
        unavailable: String,
    },
}

/// The throughput of a scheme.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// How long a step takes.
    #[serde(flatten)]
    pub duration: StepTime,
    /// The time that transfers add to the step.
    pub exposed_seconds: f64,
    /// Images per second of all ranks.
    pub images_per_second: f64,
    /// Images per second, divided by those of as many ranks that each train alone.
    pub efficiency: f64,
    /// Bytes of gradients that one rank sends.
    pub gradient_bytes: f64,
    /// Bytes of activations, and gradients with respect to them, that one rank sends.
    pub activation_bytes: f64,
    /// Messages that one rank sends.
    pub messages: usize,
    /// What limits the throughput.
    pub limit: Limit,
}

/// What limits the throughput.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Computation.
    Compute,
    /// The bytes of transfers.
    Bandwidth,
    /// The number of messages.
    Latency,
}

impl Limit {
    /// The name shown in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Bandwidth => "bandwidth",
            Self::Latency => "latency",
        }
    }
}

impl Plan<'_> {
    /// What is expected on each number of nodes.
    ///
    /// # Errors
    /// Returns an error if a number of nodes or images is zero.
    pub fn rows(&self, nodes: &[usize]) -> Result<Vec<Row>> {
        let images = self.load.batch(1);
        if images == 0 || self.topology.ranks_per_node == 0 || nodes.contains(&0) {
            return Err(Error::usage("0 nodes, processes or images, expected at least 1 of each"));
        }
        Ok(nodes.iter().map(|&nodes| self.row(nodes)).collect())
    }

    fn row(&self, nodes: usize) -> Row {
        let ranks = nodes * self.topology.ranks_per_node;
        let batch = self.load.batch(nodes);
        let entry = |&scheme: &Scheme| {
            let outcome = match self.forecast(scheme, ranks, batch) {
                Ok(forecast) => Expectation::Throughput(forecast),
                Err(error) => Expectation::Unavailable { unavailable: error.message },
            };
            SchemeRow { scheme: scheme.name(), outcome }
        };
        let schemes: Vec<SchemeRow> = self.schemes.iter().map(entry).collect();
        let best = schemes
            .iter()
            .filter_map(|entry| Some((entry.scheme, entry.outcome.forecast()?.images_per_second)))
            // The first of equals: a single process has nothing to share in any scheme.
            .fold(None, |best: Option<(&str, f64)>, next| match best {
                Some(best) if best.1 >= next.1 => Some(best),
                Some(_) | None => Some(next),
            });
        Row { nodes, ranks, batch, schemes, best: best.map(|best| best.0) }
    }

    /// What is expected of a scheme.
    ///
    /// # Errors
    /// Returns an error if the scheme does not exist for these numbers of ranks and images.
    pub fn forecast(&self, scheme: Scheme, ranks: usize, batch: usize) -> Result<Throughput> {
        let Self { network, precision, .. } = *self;
        let step = Step { network, scheme, ranks, batch, precision };
        let machines = Machines { layers: self.layers, topology: self.topology, slowdown: self.slowdown };
        let duration = machines.duration(&step.tasks()?);
        let images_per_second = batch as f64 / duration.step_seconds;
        let exposed_seconds = duration.exposed_seconds();
        let limit = if exposed_seconds < NOTICEABLE * duration.step_seconds {
            Limit::Compute
        } else if 2.0 * duration.latency_seconds > duration.transfer_seconds {
            Limit::Latency
        } else {
            Limit::Bandwidth
        };
        Ok(Throughput {
            duration,
            exposed_seconds,
            images_per_second,
            efficiency: images_per_second / (ranks as f64 * self.alone(&machines)?),
            gradient_bytes: step.bytes_sent(Payload::Gradients)?,
            activation_bytes: step.bytes_sent(Payload::Activations)?,
            messages: step.messages()?,
            limit,
        })
    }

    /// Images per second of one rank alone, with its share of the images of one node.
    fn alone(&self, machines: &Machines<'_>) -> Result<f64> {
        let batch = (self.load.batch(1) / self.topology.ranks_per_node).max(1);
        let Self { network, precision, .. } = *self;
        let step = Step { network, scheme: Scheme::Data, ranks: 1, batch, precision };
        Ok(batch as f64 / machines.duration(&step.tasks()?).step_seconds)
    }
}

impl Expectation {
    /// The forecast, if the scheme exists.
    pub const fn forecast(&self) -> Option<&Throughput> {
        match self {
            Self::Throughput(forecast) => Some(forecast),
            Self::Unavailable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::job::FcExchange;
    use super::super::layer_times::tests::even;
    use super::super::link::Link;
    use super::*;
    use crate::net::Recipe;

    const SCHEMES: [Scheme; 3] =
        [Scheme::Data, Scheme::Columns { columns: 2 }, Scheme::Hybrid { exchange: FcExchange::Gather }];

    fn rows(load: Load, link: Link, precision: ExchangePrecision, nodes: &[usize]) -> Result<Vec<Row>> {
        let network = Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap();
        let layers = even(&network, 128, 0.02);
        let topology = Topology::flat(link);
        let (network, layers) = (&network, &layers);
        Plan { network, layers, topology, slowdown: 0.0, schemes: &SCHEMES, load, precision }.rows(nodes)
    }

    fn link(name: &str) -> Link {
        Link::preset(name).unwrap().1
    }

    fn forecast(row: &Row, scheme: usize) -> Option<&Throughput> {
        row.schemes[scheme].outcome.forecast()
    }

    #[test]
    fn more_nodes_are_less_efficient_and_a_faster_network_more() {
        for load in [Load::ImagesPerNode(128), Load::GlobalBatch(4096)] {
            for scheme in 0..SCHEMES.len() {
                let mut slower: Vec<f64> = Vec::new();
                for name in ["1GbE", "10GbE", "25GbE", "100GbE"] {
                    let rows = rows(load, link(name), ExchangePrecision::F32, &NODES).unwrap();
                    let found: Vec<f64> =
                        rows.iter().filter_map(|row| Some(forecast(row, scheme)?.efficiency)).collect();
                    assert!(found.len() >= 10, "{found:?}");
                    assert!(
                        found.iter().all(|&efficiency| efficiency > 0.0 && efficiency < 1.1),
                        "{found:?}"
                    );
                    // Ranks that share weights gain where each updates its own only.
                    let gain = if scheme == 0 { 1e-9 } else { 0.05 };
                    let falls = found[..10].windows(2).all(|pair| pair[1] <= pair[0] + gain);
                    assert!(falls, "{name}: {found:?}");
                    assert!(slower.iter().zip(&found).all(|(slow, fast)| fast >= slow), "{name}");
                    slower = found;
                }
            }
        }
    }

    #[test]
    fn half_precision_gains_where_bandwidth_limits() {
        let at = |precision| {
            let rows = rows(Load::ImagesPerNode(128), link("1GbE"), precision, &[64]).unwrap();
            *forecast(&rows[0], 0).unwrap()
        };
        let (full, half) = (at(ExchangePrecision::F32), at(ExchangePrecision::F16));
        assert_eq!((full.limit, half.gradient_bytes), (Limit::Bandwidth, full.gradient_bytes / 2.0));
        assert!(half.images_per_second > full.images_per_second);
    }

    #[test]
    fn limits_are_named() {
        let limit = |link| {
            let rows = rows(Load::ImagesPerNode(128), link, ExchangePrecision::F32, &[64]).unwrap();
            forecast(&rows[0], 0).unwrap().limit
        };
        assert_eq!(limit(Link { latency_seconds: 0.0, bytes_per_second: 1e12 }), Limit::Compute);
        assert_eq!(limit(Link { latency_seconds: 0.1, bytes_per_second: 1e12 }), Limit::Latency);
        assert_eq!(limit(Link { latency_seconds: 0.0, bytes_per_second: 1e7 }), Limit::Bandwidth);
    }

    #[test]
    fn the_best_scheme_is_the_fastest_that_exists() {
        let rows = rows(Load::GlobalBatch(128), link("10GbE"), ExchangePrecision::F32, &NODES).unwrap();
        assert_eq!(rows[0].best, Some("data"));
        for row in &rows {
            let rate = |entry: &SchemeRow| {
                entry.outcome.forecast().map_or(0.0, |forecast| forecast.images_per_second)
            };
            let most = row.schemes.iter().map(rate).fold(0.0, f64::max);
            let best = row.best.map(|name| row.schemes.iter().find(|entry| entry.scheme == name).unwrap());
            assert_eq!(best.map_or(0.0, rate), most);
        }
        assert_eq!(rows.last().unwrap().best, None, "128 images for 1,024 nodes");
        let unavailable = serde_json::to_value(rows.last().unwrap()).unwrap();
        assert!(
            unavailable["schemes"][0]["unavailable"].as_str().unwrap().contains("128 images"),
            "{unavailable}"
        );
    }

    #[test]
    fn nothing_is_refused() {
        for (load, nodes) in [(Load::ImagesPerNode(0), 1), (Load::ImagesPerNode(1), 0)] {
            let error = rows(load, link("10GbE"), ExchangePrecision::F32, &[nodes]).unwrap_err();
            assert!(error.message.contains("at least 1"), "{error}");
        }
    }
}
