//! Sliding windows of convolutions and pooling, in this program's terms: one padding for the first window, and whether a last, partial
//! window is used.

use alexnet_kernels::geometry::{Maps, Rounding, Window};

use super::operator::{Padding, WindowAttributes};
use super::problem::Supported;
use super::signal::AxisPadding;

/// A window on maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MapWindow {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Before and after rows and columns.
    pub(super) padding: AxisPadding,
}

impl MapWindow {
    /// The window of these attributes on maps, with `around` added to its padding. `kernel` is that of the weights, if there are any.
    pub(super) fn new(
        attributes: &WindowAttributes,
        kernel: Option<usize>,
        maps: Maps,
        around: &AxisPadding,
    ) -> Supported<Self> {
        let WindowAttributes { kernel: given, strides, padding } = attributes;
        let kernel = match (given.as_deref(), kernel) {
            (None, Some(kernel)) => kernel,
            (Some(&[rows, columns]), None) if rows == columns => rows,
            (Some(&[rows, columns]), Some(kernel)) if rows == kernel && columns == kernel => kernel,
            (given, _) => {
                return Err(format!(
                    "kernel_shape is {:?}, expected a square, that of the weights if there are any",
                    given.unwrap_or_default()
                ));
            }
        };
        let stride = match strides.as_deref() {
            None => 1,
            Some(&[rows, columns]) if rows == columns => rows,
            Some(other) => {
                return Err(format!("strides is {other:?}, expected the same along rows and columns"));
            }
        };
        let sides = [maps.height, maps.width];
        let of = |axis: usize, part: &[usize]| part.get(axis).copied().unwrap_or(0);
        let own = own_padding(padding, kernel, stride, sides)?;
        let sum = |a: &[usize], b: &[usize]| vec![of(0, a) + of(0, b), of(1, a) + of(1, b)];
        let padding =
            AxisPadding { before: sum(&own.before, &around.before), after: sum(&own.after, &around.after) };
        Ok(Self { kernel, stride, padding })
    }

    /// The padding and rounding of a recipe with the same windows. Maps have `sides` pixels; a last, partial window is used if
    /// `rounds_up`.
    pub(super) fn fit(&self, maps: Maps, rounds_up: bool) -> Supported<(usize, Rounding)> {
        let Self { kernel, stride, padding } = self;
        let (before, after) = (&padding.before, &padding.after);
        let shown = format!("padding {before:?} before and {after:?} after rows and columns");
        if before[0] != before[1] {
            return Err(format!("{shown}, expected the same before both"));
        }
        let pad = before[0];
        let wanted = |side: usize, after: usize| {
            positions(side + pad + after, *kernel, *stride, rounds_up, side + pad)
        };
        let wanted = [wanted(maps.height, after[0]), wanted(maps.width, after[1])];
        let fits = |rounding: Rounding| {
            let window = Window { kernel: *kernel, stride: *stride, pad, rounding };
            let found = [maps.height, maps.width].map(|side| window.positions(side).ok());
            found == wanted && !wanted.contains(&None)
        };
        match [Rounding::Down, Rounding::Up].into_iter().find(|&rounding| fits(rounding)) {
            Some(rounding) => Ok((pad, rounding)),
            None => Err(format!(
                "{shown}: the windows of {kernel} x {kernel} pixels at a distance of {stride} are not those of any padding here"
            )),
        }
    }
}

/// The number of windows along `padded` pixels. A partial one must start before `end`, the end of the map.
fn positions(padded: usize, kernel: usize, stride: usize, rounds_up: bool, end: usize) -> Option<usize> {
    let span = padded.checked_sub(kernel)?;
    let steps = if rounds_up { span.div_ceil(stride) } else { span / stride };
    let steps = if rounds_up && steps * stride >= end { steps - 1 } else { steps };
    Some(steps + 1)
}

fn own_padding(padding: &Padding, kernel: usize, stride: usize, sides: [usize; 2]) -> Supported<AxisPadding> {
    match padding {
        Padding::Explicit(pads) => match pads.as_slice() {
            [] => Ok(AxisPadding { before: vec![0; 2], after: vec![0; 2] }),
            &[top, left, bottom, right] => {
                Ok(AxisPadding { before: vec![top, left], after: vec![bottom, right] })
            }
            other => Err(format!("pads is {other:?}, expected four numbers")),
        },
        Padding::Same { odd_after } => {
            let total =
                sides.map(|side| ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side));
            let (less, more) = (total.map(|total| total / 2), total.map(|total| total.div_ceil(2)));
            let (before, after) = if *odd_after { (less, more) } else { (more, less) };
            Ok(AxisPadding { before: before.into(), after: after.into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(kernel: usize, stride: usize, padding: Padding) -> WindowAttributes {
        WindowAttributes { kernel: Some(vec![kernel; 2]), strides: Some(vec![stride; 2]), padding }
    }

    fn fit(
        side: usize,
        kernel: usize,
        stride: usize,
        pads: &[usize],
        rounds_up: bool,
    ) -> Supported<(usize, Rounding)> {
        let maps = Maps::new(side, side, 3);
        let attributes = attributes(kernel, stride, Padding::Explicit(pads.to_vec()));
        MapWindow::new(&attributes, None, maps, &AxisPadding::default())?.fit(maps, rounds_up)
    }

    #[test]
    fn paddings_of_other_programs_are_ours() {
        assert_eq!(fit(224, 11, 4, &[2, 2, 2, 2], false), Ok((2, Rounding::Down)));
        assert_eq!(fit(224, 11, 4, &[2, 2, 1, 1], false), Ok((2, Rounding::Down)));
        assert_eq!(fit(224, 11, 4, &[0, 0, 3, 3], false), Ok((0, Rounding::Up)));
        // As many windows, whatever the padding beyond them.
        assert_eq!(fit(227, 11, 4, &[0, 0, 3, 3], false), Ok((0, Rounding::Down)));
        assert_eq!(fit(32, 3, 2, &[], true), Ok((0, Rounding::Up)));
        assert_eq!(fit(55, 3, 2, &[], true), Ok((0, Rounding::Down)));
        assert_eq!(fit(13, 3, 2, &[1, 1, 1, 1], false), Ok((1, Rounding::Down)));
        // The partial window would lie outside of the map.
        assert_eq!(fit(3, 1, 2, &[], true), Ok((0, Rounding::Down)));
        assert!(fit(14, 1, 4, &[], true).is_ok());
    }

    #[test]
    fn other_paddings_are_refused() {
        assert!(fit(13, 3, 2, &[1, 0, 1, 1], false).unwrap_err().contains("the same before both"));
        assert!(fit(13, 3, 1, &[0, 0, 5, 5], false).unwrap_err().contains("not those of any padding"));
        assert!(fit(13, 3, 1, &[0, 0, 1, 0], false).unwrap_err().contains("not those of any padding"));
        assert!(fit(2, 3, 1, &[], false).is_err() && fit(13, 3, 1, &[1], false).is_err());
        let maps = Maps::new(9, 9, 1);
        for attributes in [
            WindowAttributes { kernel: Some(vec![3, 2]), strides: None, padding: Padding::Explicit(vec![]) },
            WindowAttributes { kernel: None, strides: None, padding: Padding::Explicit(vec![]) },
            WindowAttributes {
                kernel: Some(vec![3, 3]),
                strides: Some(vec![1, 2]),
                padding: Padding::Explicit(vec![]),
            },
        ] {
            assert!(MapWindow::new(&attributes, None, maps, &AxisPadding::default()).is_err());
        }
    }

    #[test]
    fn same_padding_is_divided() {
        let maps = Maps::new(14, 14, 1);
        for (odd_after, before, after) in [(true, 0, 1), (false, 1, 0)] {
            let window = attributes(3, 2, Padding::Same { odd_after });
            let window = MapWindow::new(&window, None, maps, &AxisPadding::default()).unwrap();
            assert_eq!(window.padding, AxisPadding { before: vec![before; 2], after: vec![after; 2] });
            assert!(window.fit(maps, false).is_ok());
        }
    }
}
