//! Ranges of values that several keys share.

use std::ops::{Bound, Range, RangeInclusive};

/// Sides in pixels: squares, crops, kernels, strides. Large enough for any image, and small enough that a product of two
/// cannot overflow.
pub(super) const SIDE: RangeInclusive<usize> = 1..=4096;
/// Maps, units, classes.
pub(super) const WIDTH: RangeInclusive<usize> = 1..=1 << 20;
/// Images per step.
pub(super) const BATCH: RangeInclusive<usize> = 1..=65536;
/// Passes over the training set.
pub(super) const EPOCHS: RangeInclusive<usize> = 1..=100_000;
/// Numbers that may be zero, such as weight decay and learning rate factors.
pub(super) const ZERO_OR_MORE: RangeInclusive<f64> = 0.0..=1e6;
/// Positive factors and divisors.
pub(super) const ABOVE_ZERO: (Bound<f64>, Bound<f64>) = (Bound::Excluded(0.0), Bound::Included(1e6));
/// Fractions below 1: momentum, dropout.
pub(super) const FRACTION: Range<f64> = 0.0..1.0;
