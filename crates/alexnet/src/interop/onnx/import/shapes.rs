//! Operators that change the shape of a tensor, or select a part of it.

use alexnet_kernels::geometry::Maps;

use super::array::{Size, is_permutation};
use super::operator::SliceAttributes;
use super::problem::Supported;
use super::signal::{AxisPadding, Origin, Pixels, SignalId, Step, maps_shape, shown_shape};
use super::state::State;

impl State<'_> {
    /// The dimensions of each image, the first dimension being the images.
    fn sizes_of(&self, x: SignalId) -> Supported<Vec<usize>> {
        let signal = &self.signals[x];
        signal
            .of_image()
            .ok_or_else(|| format!("a tensor of shape {}, expected the images first", signal.shown()))
    }

    pub(super) fn flattened(&mut self, x: SignalId, axis: i64) -> Supported<SignalId> {
        let sizes = self.sizes_of(x)?;
        let axis = if axis < 0 { axis + 1 + sizes.len() as i64 } else { axis };
        match axis {
            1 => {
                let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
                let units = product.ok_or("too many units")?;
                Ok(self.view(x, vec![Size::IMAGES, Size::Known(units as i64)]))
            }
            other => Err(format!("axis is {other}, expected 1")),
        }
    }

    /// The numbers in another shape, whose first dimension are the images.
    pub(super) fn reshaped(&mut self, x: SignalId, to: &[Size], keeps_zeros: bool) -> Supported<SignalId> {
        if let Some(layer) = self.locally_connected(x, &self.asked_shape(to).unwrap_or_default())? {
            return Ok(layer);
        }
        if keeps_zeros && to.contains(&Size::Known(0)) {
            return Err("a dimension of 0".into());
        }
        let shape = self.new_shape(x, to)?;
        Ok(self.view(x, shape))
    }

    /// The shape that is asked for, if it begins with the images, whatever the shape of the tensor.
    fn asked_shape(&self, to: &[Size]) -> Option<Vec<Size>> {
        let (&first, rest) = to.split_first()?;
        let is_images = match first {
            Size::Images(multiple) => multiple == 1,
            Size::Known(number) => number == 0 || Some(number) == self.images,
        };
        is_images.then(|| std::iter::once(Size::IMAGES).chain(rest.iter().copied()).collect())
    }

    fn new_shape(&self, x: SignalId, to: &[Size]) -> Supported<Vec<Size>> {
        let signal = &self.signals[x];
        let refused = || format!("a shape of {} for a tensor of shape {}", shown_shape(to), signal.shown());
        let (multiple, sizes) = signal.of_images().ok_or_else(refused)?;
        // Numbers for each image.
        let count =
            sizes.iter().try_fold(multiple, |count, &size| count.checked_mul(size)).ok_or_else(refused)?;
        let (&first, rest) = to.split_first().ok_or_else(refused)?;
        let known = rest.iter().enumerate().map(|(at, size)| match size {
            Size::Known(0) => sizes.get(at).copied().map(Some),
            Size::Known(-1) => Some(None),
            Size::Known(size) => usize::try_from(*size).ok().map(Some),
            Size::Images(_) => None,
        });
        let known: Vec<Option<usize>> = known.collect::<Option<_>>().ok_or_else(refused)?;
        let product = known.iter().flatten().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let product =
            product.filter(|&product| product > 0 && count.is_multiple_of(product)).ok_or_else(refused)?;
        let left = count / product;
        let inferred = known.iter().filter(|size| size.is_none()).count();
        // What is left belongs to the first dimension, which is inferred or fits, or to the one that is inferred.
        let images = match (first, inferred) {
            (Size::Known(-1), 0) => left,
            (Size::Known(0), _) => multiple,
            (Size::Known(number), _) => {
                let images =
                    self.images.filter(|images| number > 0 && number % images == 0).ok_or_else(refused)?;
                usize::try_from(number / images).map_err(|_| refused())?
            }
            (Size::Images(multiple), _) => multiple,
        };
        if inferred > 1 || images == 0 || !left.is_multiple_of(images) || (inferred == 0 && left != images) {
            return Err(refused());
        }
        let sizes = known.iter().map(|size| Size::Known(size.unwrap_or(left / images) as i64));
        Ok(std::iter::once(Size::Images(images)).chain(sizes).collect())
    }

    /// Without dimensions of size 1: those of the axes, or all.
    pub(super) fn squeezed(&mut self, x: SignalId, axes: Option<&[i64]>) -> Supported<SignalId> {
        let sizes = self.sizes_of(x)?;
        let rank = sizes.len() as i64 + 1;
        let removed: Vec<usize> = match axes {
            None => (1..=sizes.len()).filter(|&axis| sizes[axis - 1] == 1).collect(),
            Some(axes) => axes
                .iter()
                .map(|&axis| {
                    let axis = if axis < 0 { axis + rank } else { axis };
                    let is_single = |&axis: &usize| axis > 0 && sizes.get(axis - 1) == Some(&1);
                    usize::try_from(axis).ok().filter(is_single)
                })
                .collect::<Option<_>>()
                .ok_or_else(|| format!("axes {axes:?} of a tensor of shape {}", self.signals[x].shown()))?,
        };
        let shape = self.signals[x].shape.iter().enumerate();
        let shape = shape.filter(|(axis, _)| !removed.contains(axis)).map(|(_, &size)| size).collect();
        Ok(self.view(x, shape))
    }

    /// With dimensions of size 1 at these axes.
    pub(super) fn unsqueezed(&mut self, x: SignalId, axes: &[i64]) -> Supported<SignalId> {
        let rank = self.signals[x].shape.len() + axes.len();
        let mut shape = self.signals[x].shape.clone();
        let mut sorted: Vec<i64> =
            axes.iter().map(|&axis| if axis < 0 { axis.saturating_add(rank as i64) } else { axis }).collect();
        sorted.sort_unstable();
        for axis in sorted {
            match usize::try_from(axis) {
                Ok(axis @ 1..) if axis <= shape.len() && shape.len() < 16 => {
                    shape.insert(axis, Size::Known(1))
                }
                _ => return Err(format!("axes {axes:?} of a tensor of shape {}", self.signals[x].shown())),
            }
        }
        Ok(self.view(x, shape))
    }

    pub(super) fn exchanged_axes(&mut self, x: SignalId, order: Option<&[usize]>) -> Supported<SignalId> {
        let rank = self.signals[x].shape.len();
        let order: Vec<usize> = order.map_or_else(|| (0..rank).rev().collect(), <[usize]>::to_vec);
        if !is_permutation(&order, rank) {
            return Err(format!("perm is {order:?}, for a tensor of shape {}", self.signals[x].shown()));
        }
        if let Origin::Pixels(pixels) = &self.signals[x].origin {
            return match order.as_slice() {
                [0, 3, 1, 2] => {
                    let side = pixels.side;
                    self.pixels = Some(pixels.clone());
                    let maps = Maps::new(side, side, 3);
                    Ok(self.add(maps_shape(maps), maps, Origin::Images))
                }
                other => Err(format!("perm is {other:?}, expected [0, 3, 1, 2] for images")),
            };
        }
        let shape = order.iter().map(|&axis| self.signals[x].shape[axis]).collect();
        Ok(self.add_step(Step::Transposed { of: x, order }, x, shape))
    }

    /// Consecutive parts of the channels.
    pub(super) fn split(&mut self, x: SignalId, axis: i64, sizes: &[i64]) -> Supported<Vec<SignalId>> {
        let maps = self.channels_of(x, axis)?;
        let mut first = 0;
        let mut parts = Vec::new();
        for &size in sizes {
            let size = usize::try_from(size).ok().filter(|size| (1..=maps.channels - first).contains(size));
            let size = size.ok_or_else(|| format!("parts of {sizes:?} of {} channels", maps.channels))?;
            parts.push(self.part(x, first, size));
            first += size;
        }
        Ok(parts)
    }

    /// Sizes of equal parts of the channels.
    pub(super) fn equal_parts(&self, x: SignalId, axis: i64, parts: usize) -> Supported<Vec<i64>> {
        let maps = self.channels_of(x, axis)?;
        match maps.channels.is_multiple_of(parts.max(1)) {
            true => Ok(vec![(maps.channels / parts.max(1)) as i64; parts]),
            false => Err(format!("{parts} equal parts of {} channels", maps.channels)),
        }
    }

    fn channels_of(&self, x: SignalId, axis: i64) -> Supported<Maps> {
        match axis {
            1 | -3 => self.maps_of(x),
            other => Err(format!("axis is {other}, expected 1, the channels")),
        }
    }

    fn part(&mut self, of: SignalId, first: usize, channels: usize) -> SignalId {
        let Maps { height, width, .. } = self.signals[of].maps;
        let maps = Maps::new(height, width, channels);
        self.add(maps_shape(maps), maps, Origin::Part { of, first })
    }

    /// A part of the channels, or the crop of images.
    pub(super) fn sliced(
        &mut self,
        x: SignalId,
        slice: &SliceAttributes,
        steps: Option<&[i64]>,
    ) -> Supported<SignalId> {
        let SliceAttributes { starts, ends, axes } = slice;
        let count = starts.len();
        let axes: Vec<i64> = axes.clone().unwrap_or_else(|| (0..count as i64).collect());
        let is_dense = steps.is_none_or(|steps| steps.iter().all(|&step| step == 1));
        if ends.len() != count || axes.len() != count || !is_dense {
            return Err(format!("starts {starts:?}, ends {ends:?}, axes {axes:?}, steps {steps:?}"));
        }
        let sizes = self.sizes_of(x)?;
        let mut ranges: Vec<(usize, usize)> = sizes.iter().map(|&size| (0, size)).collect();
        for ((&start, &end), &axis) in starts.iter().zip(ends).zip(&axes) {
            let axis = if axis < 0 { axis + sizes.len() as i64 + 1 } else { axis };
            let at = usize::try_from(axis).ok().filter(|axis| (1..=sizes.len()).contains(axis));
            let at = at
                .ok_or_else(|| format!("axis {axis} of a tensor of shape {}", self.signals[x].shown()))?
                - 1;
            let size = sizes[at] as i64;
            let inside = |value: i64| {
                if value < 0 { value.saturating_add(size) } else { value }.clamp(0, size) as usize
            };
            ranges[at] = (inside(start), inside(end));
        }
        if let Origin::Pixels(pixels) = &self.signals[x].origin {
            let &[rows, columns, (0, 3)] = ranges.as_slice() else {
                return Err("a part of the colors".into());
            };
            let side = rows.1.saturating_sub(rows.0);
            if side == 0 || columns.1.saturating_sub(columns.0) != side {
                return Err(format!("a crop of rows {rows:?} and columns {columns:?}, expected a square"));
            }
            let first = [pixels.first[0] + rows.0, pixels.first[1] + columns.0];
            return Ok(self.add_pixels(Pixels { side, first, ..pixels.clone() }));
        }
        let maps = self.maps_of(x)?;
        match ranges.as_slice() {
            &[(first, end), rows, columns]
                if first < end && rows == (0, maps.height) && columns == (0, maps.width) =>
            {
                Ok(self.part(x, first, end - first))
            }
            other => Err(format!("a part of the maps, {other:?}: only parts of the channels are supported")),
        }
    }

    /// Adds images that are preprocessed so far.
    pub(super) fn add_pixels(&mut self, pixels: Pixels) -> SignalId {
        let side = Size::Known(pixels.side as i64);
        let maps = Maps::new(pixels.side, pixels.side, 3);
        self.add(vec![Size::IMAGES, side, side, Size::Known(3)], maps, Origin::Pixels(pixels))
    }

    /// Numbers around those of a signal: before all axes, then after them.
    pub(super) fn padded(&mut self, x: SignalId, pads: &[i64], value: f32) -> Supported<SignalId> {
        let shape = &self.signals[x].shape;
        let size = |&pad: &i64| usize::try_from(pad).ok().filter(|&pad| pad <= 4096);
        let sizes: Option<Vec<usize>> = pads.iter().map(size).collect();
        let sizes = sizes.filter(|sizes| sizes.len() == 2 * shape.len());
        let sizes = sizes
            .ok_or_else(|| format!("pads is {pads:?} for a tensor of shape {}", self.signals[x].shown()))?;
        let (before, after) = sizes.split_at(shape.len());
        if sizes.iter().all(|&size| size == 0) {
            return Ok(x);
        }
        let mut padded = Vec::with_capacity(shape.len());
        for (axis, size) in shape.iter().enumerate() {
            padded.push(match (size, before[axis] + after[axis]) {
                (size, 0) => *size,
                (Size::Known(size), more) => Size::Known(size + more as i64),
                (Size::Images(_), _) => return Err("more images".into()),
            });
        }
        let padding = AxisPadding { before: before.to_vec(), after: after.to_vec() };
        let maps = self.signals[x].maps;
        Ok(self.add(padded, maps, Origin::Padded { of: x, padding, value }))
    }
}
