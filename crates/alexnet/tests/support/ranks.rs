//! Ranks of a job, as threads, with an engine each.

use std::sync::Arc;

use alexnet::engine::{Batch, Device, Engine, LayerGradient, Options, Shard, Tensor, Update};
use alexnet::net::{Network, Recipe};
use alexnet::parallel::threads::ThreadTransport;
use alexnet::parallel::traffic::{Payload, Traffic};
use alexnet::parallel::transport::Lane;
use alexnet::parallel::{Collective, Grid, NetworkSplit, Scheme, Transport};

use super::{lively_parameters, normals, relative_rms};

pub(crate) const UPDATE: Update = Update::sgd(0.001, 0.9, 0.0005);

/// A global batch.
pub(crate) struct Images {
    pub(crate) network: Network,
    pub(crate) images: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    pub(crate) keys: Vec<u64>,
}

impl Images {
    pub(crate) fn new(recipe: &Recipe, classes: usize, n: usize) -> Self {
        let network = Network::new(recipe, classes).unwrap();
        let images = normals(7, n * network.input.len());
        let labels = (0..n).map(|i| ((i * 3 + 1) % classes) as u32).collect();
        Self { network, images, labels, keys: (100..100 + n as u64).collect() }
    }

    /// The images of one of several shards.
    pub(crate) fn shard(&self, index: usize, shards: usize) -> Batch<'_> {
        let (n, len) = (self.labels.len(), self.network.input.len());
        let range = index * n / shards..(index + 1) * n / shards;
        Batch {
            images: &self.images[range.start * len..range.end * len],
            labels: &self.labels[range.clone()],
            keys: &self.keys[range.clone()],
            shard: Shard { first: range.start, global: n },
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options::training(self.labels.len(), 1)
    }
}

/// A rank with its engine.
pub(crate) struct Rank {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) split: NetworkSplit,
    pub(crate) peers: Collective,
    pub(crate) traffic: Arc<Traffic>,
}

impl Rank {
    pub(crate) fn open(
        transport: ThreadTransport,
        scheme: Scheme,
        network: &Network,
        options: &Options,
    ) -> Self {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        let traffic = Arc::new(Traffic::default());
        let grid = Grid::new(scheme, transport.rank(), transport.size()).unwrap();
        let split = NetworkSplit::new(network, grid).unwrap();
        let parts = (&transport, &traffic);
        let mut engine = alexnet::parallel::open(Device::Cpu, network, grid, parts, options).unwrap();
        let own: Vec<Tensor> =
            lively_parameters(network, 1).iter().map(|tensor| split.slice(tensor).unwrap()).collect();
        engine.load(&own).unwrap();
        let world = Collective::world(&transport, Lane::Gradients, Payload::Gradients, &traffic);
        let peers = world.group(grid.data_peers()).unwrap();
        Self { engine, split, peers, traffic }
    }

    /// The loss of the global batch.
    pub(crate) fn gradients(&mut self, images: &Images) -> f64 {
        let Self { engine, split, peers, .. } = self;
        let grid = split.grid();
        let batch = images.shard(grid.shard(), grid.shards());
        let mut reduce = |gradient: LayerGradient<'_>| {
            if split.is_shared(gradient.layer) {
                peers.all_reduce(gradient.weights)?;
                peers.all_reduce(gradient.biases)?;
            }
            Ok(())
        };
        let loss = engine.forward_backward(&batch, &mut reduce).unwrap().loss;
        peers.all_gather_values(&loss).unwrap().iter().sum()
    }
}

/// Runs `work` on every rank, and returns the results in order.
pub(crate) fn on_ranks<R: Send>(size: usize, work: impl Fn(ThreadTransport) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let ranks: Vec<_> =
            ThreadTransport::job(size).into_iter().map(|rank| scope.spawn(move || work(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

pub(crate) fn whole_engine(images: &Images, options: &Options) -> Box<dyn Engine> {
    let mut engine = alexnet::engine::open(Device::Cpu, images.network.clone(), options).unwrap();
    engine.load(&lively_parameters(&images.network, 1)).unwrap();
    engine
}

/// Sums are taken in another order, which changes gradients of the lowest layers by about 1e-5.
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f64, what: &str) {
    let values = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let difference = relative_rms(values(found), values(expected));
    assert!(difference < tolerance, "{what} differs by {difference:e}");
}

/// The whole tensors of the parts that the first column group has.
pub(crate) fn join(ranks: &[(NetworkSplit, Vec<Tensor>)]) -> Vec<Tensor> {
    let split = &ranks[0].0;
    let tensor = |i: usize| {
        let parts: Vec<Tensor> =
            ranks[..split.grid().columns()].iter().map(|(_, tensors)| tensors[i].clone()).collect();
        split.join(&parts).unwrap()
    };
    (0..ranks[0].1.len()).map(tensor).collect()
}

/// Losses of training, one per step.
pub(crate) fn train(rank: &mut Rank, images: &Images, steps: usize) -> Vec<f64> {
    let mut step = || {
        let loss = rank.gradients(images);
        rank.engine.apply(&UPDATE).unwrap();
        loss
    };
    (0..steps).map(|_| step()).collect()
}
