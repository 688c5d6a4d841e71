//! A training step.

use super::backward::{Backward, Gradients};
use super::diagnostics::{add_statistics, first_non_finite_layer};
use super::forward::{Dropout, Forward};
use super::parameters::Pair;
use super::piece::Piece;
use super::state::{CpuEngine, LastStep};
use super::update;
use crate::engine::batch::{Batch, StepOutcome, Update, count_correct};
use crate::engine::health::{NonFinite, Place};
use crate::engine::leaves;
use crate::engine::timings::{LayerTimings, Pass};
use crate::{Error, Result};
use alexnet_kernels::loss;
use alexnet_kernels::memory::recover;

impl CpuEngine {
    /// Forward pass, loss and backward pass. With [`Gradients::Apply`], nothing is applied where the loss is non-finite.
    pub(super) fn train<'a>(
        &'a mut self,
        batch: &Batch<'_>,
        mut then: Gradients<'_, 'a>,
    ) -> Result<StepOutcome> {
        self.require_training()?;
        let n = self.count_from(0, batch.images)?;
        self.check_labels(batch, n)?;
        let leaves = leaves::of(batch.shard, n, self.plan.leaves)?;
        let classes = self.network.classes;
        let Self {
            network,
            plan,
            division,
            backward,
            pool,
            parameters,
            activations,
            gradients,
            timings,
            last,
            ..
        } = self;
        let mut parameter_gradients: Vec<Option<&mut Pair>> =
            self.parameter_gradients.iter_mut().map(Option::as_mut).collect();
        *timings = LayerTimings::start();
        *last = LastStep::default();
        let work = || {
            let (mut sums, mut correct) = (vec![0.0; leaves.len()], 0);
            for piece in Piece::all(batch, &leaves, plan.micro_batch) {
                let (batch, n) = (&piece.batch, piece.micro_batch.images());
                if !piece.is_empty() {
                    last.images = n;
                    Forward { network, plan, division, parameters, activations, first: 0, timings }.run(
                        piece.micro_batch,
                        batch.images,
                        Dropout::Training(batch.keys),
                    )?;
                    if let (false, Gradients::Keep(_)) = (piece.is_only(), &then) {
                        let statistics = last.statistics.get_or_insert_default();
                        add_statistics(network, plan, activations, n, statistics);
                    }
                }
                let logits = &activations[plan.logits][..n * classes];
                let gradient = &mut gradients[0][..n * classes];
                correct += count_correct(logits, batch.labels, classes);
                let sum = &mut sums[piece.leaf()];
                let global = batch.shard.global;
                loss::accumulate_softmax_loss(logits, batch.labels, global, classes, gradient, sum);
                timings.resume();
                let is_finite = sums.iter().all(|sum| sum.is_finite());
                let steps = match &then {
                    Gradients::Keep(_) => Some(&backward.keep),
                    Gradients::Apply(_) => is_finite.then_some(&backward.apply),
                };
                let found = match steps {
                    Some(steps) => {
                        let parameter_gradients = &mut parameter_gradients;
                        let mut backward = Backward {
                            network,
                            division,
                            steps,
                            parameters,
                            parameter_gradients,
                            activations,
                            first: 0,
                            gradients,
                            timings,
                        };
                        backward.train(&piece, &mut then, &mut [])?
                    }
                    None => None,
                };
                if last.non_finite.is_none() && (!is_finite || found.is_some()) {
                    let loss = NonFinite { layer: network.layers.len() - 1, place: Place::Loss };
                    let outputs = first_non_finite_layer(network, plan, activations, last.images);
                    last.non_finite = outputs.or(found).or(Some(loss));
                }
            }
            Ok(StepOutcome { loss: leaves::mean_loss(&sums, batch.shard.global), correct })
        };
        recover(|| pool.install(work))?
    }

    /// Applies the gradients that the last step kept.
    pub(super) fn apply_gradients(&mut self, update: &Update) {
        let Self { network, plan, pool, parameters, parameter_gradients, activations, timings, last, .. } =
            self;
        timings.resume();
        pool.install(|| {
            let was_finite = last.non_finite.is_none();
            let layers = network.layers.iter().zip(parameters).zip(parameter_gradients);
            for (i, ((layer, parameters), gradient)) in layers.enumerate().rev() {
                let parameters = parameters.as_mut().filter(|parameters| parameters.learns());
                if let (Some(parameters), Some(gradient)) = (parameters, gradient) {
                    let place = update::apply(layer, parameters, gradient, update);
                    last.non_finite = last.non_finite.or(place.map(|place| NonFinite { layer: i, place }));
                    timings.record(i, Pass::Update);
                }
            }
            if was_finite && last.non_finite.is_some() {
                let outputs = first_non_finite_layer(network, plan, activations, last.images);
                last.non_finite = outputs.or(last.non_finite);
            }
        });
    }

    fn check_labels(&self, batch: &Batch<'_>, n: usize) -> Result<()> {
        let (labels, keys) = (batch.labels.len(), batch.keys.len());
        if labels != n || keys != n {
            let found = format!("{labels} labels and {keys} keys");
            return Err(Error::shape("batch", found, format!("{n} of each, as there are images")));
        }
        let classes = self.network.classes;
        match batch.labels.iter().find(|&&label| label as usize >= classes) {
            Some(label) => Err(Error::data(format!("label {label}, expected 0 to {}", classes - 1))),
            None => Ok(()),
        }
    }
}
