//! Conversion of weights between the layout of the model file and that of the kernels.
//!
//! | layer | model file | kernels |
//! |---|---|---|
//! | convolution | `[groups, out, in, kh, kw]` | `[groups, kh, kw, in, out]` |
//! | locally connected | `[pixels, groups, out, in, kh, kw]` | `[pixels, groups, kh, kw, in, out]` |
//! | fully connected | `[out, channels, pixels]` | `[out, pixels, channels]` |
//!
//! `out` and `in` are those of one group. The kernels have channels last, like the activations.

use rayon::prelude::*;

use crate::net::{Layer, Operation};

/// The dimensions in the model file, and for each axis of the kernels' layout the corresponding axis there.
fn axes(layer: &Layer) -> Option<(Vec<usize>, Vec<usize>)> {
    match &layer.operation {
        Operation::Conv(g, _) => {
            let k = g.window().kernel;
            Some((vec![g.groups(), g.group_outputs(), g.group_inputs(), k, k], vec![0, 3, 4, 2, 1]))
        }
        Operation::Local(g, _) => {
            let k = g.window().kernel;
            let extents = vec![g.output().pixels(), g.groups(), g.group_outputs(), g.group_inputs(), k, k];
            Some((extents, vec![0, 1, 4, 5, 3, 2]))
        }
        Operation::Fc(g, _) => {
            Some((vec![g.outputs(), layer.input.channels, layer.input.pixels()], vec![0, 2, 1]))
        }
        _ => None,
    }
}

/// Converts weights to the kernels' layout; empty for a layer without weights.
pub(crate) fn to_kernels<T: Copy + Send + Sync>(layer: &Layer, weights: &[T]) -> Vec<T> {
    axes(layer).map_or_else(Vec::new, |(extents, order)| permute(weights, &extents, &order))
}

/// Converts weights to the layout of the model file; empty for a layer without weights.
pub(in crate::engine) fn to_file<T: Copy + Send + Sync>(layer: &Layer, weights: &[T]) -> Vec<T> {
    let Some((extents, order)) = axes(layer) else { return Vec::new() };
    let permuted: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
    let mut inverse = vec![0; order.len()];
    for (position, &axis) in order.iter().enumerate() {
        inverse[axis] = position;
    }
    permute(weights, &permuted, &inverse)
}

/// `result[i_order[0], i_order[1], ...] = values[i_0, i_1, ...]`, both row-major. Values are copied if the order is the same,
/// and permuted in parallel along a first axis that stays first.
fn permute<T: Copy + Send + Sync>(values: &[T], extents: &[usize], order: &[usize]) -> Vec<T> {
    assert_eq!(
        values.len(),
        extents.iter().product::<usize>(),
        "dimensions {extents:?} of {} values",
        values.len()
    );
    if order.iter().filter(|&&axis| extents[axis] != 1).is_sorted() {
        return values.to_vec();
    }
    if order[0] == 0 && extents[0] > 1 {
        let inner: Vec<usize> = order[1..].iter().map(|axis| axis - 1).collect();
        let parts = values.par_chunks_exact(values.len() / extents[0]);
        return parts.flat_map_iter(|part| permute_part(part, &extents[1..], &inner)).collect();
    }
    permute_part(values, extents, order)
}

fn permute_part<T: Copy>(values: &[T], extents: &[usize], order: &[usize]) -> Vec<T> {
    let mut strides = vec![1; extents.len()];
    for axis in (1..extents.len()).rev() {
        strides[axis - 1] = strides[axis] * extents[axis];
    }
    let mut result = Vec::with_capacity(values.len());
    let mut index = vec![0; order.len()];
    let mut offset = 0;
    while result.len() < values.len() {
        result.push(values[offset]);
        for position in (0..order.len()).rev() {
            let axis = order[position];
            index[position] += 1;
            offset += strides[axis];
            if index[position] < extents[axis] {
                break;
            }
            offset -= index[position] * strides[axis];
            index[position] = 0;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_transposes() {
        assert_eq!(permute(&[1, 2, 3, 4, 5, 6], &[2, 3], &[1, 0]), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn permute_rotates_three_axes() {
        let extents = [2, 3, 4];
        let values: Vec<usize> = (0..24).collect();
        let moved = permute(&values, &extents, &[2, 0, 1]);
        for (a, b, c) in (0..24).map(|i| (i / 12, i / 4 % 3, i % 4)) {
            assert_eq!(moved[(c * 2 + a) * 3 + b], values[(a * 3 + b) * 4 + c]);
        }
    }
}
