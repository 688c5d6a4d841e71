//! Response normalizations that are written as single operations: `x / (k + alpha mean(x^2))^beta`, as PyTorch computes them and
//! this program writes those that ONNX lacks.

use alexnet_kernels::geometry::{Maps, Normalization, Reach};

use super::array::Size;
use super::operator::{Padding, PoolAttributes};
use super::problem::Supported;
use super::signal::{AxisPadding, FoundLayer, Origin, SignalId, Step};
use super::state::State;
use crate::format::decimal;
use crate::net::{PoolKind, Spec};

/// A window of the means of squares.
struct MeanWindow {
    /// The signal whose squares are averaged.
    squared: SignalId,
    /// What is averaged has these dimensions, after the number of images times `multiple`.
    multiple: usize,
    sizes: Vec<usize>,
    /// Along all dimensions but the first.
    kernel: Vec<usize>,
    before: Vec<usize>,
    after: Vec<usize>,
}

impl State<'_> {
    /// The means over a window at each place, as a part of a normalization; `None` for what is pooling.
    pub(super) fn means(
        &mut self,
        kind: PoolKind,
        attributes: &PoolAttributes,
        x: SignalId,
    ) -> Supported<Option<SignalId>> {
        let PoolAttributes { window, rounds_up, counts_padding } = attributes;
        let signal = &self.signals[x];
        let (Padding::Explicit(pads), Some(kernel)) = (&window.padding, &window.kernel) else {
            return Ok(None);
        };
        let is_padded = pads.iter().any(|&pad| pad > 0);
        let is_pooling = signal.is_maps() && !(is_padded && *counts_padding);
        let is_padded_before = matches!(signal.origin, Origin::Padded { .. });
        // No layer squares: these are means, also over windows of one pixel, which need no padding.
        let is_of_squares = matches!(self.signals[self.unviewed(x)].origin, Origin::Step(Step::Square(_)));
        let is_dense = window.strides.iter().flatten().all(|&stride| stride == 1);
        match kind {
            PoolKind::Average
                if is_dense && !rounds_up && (is_padded_before || is_of_squares || !is_pooling) => {}
            PoolKind::Max | PoolKind::Average => return Ok(None),
        }
        if is_padded && !counts_padding {
            return Err(
                "an average over a window that is smaller at the edges, of a tensor that is no maps".into()
            );
        }
        let axes = kernel.len();
        let padding = match pads.as_slice() {
            [] => AxisPadding { before: vec![0; axes], after: vec![0; axes] },
            pads if pads.len() == 2 * axes => {
                AxisPadding { before: pads[..axes].to_vec(), after: pads[axes..].to_vec() }
            }
            other => return Err(format!("pads is {other:?} for a window of {axes} dimensions")),
        };
        let shape = window_positions(&signal.shape, kernel, &padding)
            .ok_or_else(|| format!("a window of {kernel:?} of a tensor of shape {}", signal.shown()))?;
        let step = Step::Means { of: x, kernel: kernel.clone(), padding };
        Ok(Some(self.add_step(step, x, shape)))
    }

    /// `x` divided by a power, or times one with a negative exponent, which is a normalization.
    pub(super) fn normalized(
        &mut self,
        x: SignalId,
        power: SignalId,
        is_divisor: bool,
    ) -> Supported<SignalId> {
        let spec = self.normalization(x, power, is_divisor).ok_or(
            "it computes with two tensors that depend on the images, and is not the last step of a response normalization, \
             x / (k + alpha mean(x^2))^beta: branches are not supported",
        )?;
        Ok(self.add_same(FoundLayer::plain(spec), x))
    }

    fn normalization(&self, x: SignalId, power: SignalId, is_divisor: bool) -> Option<Spec> {
        let (Origin::Step(Step::Power { of, exponent }), maps) =
            (&self.signals[power].origin, self.maps_of(x).ok()?)
        else {
            return None;
        };
        let exponent = if is_divisor { *exponent } else { -exponent };
        let (factor, offset, of) = self.linear(*of);
        let window = self.mean_window(of)?;
        let (alpha, beta, k) = (decimal(factor), decimal(exponent), decimal(offset));
        if self.unviewed(window.squared) != self.unviewed(x) {
            return None;
        }
        if let Some((size, groups)) = window.across_maps(maps) {
            return Some(Spec::Lrn { size, alpha, beta, k, alpha_over_size: true, groups });
        }
        let size = window.within_maps(maps)?;
        (k == 1.0).then_some(Spec::MapNorm { size, alpha, beta })
    }

    /// `factor x + offset`, in any number of steps.
    fn linear(&self, id: SignalId) -> (f32, f32, SignalId) {
        let (mut factor, mut offset, mut at) = (1.0, 0.0, self.unviewed(id));
        while let Origin::Step(Step::Linear { of, factor: inner, offset: shift }) = &self.signals[at].origin {
            (factor, offset, at) = (factor * inner, factor * shift + offset, self.unviewed(*of));
        }
        (factor, offset, at)
    }

    fn mean_window(&self, id: SignalId) -> Option<MeanWindow> {
        let Origin::Step(Step::Means { of, kernel, padding }) = &self.signals[self.unviewed(id)].origin
        else {
            return None;
        };
        let (mut before, mut after) = (padding.before.clone(), padding.after.clone());
        let mut averaged = *of;
        if let Origin::Padded { of, padding, value: 0.0 } = &self.signals[averaged].origin {
            // Of the images and what is next to them, nothing is padded.
            let own = |part: &[usize]| match part {
                [0, 0, rest @ ..] if rest.len() == kernel.len() => Some(rest.to_vec()),
                _ => None,
            };
            let (more_before, more_after) = (own(&padding.before)?, own(&padding.after)?);
            before.iter_mut().zip(more_before).for_each(|(pad, more)| *pad += more);
            after.iter_mut().zip(more_after).for_each(|(pad, more)| *pad += more);
            averaged = *of;
        }
        let (multiple, sizes) = self.signals[averaged].of_images()?;
        let Origin::Step(Step::Square(squared)) = &self.signals[self.unviewed(averaged)].origin else {
            return None;
        };
        Some(MeanWindow { squared: *squared, multiple, sizes, kernel: kernel.clone(), before, after })
    }
}

impl MeanWindow {
    /// The number of maps and of groups of a normalization across maps: `[groups, channels, ...]`, or `[1, channels, ...]`.
    fn across_maps(&self, maps: Maps) -> Option<(usize, usize)> {
        let (&groups, rest) = self.sizes.split_first()?;
        let groups = groups.checked_mul(self.multiple)?;
        let (&channels, pixels) = rest.split_first()?;
        let (&size, others) = self.kernel.split_first()?;
        let is_whole = groups.checked_mul(channels) == Some(maps.channels)
            && pixels.iter().product::<usize>() == maps.pixels()
            && others.iter().all(|&size| size == 1);
        (is_whole && self.reaches(0, size) && size > 1).then_some((size, groups))
    }

    /// The side of the window of a normalization within maps: `[channels, height, width]`.
    fn within_maps(&self, maps: Maps) -> Option<usize> {
        let &[rows, columns] = self.kernel.as_slice() else { return None };
        let is_whole = self.multiple == 1 && self.sizes == [maps.channels, maps.height, maps.width];
        let reaches = self.reaches(0, rows) && self.reaches(1, columns);
        (is_whole && rows == columns && reaches).then_some(rows)
    }

    /// Whether the padding along an axis is that of a window of this size around each element, and the other axes have none.
    fn reaches(&self, axis: usize, size: usize) -> bool {
        let constants = Normalization { size: size.max(1), alpha: 0.0, beta: 0.0, k: 1.0 };
        let Reach { before, after } = constants.reach();
        let alone =
            |other: usize| self.kernel[other] != 1 || (self.before[other], self.after[other]) == (0, 0);
        (self.before[axis], self.after[axis]) == (before, after) && (0..self.kernel.len()).all(alone)
    }
}

/// The shape of what a window of stride 1 is moved over, for each of its positions.
fn window_positions(shape: &[Size], kernel: &[usize], padding: &AxisPadding) -> Option<Vec<Size>> {
    let (kept, moved) = shape.split_at_checked(shape.len().checked_sub(kernel.len())?)?;
    let mut positions = kept.to_vec();
    for (i, size) in moved.iter().enumerate() {
        let Size::Known(size) = size else { return None };
        let padded = usize::try_from(*size).ok()? + padding.before[i] + padding.after[i];
        positions.push(Size::Known((padded + 1).checked_sub(kernel[i]).filter(|&n| n > 0)? as i64));
    }
    (kept.len() == 2).then_some(positions)
}
