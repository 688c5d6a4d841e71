//! What one rank computes and exchanges in a training step, in order.

use super::super::grid::Grid;
use super::super::job::{ExchangePrecision, Scheme};
use super::super::split::NetworkSplit;
use super::super::traffic::Payload;
use super::transfer::{CollectiveCall, CollectiveKind};
use crate::engine::Pass;
use crate::net::{Layer, Network, Operation as LayerOperation};
use crate::{Error, Result};

/// Bytes of an activation.
const ACTIVATION: f64 = size_of::<f32>() as f64;

/// Bytes of a command or of a loss as MessagePack: as good as none, but each is two messages, its length and itself.
const CONTROL: f64 = 64.0;

/// A training step whose gradients are shared.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The network.
    pub network: &'a Network,
    /// How the ranks share the work.
    pub scheme: Scheme,
    /// Number of ranks.
    pub ranks: usize,
    /// Images of the global batch.
    pub batch: usize,
    /// The precision of exchanged gradients.
    pub precision: ExchangePrecision,
}

/// A part of a step of one rank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// A pass through a layer.
    Compute(Work),
    /// A transfer that the computation waits for.
    Exchange(CollectiveCall),
    /// A transfer that starts now, after earlier ones of this kind, while the computation continues.
    Start(CollectiveCall),
    /// Waits until all transfers have ended.
    WaitForGradients,
}

/// A pass through a layer, or through a part of its maps and units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Position of the layer in the network.
    pub layer: usize,
    /// The pass.
    pub pass: Pass,
    /// Number of images; not whole if a batch does not divide evenly.
    pub images: f64,
    /// The share of the layer's maps or units.
    pub share: f64,
}

/// How a layer is divided among the ranks.
#[derive(Clone, Copy, Debug)]
struct Division {
    /// Images that a rank computes.
    images: f64,
    /// The number of ranks that share the layer's maps or units, which are neighbors.
    parts: usize,
    /// The number of ranks that hold the same weights.
    copies: usize,
}

impl Step<'_> {
    /// The tasks of a rank, in order.
    ///
    /// # Errors
    /// Returns an error if the scheme does not exist for this network and these numbers of ranks and images.
    pub fn tasks(&self) -> Result<Vec<Task>> {
        self.check()?;
        let layers = &self.network.layers;
        let mut tasks = Vec::new();
        tasks.extend(self.control(CollectiveKind::Broadcast));
        for (position, layer) in layers.iter().enumerate() {
            tasks.extend(self.gather(position, CollectiveKind::AllGather));
            let Division { images, parts, .. } = self.division(position);
            tasks.push(compute(position, Pass::Forward, images, parts));
            if position + 1 == layers.len() && parts > 1 {
                tasks.push(Task::Exchange(activations(
                    CollectiveKind::AllGather,
                    parts,
                    images * layer.output.len() as f64,
                )));
            }
        }
        let lowest = layers.iter().position(|layer| layer.parameters() > 0).unwrap_or(0);
        for (position, layer) in layers.iter().enumerate().skip(lowest).rev() {
            let Division { images, parts, .. } = self.division(position);
            if layer.parameters() > 0 {
                tasks.push(compute(position, Pass::WeightGradient, images, parts));
                tasks.extend(self.gradients(position).into_iter().map(Task::Start));
            }
            if position > lowest {
                tasks.push(compute(position, Pass::InputGradient, images, parts));
                tasks.extend(self.gather(position, CollectiveKind::ScatterSums));
            }
        }
        tasks.push(Task::WaitForGradients);
        tasks.extend(self.control(CollectiveKind::AllGather));
        for (position, _) in layers.iter().enumerate().rev().filter(|(_, layer)| layer.parameters() > 0) {
            let Division { images, parts, .. } = self.division(position);
            tasks.push(compute(position, Pass::Update, images, parts));
        }
        if self.is_divided() {
            // Whether the update left non-finite values in any part.
            tasks.extend(self.control(CollectiveKind::AllGather));
        }
        Ok(tasks)
    }

    /// Bytes that a rank sends in a step, for a purpose.
    ///
    /// # Errors
    /// As [`Step::tasks`].
    pub fn bytes_sent(&self, purpose: Payload) -> Result<f64> {
        let transfers = self.tasks()?.into_iter().filter_map(|task| task.transfer());
        let of_purpose = transfers.filter(|transfer| transfer.purpose == purpose);
        // The sum of no numbers is -0.
        Ok(of_purpose.fold(0.0, |sum, transfer| sum + transfer.bytes_sent()))
    }

    /// Messages that a rank sends in a step.
    ///
    /// # Errors
    /// As [`Step::tasks`].
    pub fn messages(&self) -> Result<usize> {
        let transfers = self.tasks()?.into_iter().filter_map(|task| task.transfer());
        Ok(transfers.map(|transfer| transfer.messages().len()).sum())
    }

    fn check(&self) -> Result<()> {
        let Self { scheme, ranks, batch, .. } = *self;
        if ranks == 0 || batch == 0 {
            return Err(Error::usage(format!(
                "{ranks} processes and {batch} images, expected at least 1 of each"
            )));
        }
        let sharing = match scheme {
            Scheme::Data | Scheme::Hybrid { .. } => ranks,
            Scheme::Columns { columns } if columns >= 2 && ranks.is_multiple_of(columns) => {
                NetworkSplit::new(self.network, Grid::new(scheme, 0, columns)?)?;
                ranks / columns
            }
            Scheme::Columns { columns } => {
                return Err(Error::usage(format!(
                    "{ranks} processes in groups of {columns} columns, expected a multiple of 2 or more"
                )));
            }
        };
        if batch < sharing {
            return Err(Error::usage(format!(
                "a batch of {batch} images for {sharing} processes, expected at least one image each"
            )));
        }
        let narrow = self
            .network
            .layers
            .iter()
            .enumerate()
            .find(|(position, layer)| layer.output.channels < self.division(*position).parts);
        match narrow {
            None => Ok(()),
            Some((position, layer)) => Err(Error::usage(format!(
                "layer {}: {} maps or units for {} processes, expected at least one each",
                layer.name,
                layer.output.channels,
                self.division(position).parts
            ))),
        }
    }

    fn division(&self, position: usize) -> Division {
        let Self { scheme, ranks, .. } = *self;
        let batch = self.batch as f64;
        let whole = Division { images: batch / ranks as f64, parts: 1, copies: ranks };
        match scheme {
            Scheme::Data => whole,
            Scheme::Columns { columns } => {
                let groups = ranks / columns;
                Division { images: batch / groups as f64, parts: columns, copies: groups }
            }
            Scheme::Hybrid { .. } if position < self.first_fc() => whole,
            Scheme::Hybrid { .. } => Division { images: batch, parts: ranks, copies: 1 },
        }
    }

    /// The position of the first fully connected layer; in a hybrid, its units and those of all later layers are divided.
    fn first_fc(&self) -> usize {
        let layers = &self.network.layers;
        layers
            .iter()
            .position(|layer| matches!(layer.operation, LayerOperation::Fc(..)))
            .unwrap_or(layers.len())
    }

    /// The exchange of the inputs of a layer that needs those of other ranks, or of the gradient with respect to them. The
    /// first layer reads images, which every rank has.
    fn gather(&self, position: usize, kind: CollectiveKind) -> Option<Task> {
        let layer = &self.network.layers[position];
        let Division { images, parts, .. } = self.division(position);
        let needed = position > 0 && parts > 1 && mixes(layer, parts);
        needed.then(|| Task::Exchange(activations(kind, parts, images * layer.input.len() as f64)))
    }

    /// The sums of a layer's gradients, weights and biases.
    fn gradients(&self, position: usize) -> Vec<CollectiveCall> {
        let Division { parts, copies, .. } = self.division(position);
        let value = match self.precision {
            ExchangePrecision::F32 => 4.0,
            ExchangePrecision::F16 => 2.0,
        };
        let Some((weights, biases)) = self.network.layers[position].parameter_shapes().filter(|_| copies > 1)
        else {
            return Vec::new();
        };
        let sum = |shape: &[usize]| CollectiveCall {
            kind: CollectiveKind::AllReduce,
            purpose: Payload::Gradients,
            ranks: copies,
            stride: parts,
            bytes: value * shape.iter().product::<usize>() as f64 / parts as f64,
        };
        vec![sum(&weights), sum(&biases)]
    }

    /// A small value of the root or of each rank.
    fn control(&self, kind: CollectiveKind) -> Vec<Task> {
        let values = match kind {
            CollectiveKind::Broadcast | CollectiveKind::AllReduce => 1,
            CollectiveKind::AllGather | CollectiveKind::ScatterSums => self.ranks,
        };
        let message = |bytes: f64| {
            let bytes = bytes * values as f64;
            Task::Exchange(CollectiveCall {
                kind,
                purpose: Payload::Control,
                ranks: self.ranks,
                stride: 1,
                bytes,
            })
        };
        if self.ranks == 1 { Vec::new() } else { vec![message(8.0), message(CONTROL)] }
    }

    /// Whether layers are divided among ranks.
    fn is_divided(&self) -> bool {
        match self.scheme {
            Scheme::Data => false,
            Scheme::Columns { .. } => true,
            Scheme::Hybrid { .. } => self.ranks > 1 && self.first_fc() < self.network.layers.len(),
        }
    }
}

impl Task {
    /// The transfer of this task, if it is one.
    pub const fn transfer(self) -> Option<CollectiveCall> {
        match self {
            Self::Exchange(transfer) | Self::Start(transfer) => Some(transfer),
            Self::Compute(_) | Self::WaitForGradients => None,
        }
    }
}

/// Whether outputs of one part of a layer's maps depend on inputs of another part.
fn mixes(layer: &Layer, parts: usize) -> bool {
    match &layer.operation {
        LayerOperation::Fc(..) => true,
        LayerOperation::Conv(g, _) | LayerOperation::Local(g, _) => !g.groups().is_multiple_of(parts),
        LayerOperation::Lrn(g) => !g.groups().is_multiple_of(parts),
        LayerOperation::Pool(..)
        | LayerOperation::MapNorm(_)
        | LayerOperation::Activation(_)
        | LayerOperation::Dropout { .. } => false,
    }
}

fn compute(layer: usize, pass: Pass, images: f64, parts: usize) -> Task {
    Task::Compute(Work { layer, pass, images, share: 1.0 / parts as f64 })
}

/// An exchange of this many activations among neighbors.
fn activations(kind: CollectiveKind, ranks: usize, values: f64) -> CollectiveCall {
    CollectiveCall { kind, purpose: Payload::Activations, ranks, stride: 1, bytes: ACTIVATION * values }
}

#[cfg(test)]
mod tests {
    use super::super::super::job::FcExchange;
    use super::*;
    use crate::net::Recipe;

    fn paper() -> Network {
        Network::new(&Recipe::load("paper").unwrap(), 1000).unwrap()
    }

    fn step(network: &Network, scheme: Scheme, ranks: usize, batch: usize) -> Step<'_> {
        Step { network, scheme, ranks, batch, precision: ExchangePrecision::F32 }
    }

    const HYBRID: Scheme = Scheme::Hybrid { exchange: FcExchange::Gather };

    #[test]
    fn the_schemes_cost_what_one_weird_trick_says() {
        let network = paper();
        let ranks = 8;
        let rest = (ranks - 1) as f64 / ranks as f64;
        let fc: usize =
            network.layers.iter().filter(|layer| layer.kind() == "fc").map(Layer::parameters).sum();
        // Data-parallel fully connected layers.
        let all = step(&network, Scheme::Data, ranks, 128).bytes_sent(Payload::Gradients).unwrap();
        let convolutions = step(&network, HYBRID, ranks, 128).bytes_sent(Payload::Gradients).unwrap();
        assert!((all - convolutions - rest * 8.0 * fc as f64).abs() < 1.0);
        let per_step = (all - convolutions) / rest;
        assert!((per_step / 1e6 - 469.0).abs() < 0.1, "{per_step}");
        // Divided ones, without the logits, which the figure does not count.
        let batch = 1024;
        let sent = step(&network, HYBRID, ranks, batch).bytes_sent(Payload::Activations).unwrap();
        let per_image = sent / rest / batch as f64 - 4.0 * 1000.0;
        assert!((per_image / 1e3 - 139.0).abs() < 0.5, "{per_image}");
        let crossover = per_step / per_image;
        assert!((crossover - 3370.0).abs() < 5.0, "{crossover}");
    }

    #[test]
    fn data_exchanges_all_gradients() {
        let network = paper();
        for (ranks, levels) in [(1_usize, 0), (2, 1), (8, 3), (64, 6)] {
            let step = step(&network, Scheme::Data, ranks, 128 * ranks);
            let gradients = step.bytes_sent(Payload::Gradients).unwrap();
            let expected = 8.0 * 60_965_224.0 * (ranks - 1) as f64 / ranks as f64;
            assert!((gradients - expected).abs() < 1.0, "{gradients} {expected}");
            assert_eq!(step.bytes_sent(Payload::Activations).unwrap(), 0.0);
            let half = Step { precision: ExchangePrecision::F16, ..step };
            assert_eq!(half.bytes_sent(Payload::Gradients).unwrap(), gradients / 2.0);
            // The buckets of weights and biases of eight layers, 36 of them those of fc6; a command, and the losses of all ranks,
            // each after its length.
            let buckets = 69;
            assert_eq!(step.messages().unwrap(), buckets * 2 * levels + 2 * levels + 2 * (ranks - 1));
        }
    }

    #[test]
    fn columns_exchange_where_the_paper_says() {
        let network = paper();
        let (columns, batch) = (2, 128);
        let sent = |ranks, purpose| {
            step(&network, Scheme::Columns { columns }, ranks, batch).bytes_sent(purpose).unwrap()
        };
        // Half of the inputs of conv3, fc6, fc7 and fc8, and back; half of the logits.
        let inputs = 13 * 13 * 256 + 9216 + 4096 + 4096;
        let expected = (4 * batch * (2 * inputs + 1000) / 2) as f64;
        assert_eq!(sent(2, Payload::Activations), expected);
        assert_eq!(sent(2, Payload::Gradients), 0.0);
        // Two groups have half of the images each, and add the gradients of their halves of the network.
        assert_eq!(sent(4, Payload::Activations), expected / 2.0);
        assert_eq!(sent(4, Payload::Gradients), 4.0 * 60_965_224.0 / 2.0);
    }

    /// [`NetworkSplit::step_bytes`] is compared with the bytes of real training runs.
    #[test]
    fn columns_exchange_what_a_division_does() {
        for (recipe, columns) in [("paper", 2), ("small", 2), ("cifar-18pct", 4)] {
            let network = Network::new(&Recipe::load(recipe).unwrap(), 12).unwrap();
            let scheme = Scheme::Columns { columns };
            let split = NetworkSplit::new(&network, Grid::new(scheme, 0, columns).unwrap()).unwrap();
            let sent = step(&network, scheme, columns, 16).bytes_sent(Payload::Activations).unwrap();
            assert_eq!(sent, split.step_bytes(16, 16) as f64, "{recipe}");
        }
    }

    #[test]
    fn every_scheme_computes_the_same_work() {
        let network = paper();
        for (scheme, ranks) in [(Scheme::Data, 4), (Scheme::Columns { columns: 2 }, 4), (HYBRID, 4)] {
            let tasks = step(&network, scheme, ranks, 256).tasks().unwrap();
            let macs: f64 = tasks
                .iter()
                .filter_map(|task| match task {
                    Task::Compute(Work { layer, pass: Pass::Forward, images, share }) => {
                        Some(network.layers[*layer].macs() as f64 * images * share)
                    }
                    _ => None,
                })
                .sum();
            assert!((macs * 4.0 / 256.0 - 724_406_816.0).abs() < 1.0, "{scheme:?}: {macs}");
        }
    }

    #[test]
    fn schemes_that_do_not_exist_are_refused() {
        let network = paper();
        for (scheme, ranks, batch, problem) in [
            (Scheme::Data, 0, 128, "0 processes"),
            (Scheme::Data, 2, 0, "0 images"),
            (Scheme::Data, 256, 128, "128 images for 256 processes"),
            (Scheme::Columns { columns: 2 }, 3, 128, "3 processes in groups of 2"),
            (Scheme::Columns { columns: 1 }, 1, 128, "groups of 1"),
            (Scheme::Columns { columns: 128 }, 128, 128, "layer conv1"),
            (HYBRID, 1024, 131_072, "layer fc8: 1000 maps or units for 1024"),
        ] {
            let error = step(&network, scheme, ranks, batch).tasks().unwrap_err();
            assert!(error.message.contains(problem), "{error}");
        }
    }
}
