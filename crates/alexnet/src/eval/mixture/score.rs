//! The accuracy of an ensemble with given weights.

use std::cmp::Ordering;

use serde::Serialize;

use super::predictions::Predictions;
use crate::eval::topk::rank;

/// The accuracy of an ensemble on some images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// The number of images.
    pub images: usize,
    /// The number of images whose most probable class is correct.
    pub top1: usize,
    /// The number of images whose class is among the five most probable.
    pub top5: usize,
    /// The mean cross-entropy loss.
    pub loss: f64,
}

impl Score {
    /// Computes the accuracy of the mean of `models` with these weights, on the images with these indices.
    pub(super) fn of(models: &[Predictions], weights: &[f64], images: &[usize]) -> Self {
        let Some(Predictions { classes, labels, .. }) = models.first() else { return Self::default() };
        let total: f64 = weights.iter().sum();
        let mut mean = vec![0.0; *classes];
        let mut score = Self { images: images.len(), ..Self::default() };
        for &image in images {
            mean.fill(0.0);
            for (model, weight) in models.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
                let own = &model.probabilities[image * classes..][..*classes];
                mean.iter_mut().zip(own).for_each(|(sum, &p)| *sum += weight / total * f64::from(p));
            }
            let label = labels[image] as usize;
            let rank = rank(&mean, label);
            score.top1 += usize::from(rank == 0);
            score.top5 += usize::from(rank < 5);
            // Clamped, so that the loss stays finite.
            score.loss -= mean[label].max(f64::MIN_POSITIVE).ln();
        }
        score.loss /= images.len().max(1) as f64;
        score
    }

    /// Combines the scores of two parts of a set of images.
    pub(super) fn join(self, other: Self) -> Self {
        let images = self.images + other.images;
        let losses = self.loss * self.images as f64 + other.loss * other.images as f64;
        Self {
            images,
            top1: self.top1 + other.top1,
            top5: self.top5 + other.top5,
            loss: losses / images.max(1) as f64,
        }
    }

    /// Whether it has more correct images than `other`, or as many and a lower loss.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        match self.top1.cmp(&other.top1) {
            Ordering::Greater => true,
            Ordering::Equal => self.loss < other.loss,
            Ordering::Less => false,
        }
    }

    /// Returns the top-1 accuracy, from 0 to 1; 0 without images.
    pub fn top1_share(&self) -> f64 {
        self.top1 as f64 / self.images.max(1) as f64
    }

    /// Returns the top-5 accuracy, from 0 to 1; 0 without images.
    pub fn top5_share(&self) -> f64 {
        self.top5 as f64 / self.images.max(1) as f64
    }
}
