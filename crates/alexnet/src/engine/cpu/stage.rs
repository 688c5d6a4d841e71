//! A training step in two calls.

use super::backward::{Backward, Gradients};
use super::diagnostics::{add_statistics, first_non_finite_layer};
use super::forward::{Dropout, Forward};
use super::parameters::Pair;
use super::piece::Piece;
use super::state::{CpuEngine, LastStep};
use crate::engine::batch::{Batch, Shard};
use crate::engine::interface::OnGradient;
use crate::engine::leaves;
use crate::engine::stage::{Stage, StageBatch, StagePart};
use crate::engine::timings::LayerTimings;
use crate::{Error, Result};
use alexnet_kernels::memory::recover;

impl Stage for CpuEngine {
    fn forward_training(&mut self, batch: &StageBatch<'_>) -> Result<&[f32]> {
        self.require_training()?;
        let n = self.check_stage(batch)?;
        let outputs = self.network.classes;
        let Self { network, plan, division, pool, parameters, activations, timings, last, .. } = self;
        if is_first(batch.part) {
            *timings = LayerTimings::start();
            *last = LastStep::default();
        }
        timings.resume();
        with_pieces(batch, plan.leaves, |pieces| {
            let work = || {
                for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                    let first = piece.start;
                    let mut forward =
                        Forward { network, plan, division, parameters, activations, first, timings };
                    let dropout = Dropout::Training(piece.batch.keys);
                    forward.run(piece.micro_batch, piece.batch.images, dropout)?;
                }
                Ok(())
            };
            recover(|| pool.install(work))?
        })?;
        match batch.part {
            StagePart::Round { count, .. } if count > 1 => {
                let statistics = last.statistics.get_or_insert_default();
                pool.install(|| add_statistics(network, plan, activations, n, statistics));
            }
            StagePart::Round { .. } | StagePart::Shard(_) => {}
        }
        last.images = n;
        Ok(&activations[plan.logits][..n * outputs])
    }

    fn backward_training<'a>(
        &'a mut self,
        batch: &StageBatch<'_>,
        output_gradient: &[f32],
        input_gradient: &mut [f32],
        on_gradient: &mut OnGradient<'_, 'a>,
    ) -> Result<()> {
        self.require_training()?;
        self.check_stage(batch)?;
        let Self {
            network, plan, division, backward, pool, parameters, activations, gradients, timings, ..
        } = self;
        let mut parameter_gradients: Vec<Option<&'a mut Pair>> =
            self.parameter_gradients.iter_mut().map(Option::as_mut).collect();
        let mut then = Gradients::Keep(on_gradient);
        timings.resume();
        with_pieces(batch, plan.leaves, |pieces| {
            let work = || {
                for piece in pieces {
                    let (first, n) = (piece.start, piece.micro_batch.images());
                    let outputs = first * network.classes..(first + n) * network.classes;
                    gradients[0][..outputs.len()].copy_from_slice(&output_gradient[outputs]);
                    let mut backward = Backward {
                        network,
                        division,
                        steps: &backward.keep,
                        parameters,
                        parameter_gradients: &mut parameter_gradients,
                        activations,
                        first,
                        gradients,
                        timings,
                    };
                    backward.train(piece, &mut then, input_gradient)?;
                }
                Ok(())
            };
            recover(|| pool.install(work))?
        })
    }

    fn find_non_finite(&mut self) {
        let Self { network, plan, pool, activations, last, .. } = self;
        last.non_finite = pool.install(|| first_non_finite_layer(network, plan, activations, last.images));
    }
}

impl CpuEngine {
    fn check_stage(&self, batch: &StageBatch<'_>) -> Result<usize> {
        let n = self.count_from(0, batch.inputs)?;
        if batch.keys.len() != n {
            return Err(Error::shape("keys", batch.keys.len(), format!("{n}, one per image")));
        }
        // The activations of all images stay until the second call.
        match self.plan.micro_batch {
            most if n > most => Err(Error::shape("images", n, format!("up to {most}, the micro-batch"))),
            _ => Ok(n),
        }
    }
}

const fn is_first(part: StagePart) -> bool {
    match part {
        StagePart::Shard(_) => true,
        StagePart::Round { index, .. } => index == 0,
    }
}

/// Calls `work` with the pieces that a batch is computed in.
fn with_pieces<R>(
    batch: &StageBatch<'_>,
    leaves: usize,
    work: impl FnOnce(&[Piece<'_>]) -> Result<R>,
) -> Result<R> {
    let &StageBatch { inputs: images, keys, part } = batch;
    let n = keys.len();
    match part {
        StagePart::Shard(shard) => {
            let batch = Batch { images, labels: &[], keys, shard };
            let leaves = leaves::of(shard, n, leaves)?;
            work(&Piece::all(&batch, &leaves, usize::MAX).collect::<Vec<_>>())
        }
        StagePart::Round { index, count } => {
            let batch = Batch { images, labels: &[], keys, shard: Shard::whole(n) };
            work(&[Piece::round(batch, index, count)])
        }
    }
}
