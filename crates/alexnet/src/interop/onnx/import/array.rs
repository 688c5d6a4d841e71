//! Constant arrays: numbers in 32-bit floats, and sizes.

use std::rc::Rc;

/// A constant array of floats, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FloatArray {
    pub(super) shape: Vec<usize>,
    pub(super) data: Rc<Vec<f32>>,
}

/// A constant array of integers, row-major: sizes, positions and conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SizeArray {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<Size>,
}

/// A size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// A number.
    Known(i64),
    /// The number of images, which varies, times this.
    Images(usize),
}

impl Size {
    /// The number of images.
    pub(super) const IMAGES: Self = Self::Images(1);
}

impl FloatArray {
    pub(super) fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: Rc::new(data) }
    }

    /// The number, if there is one.
    pub(super) fn scalar(&self) -> Option<f32> {
        match self.data.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// The array with its axes in another order.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let (shape, data) = transpose(&self.shape, &self.data, order);
        Self::new(shape, data)
    }
}

impl SizeArray {
    pub(super) fn list(data: Vec<Size>) -> Self {
        Self { shape: vec![data.len()], data }
    }

    pub(super) fn single(value: Size) -> Self {
        Self { shape: Vec::new(), data: vec![value] }
    }

    /// The numbers, if all are known.
    pub(super) fn known(&self) -> Option<Vec<i64>> {
        let known = |size: &Size| match size {
            Size::Known(value) => Some(*value),
            Size::Images(_) => None,
        };
        self.data.iter().map(known).collect()
    }
}

/// The most that the dimensions of an empty array multiply to, apart from those that are 0.
const MOST_WITHOUT_NUMBERS: usize = 4096;

/// The number of elements of an array. `None` if it is too large, also for an empty array with dimensions that no list of its
/// positions would fit.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    let mut sizes = shape.iter().filter(|&&size| size != 0);
    let count = sizes.try_fold(1_usize, |count, &size| count.checked_mul(size))?;
    match shape.contains(&0) {
        true => (count <= MOST_WITHOUT_NUMBERS).then_some(0),
        false => Some(count),
    }
}

/// `result[i_order[0], i_order[1], ...] = values[i_0, i_1, ...]`, both row-major. `order` is a permutation of the axes.
pub(super) fn transpose<T: Copy>(shape: &[usize], values: &[T], order: &[usize]) -> (Vec<usize>, Vec<T>) {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    let moved: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let place = |mut index: usize| {
        let axes = moved.iter().zip(order).rev();
        axes.fold(0, |place, (&size, &axis)| {
            let at = index % size;
            index /= size;
            place + at * strides[axis]
        })
    };
    let data = (0..values.len()).map(|index| values[place(index)]).collect();
    (moved, data)
}

/// Whether `order` is a permutation of the axes of an array with `rank` dimensions.
pub(super) fn is_permutation(order: &[usize], rank: usize) -> bool {
    order.len() == rank && (0..rank).all(|axis| order.contains(&axis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_bounded() {
        assert_eq!([&[][..], &[3, 4], &[0], &[2, 0, 3]].map(count), [Some(1), Some(12), Some(0), Some(0)]);
        for shape in [[usize::MAX, 2, 1], [0, 1 << 40, 1 << 40], [1 << 60, 1, 0]] {
            assert_eq!(count(&shape), None, "{shape:?}");
        }
    }

    #[test]
    fn axes_are_exchanged() {
        let (shape, values) = transpose(&[2, 3], &[1, 2, 3, 4, 5, 6], &[1, 0]);
        assert_eq!((shape, values), (vec![3, 2], vec![1, 4, 2, 5, 3, 6]));
        let (shape, values) = transpose(&[1, 2, 2], &[1, 2, 3, 4], &[2, 0, 1]);
        assert_eq!((shape, values), (vec![2, 1, 2], vec![1, 3, 2, 4]));
        assert!(is_permutation(&[2, 0, 1], 3) && !is_permutation(&[0, 0], 2) && !is_permutation(&[0], 2));
    }
}
