//! What every rank does.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::shares::Shares;
use super::team::Team;
use crate::data::{Preprocess, Split};
use crate::engine::{Batch, Engine, LayerGradient, NonFinite, OutputStatistics, StepOutcome, Tensor, Update};
use crate::error::Kind;
use crate::eval::{Classifier, Evaluation, evaluate_shared};
use crate::parallel::Collective;
use crate::parallel::traffic::Purpose;
use crate::parallel::transport::{Lane, Transport};
use crate::{Error, Result};

/// One of the ranks of a job: its engine, and how it shares gradients and results.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) engine: Box<dyn Engine>,
    pub(super) shares: Shares,
    /// The ranks whose gradients are added up.
    gradients: Collective,
    /// The results of all ranks.
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
        shares: Shares,
        transport: &Arc<dyn Transport>,
        team: &Team,
    ) -> Self {
        let gradients = Collective::world(transport, Lane::Gradients, Purpose::Gradients, &team.traffic);
        Self { engine, shares, gradients, world: team.world.clone(), non_finite: None }
    }

    /// Trains on this rank's share of a batch. Every rank returns the result of the whole batch.
    pub(super) fn step(&mut self, batch: &Batch<'_>, update: &Update) -> Result<StepOutcome> {
        let own = self.gradients(batch)?;
        let own =
            ShareOutcome { loss: own.loss, correct: own.correct, non_finite: self.engine.non_finite()? };
        let all = self.world.all_gather_values(&own)?;
        let outcome = StepOutcome {
            loss: tree_sum(&all.iter().map(|share| share.loss).collect::<Vec<f64>>()),
            correct: all.iter().map(|share| share.correct).sum(),
        };
        self.non_finite = all.iter().find_map(|share| share.non_finite);
        if outcome.loss.is_finite() {
            self.engine.apply(update)?;
            // All ranks have applied the same gradients to the same values.
            self.non_finite = self.non_finite.or(self.engine.non_finite()?);
        }
        Ok(outcome)
    }

    /// Computes the gradients of this rank's share, and adds those of the other ranks: layer by layer, while the backward pass
    /// continues with the layers below.
    fn gradients(&mut self, batch: &Batch<'_>) -> Result<StepOutcome> {
        let (engine, gradients) = (&mut self.engine, &self.gradients);
        let (send, receive) = crossbeam_channel::unbounded::<LayerGradient<'_>>();
        std::thread::scope(|scope| {
            let reduce = move || {
                receive.into_iter().try_for_each(|gradient| {
                    gradients.all_reduce(gradient.weights)?;
                    gradients.all_reduce(gradient.biases)
                })
            };
            let reducer = std::thread::Builder::new()
                .name("gradients".to_owned())
                .spawn_scoped(scope, reduce)
                .map_err(|error| Error::threads(1, &error).context("exchanging gradients"))?;
            // A reducer that has failed receives nothing any more; its error follows.
            let own = engine.forward_backward(batch, &mut |gradient| {
                let _ = send.send(gradient);
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
        split: &Split,
        views: usize,
        workers: usize,
        on_batch: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Option<Evaluation>> {
        let judge = Classifier { engine: &mut *self.engine, preprocess };
        evaluate_shared(&mut [judge], split, views, workers, &self.world, on_batch)
    }

    /// The statistics of the last step's outputs, for the images of all ranks.
    pub(super) fn outputs(&self) -> Result<Vec<OutputStatistics>> {
        let mut ranks = self.world.all_gather_values(&self.engine.output_statistics()?)?.into_iter();
        let mut all = ranks.next().unwrap_or_default();
        for rank in ranks {
            all.iter_mut().zip(rank).for_each(|(layer, next)| layer.merge(next));
        }
        Ok(all)
    }

    /// Takes the values of rank 0, which has them already.
    pub(super) fn share_values(&self, tensors: &mut [Tensor]) -> Result<()> {
        tensors.iter_mut().try_for_each(|tensor| self.world.broadcast(&mut tensor.data))
    }
}

/// The sum in a binary tree over the ranks, as gradients are added.
fn tree_sum(values: &[f64]) -> f64 {
    match values {
        [] => 0.0,
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(values.len() / 2);
            tree_sum(left) + tree_sum(right)
        }
    }
}
