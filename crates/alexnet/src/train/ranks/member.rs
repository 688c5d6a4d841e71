//! What every rank does.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::shares::Shares;
use super::team::Team;
use crate::data::{Preprocess, Share, Split};
use crate::engine::leaves;
use crate::engine::{
    Batch, Engine, Health, LayerGradient, NonFinite, OutputStatistics, StepOutcome, Tensor, TensorKind,
    Update,
};
use crate::error::Kind;
use crate::eval::{Classifier, Evaluation, Part, evaluate_shared};
use crate::net::Views;
use crate::parallel::traffic::Payload;
use crate::parallel::transport::Lane;
use crate::parallel::{Collective, ExchangePrecision, Grid, Job, NetworkSplit, Scheme};
use crate::{Error, Result, threads};

/// One of the ranks of a job: its engine, and how it shares gradients, values and results.
#[derive(Debug)]
pub(super) struct Member {
    /// Computes this rank's part of the network.
    pub(super) engine: Box<dyn Engine>,
    pub(super) shares: Shares,
    split: NetworkSplit,
    /// The ranks that compute gradients of the same weights.
    gradients: Collective,
    precision: ExchangePrecision,
    /// The ranks that compute the parts of the same layers.
    columns: Collective,
    world: Collective,
    non_finite: Option<NonFinite>,
}

/// The result of a rank's share of a step.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ShareOutcome {
    loss: f64,
    correct: usize,
    non_finite: Option<NonFinite>,
}

impl Member {
    pub(super) fn new(
        engine: Box<dyn Engine>,
        split: NetworkSplit,
        shares: Shares,
        job: &Job,
        team: &Team,
    ) -> Result<Self> {
        let group = |lane, purpose, ranks| {
            Collective::world(&job.transport, lane, purpose, &team.traffic).group(ranks)
        };
        let grid = split.grid();
        Ok(Self {
            gradients: group(Lane::Gradients, Payload::Gradients, grid.data_peers())?,
            columns: group(Lane::Main, Payload::Control, grid.column_group())?,
            world: team.world.clone(),
            precision: job.precision,
            non_finite: None,
            engine,
            shares,
            split,
        })
    }

    fn grid(&self) -> &Grid {
        self.split.grid()
    }

    /// Whether layers are divided among ranks.
    pub(super) fn is_divided(&self) -> bool {
        self.grid().columns() > 1
    }

    /// Trains on this rank's share of a batch. Every rank returns the result of the whole batch.
    pub(super) fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<StepOutcome> {
        let own = self.gradients(batch)?;
        let own =
            ShareOutcome { loss: own.loss, correct: own.correct, non_finite: self.engine.non_finite()? };
        let all = self.world.all_gather_values(&own)?;
        self.non_finite = all.iter().find_map(|rank| rank.non_finite);
        let outcome = self.sum(&all);
        if outcome.loss.is_finite() {
            self.engine.apply(update)?;
            self.non_finite = match self.non_finite {
                Some(place) => Some(place),
                None => self.agree(self.engine.non_finite()?)?,
            };
        }
        Ok(outcome)
    }

    /// The result of the whole batch.
    fn sum(&self, ranks: &[ShareOutcome]) -> StepOutcome {
        // The ranks of a column group return the result of the same images.
        let shards: Vec<ShareOutcome> =
            ranks.iter().step_by(ranks.len() / self.grid().shards()).copied().collect();
        StepOutcome {
            loss: leaves::sum(&shards.iter().map(|shard| shard.loss).collect::<Vec<f64>>()),
            correct: shards.iter().map(|shard| shard.correct).sum(),
        }
    }

    /// Where an update left non-finite values on any rank. Ranks with the same layers have applied the same gradients to the same
    /// values.
    fn agree(&self, own: Option<NonFinite>) -> Result<Option<NonFinite>> {
        match self.is_divided() {
            true => Ok(self.world.all_gather_values(&own)?.into_iter().flatten().next()),
            false => Ok(own),
        }
    }

    /// Computes the gradients of this rank's share, and adds those of the other ranks: layer by layer, while the backward pass
    /// continues with the layers below.
    fn gradients(&mut self, batch: &Batch<'_>) -> Result<StepOutcome> {
        let Self { engine, gradients, split, precision, .. } = self;
        let (send, receive) = crossbeam_channel::unbounded::<LayerGradient<'_>>();
        std::thread::scope(|scope| {
            let reduce = move || {
                receive.into_iter().try_for_each(|gradient| {
                    all_reduce(gradients, *precision, gradient.weights)?;
                    all_reduce(gradients, *precision, gradient.biases)
                })
            };
            let reducer = threads::spawn_scoped(scope, reduce)
                .map_err(|error| error.context("exchanging gradients"))?;
            let own = engine.forward_backward(batch, &mut |gradient| {
                if split.is_shared(gradient.layer) {
                    // A reducer that has failed receives nothing any more; its error follows.
                    let _ = send.send(gradient);
                }
                Ok(())
            });
            drop(send);
            let panicked = || Error::new(Kind::Runtime, "the thread that exchanges gradients panicked");
            reducer.join().unwrap_or_else(|_| Err(panicked()))?;
            own
        })
    }

    /// Where values became non-finite on any rank in the last step.
    pub(super) fn non_finite(&self) -> Option<NonFinite> {
        self.non_finite
    }

    /// Evaluates this rank's share of a split. `on_batch` receives the number of images that all ranks have evaluated; if it fails
    /// on any rank, all ranks end the evaluation. Every rank returns the result of the whole split, or `None` if another rank
    /// has ended the evaluation.
    pub(super) fn evaluate(
        &mut self,
        preprocess: &Arc<Preprocess>,
        images: &Split,
        views: Views,
        workers: usize,
        on_batch: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Option<Evaluation>> {
        let grid = *self.grid();
        let (reports, in_step) = match grid.scheme() {
            Scheme::Data => (true, false),
            // The ranks of a column group evaluate the same images.
            Scheme::Columns { .. } => (grid.column() == 0, false),
            // All ranks compute the fully connected layers for the images of each.
            Scheme::Hybrid { .. } => (true, true),
        };
        let share = Share { index: grid.shard(), of: grid.shards() };
        let part = Part { world: &self.world, share, reports, in_step };
        let judge = Classifier { engine: &mut *self.engine, preprocess, weight: 1.0 };
        evaluate_shared(&mut [judge], images, views, workers, part, on_batch)
    }

    /// The statistics of the last step's outputs, of all ranks: for all images, and for all channels.
    pub(super) fn outputs(&self) -> Result<Vec<OutputStatistics>> {
        let ranks = self.world.all_gather_values(&self.engine.output_statistics()?)?;
        let layer = |layer: usize| {
            let is_divided = layer >= self.split.first_divided();
            // Ranks with parts of the same layer come one after another.
            let columns = if is_divided { self.grid().columns() } else { 1 };
            let mut images = OutputStatistics::default();
            for group in ranks.chunks(columns) {
                let mut channels = group[0][layer].clone();
                group[1..].iter().for_each(|rank| channels.join(rank[layer].clone()));
                images.merge(channels);
            }
            images
        };
        Ok((0..self.split.whole().layers.len()).map(layer).collect())
    }

    /// The magnitudes of each layer on all ranks, given the statistics of their outputs.
    pub(super) fn health(&self) -> Result<Vec<Health>> {
        let own = self.engine.health_of(&self.outputs()?)?;
        if !self.is_divided() {
            return Ok(own);
        }
        let sizes = self.engine.network().layers.iter().filter_map(|layer| layer.parameter_shapes());
        let sizes: Vec<usize> = sizes.map(|(weights, _)| weights.iter().product()).collect();
        let columns: Vec<(Vec<usize>, Vec<Health>)> = self.columns.all_gather_values(&(sizes, own))?;
        let layers = columns.first().map_or(0, |(_, layers)| layers.len());
        let parts = |layer: usize| columns.iter().map(move |(sizes, of)| (sizes[layer], &of[layer]));
        Ok((0..layers).filter_map(|layer| Health::joined(parts(layer))).collect())
    }

    /// The logits of images of the root.
    pub(super) fn forward(&mut self, images: &[f32]) -> Result<Vec<f32>> {
        self.engine.forward(images).map(<[f32]>::to_vec)
    }

    /// Takes part in computing the logits of images of the root, if this rank computes a part of its network.
    pub(super) fn help_forward(&mut self, images: &[f32]) -> Result<()> {
        match self.grid().scheme() {
            Scheme::Columns { .. } if self.is_beside_root() => self.engine.forward(images).map(drop),
            Scheme::Hybrid { .. } => self.engine.forward(&[]).map(drop),
            Scheme::Data | Scheme::Columns { .. } => Ok(()),
        }
    }

    /// Whether this rank computes a part of the root's network.
    fn is_beside_root(&self) -> bool {
        self.grid().column_group().contains(&0)
    }

    /// Sends the values of this rank's parts of layers to the root.
    pub(super) fn send_values(&self, kind: TensorKind) -> Result<()> {
        if !self.is_beside_root() {
            return Ok(());
        }
        self.engine.tensors(kind)?.iter().try_for_each(|tensor| self.columns.send_all(0, &tensor.data))
    }

    /// Returns the tensors of the whole network, on the root, while the others call [`Member::send_values`].
    pub(super) fn receive_values(&self, kind: TensorKind) -> Result<Vec<Tensor>> {
        let own = self.engine.tensors(kind)?;
        if !self.is_divided() {
            return Ok(own);
        }
        let mut parts: Vec<Vec<Tensor>> = own.into_iter().map(|tensor| vec![tensor]).collect();
        for column in 1..self.columns.size() {
            for tensor in &mut parts {
                let data = self.columns.receive_all(column)?;
                let name = tensor[0].name.clone();
                tensor.push(Tensor { name, shape: Vec::new(), data });
            }
        }
        parts.iter().map(|parts| self.split.join(parts)).collect()
    }

    /// Takes this rank's parts of the tensors of the whole network, which the root has.
    pub(super) fn take_values(&mut self, kind: TensorKind, whole: &[Tensor]) -> Result<()> {
        let own = whole.iter().map(|tensor| self.split.slice(tensor)).collect::<Result<Vec<Tensor>>>()?;
        match kind {
            TensorKind::Parameters => self.engine.load(&own),
            TensorKind::Velocities => self.engine.load_velocities(&own),
            TensorKind::Gradients => own.iter().try_for_each(|tensor| self.engine.set_tensor(kind, tensor)),
        }
    }

    /// Copies the root's tensors of the whole network to all ranks.
    pub(super) fn broadcast(&self, tensors: &mut [Tensor]) -> Result<()> {
        tensors.iter_mut().try_for_each(|tensor| self.world.broadcast(&mut tensor.data))
    }

    /// The tensors of the whole network, all zero.
    pub(super) fn zeros(&self) -> Vec<Tensor> {
        let layers = self.split.whole().layers.iter();
        let tensors = layers.filter_map(|layer| {
            let (weights, biases) = layer.parameter_shapes()?;
            Some([(layer.weight_name(), weights), (layer.bias_name(), biases)])
        });
        let zeros = |(name, shape): (String, Vec<usize>)| Tensor {
            name,
            data: vec![0.0; shape.iter().product()],
            shape,
        };
        tensors.flatten().map(zeros).collect()
    }
}

fn all_reduce(group: &Collective, precision: ExchangePrecision, values: &mut [f32]) -> Result<()> {
    match precision {
        ExchangePrecision::F32 => group.all_reduce(values),
        ExchangePrecision::F16 => group.all_reduce_f16(values),
    }
}
