//! One round of images through the divided layers.

use std::ops::Range;

use alexnet_kernels::loss;

use super::collective::Collective;
use super::split_rounds::{Round, parts};
use crate::Result;
use crate::engine::{OnGradient, Stage, StageBatch, StagePart};

/// Labels and keys of the images of a rank.
pub(super) type OwnImages = (Vec<u32>, Vec<u64>);

/// What the rounds of a step share.
pub(super) struct Step<'s> {
    /// All ranks.
    pub(super) group: &'s Collective,
    /// Labels and keys of every rank.
    pub(super) all: &'s [OwnImages],
    /// The outputs of the lower layers for the own images, `values` per image.
    pub(super) features: &'s [f32],
    /// Values per image.
    pub(super) values: usize,
    /// Number of classes.
    pub(super) classes: usize,
    /// Number of images in the global batch.
    pub(super) global: usize,
}

/// What the rounds of a step find.
pub(super) struct Found<'f> {
    /// Logits of the own images.
    pub(super) logits: &'f mut [f32],
    /// The gradient with respect to the features of the own images.
    pub(super) gradient: &'f mut [f32],
    /// The sum of the losses of all images.
    pub(super) total: &'f mut f64,
}

/// The values of some images.
pub(super) const fn rows(images: &Range<usize>, values: usize) -> Range<usize> {
    images.start * values..images.end * values
}

/// Gathers the features of a round's images from all ranks.
pub(super) fn gather(group: &Collective, round: &Round, own: &[f32], values: usize) -> Result<Vec<f32>> {
    let (parts, index) = (parts(round, values), group.index());
    let mut gathered = vec![0.0; parts.last().map_or(0, |part| part.end)];
    gathered[parts[index].clone()].copy_from_slice(&own[rows(&round[index], values)]);
    group.all_gather(&mut gathered, &parts)?;
    Ok(gathered)
}

impl Step<'_> {
    /// Passes the images of a round through the divided layers and back.
    pub(super) fn run<'a>(
        &self,
        upper: &'a mut dyn Stage,
        (round, part): (&Round, StagePart),
        found: &mut Found<'_>,
        on_gradient: &mut OnGradient<'_, 'a>,
    ) -> Result<()> {
        let Self { group, all, features, values, classes, global } = *self;
        let inputs = gather(group, round, features, values)?;
        let images = || all.iter().zip(round);
        let labels: Vec<u32> =
            images().flat_map(|((labels, _), range)| &labels[range.clone()]).copied().collect();
        let keys: Vec<u64> = images().flat_map(|((_, keys), range)| &keys[range.clone()]).copied().collect();
        let batch = StageBatch { inputs: &inputs, keys: &keys, part };

        let logits = upper.forward_training(&batch)?;
        let mut errors = vec![0.0; logits.len()];
        loss::accumulate_softmax_loss(logits, &labels, global, classes, &mut errors, found.total);
        let own = &round[group.index()];
        found.logits[rows(own, classes)]
            .copy_from_slice(&logits[parts(round, classes)[group.index()].clone()]);
        if !found.total.is_finite() {
            upper.find_non_finite();
        }

        let mut sums = vec![0.0; inputs.len()];
        upper.backward_training(&batch, &errors, &mut sums, on_gradient)?;
        let parts = parts(round, values);
        group.scatter_sums(&mut sums, &parts)?;
        found.gradient[rows(own, values)].copy_from_slice(&sums[parts[group.index()].clone()]);
        Ok(())
    }
}
