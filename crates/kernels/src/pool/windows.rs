//! Pooling of whole windows, a register of channels at a time.

use crate::activation::{Epilogue, rectify_gradient};
use crate::geometry::PoolGeometry;
use crate::isa::Isa;
use crate::simd::{Four, One, Vector};
use crate::slices::check_len;
use std::ops::Range;

/// Compiles a function for every instruction set, and calls the version for the widest registers `$V` that the channels
/// fill; `$S` is one value of the same set.
macro_rules! vectorized {
    ($($(#[$doc:meta])* fn $name:ident<$V:ident, $S:ident>($g:ident: $geometry:ty, $($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name($g: $geometry, $($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            unsafe fn by<$V: Vector, $S: Vector>($g: $geometry, $($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($g: $geometry, $($arg: $type),*) $(-> $result)? {
                // SAFETY: guaranteed by the caller.
                unsafe { by::<std::arch::x86_64::__m256, One<true>>($g, $($arg),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512($g: $geometry, $($arg: $type),*) $(-> $result)? {
                // SAFETY: guaranteed by the caller.
                unsafe { by::<std::arch::x86_64::__m512, One<true>>($g, $($arg),*) }
            }

            // SAFETY: `current` only returns sets that the machine supports.
            unsafe {
                match Isa::current() {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 | Isa::Amx if $g.input.channels.is_multiple_of(16) => avx512($g, $($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 | Isa::Avx512 | Isa::Amx => avx2($g, $($arg),*),
                    _ => by::<Four, One<false>>($g, $($arg),*),
                }
            }
        }
    )*};
}

vectorized! {
    /// The maxima of a row of windows.
    fn max_row<V, S>(g: &PoolGeometry, x: &[f32], oy: usize, y: &mut [f32]) {
        for (ox, y) in y.chunks_exact_mut(g.output.channels).enumerate() {
            let window = Window::of(g, oy, ox);
            window.check(x);
            let whole = y.len() / V::LANES * V::LANES;
            // SAFETY: the window lies inside the image, and the channels inside a pixel; the instructions are guaranteed by
            // the caller.
            unsafe {
                for c in (0..whole).step_by(V::LANES) {
                    window.largest::<V>(x, c).value.store(y[c..].as_mut_ptr());
                }
                for (c, y) in y.iter_mut().enumerate().skip(whole) {
                    window.largest::<S>(x, c).value.store(y);
                }
            }
        }
    }

    /// The means of a row of windows.
    fn avg_row<V, S>(g: &PoolGeometry, x: &[f32], oy: usize, y: &mut [f32]) {
        for (ox, y) in y.chunks_exact_mut(g.output.channels).enumerate() {
            let window = Window::of(g, oy, ox);
            window.check(x);
            let whole = y.len() / V::LANES * V::LANES;
            // SAFETY: as in `max_row`.
            unsafe {
                for c in (0..whole).step_by(V::LANES) {
                    window.mean::<V>(x, c).store(y[c..].as_mut_ptr());
                }
                for (c, y) in y.iter_mut().enumerate().skip(whole) {
                    window.mean::<S>(x, c).store(y);
                }
            }
        }
    }

    /// Adds the gradients of rows of windows to `dx` of one image, whose first `cleared` values are clear. Returns how many
    /// are clear afterwards: all that the windows cover.
    fn max_backward_rows<V, S>(
        g: &PoolGeometry,
        rows: Range<usize>,
        x: &[f32],
        dy: &[f32],
        before: Epilogue,
        dx: &mut [f32],
        cleared: usize
    ) -> usize {
        check_len!(dx, x.len());
        let mut cleared = cleared;
        let pixels = rows.start * g.output.width..rows.end * g.output.width;
        for output in pixels {
            let dy = &dy[output * g.output.channels..][..g.output.channels];
            let window = Window::of(g, output / g.output.width, output % g.output.width);
            window.check(x);
            cleared = window.clear(dx, cleared);
            let whole = dy.len() / V::LANES * V::LANES;
            // SAFETY: as in `max_row`; `dx` has the length of `x`.
            unsafe {
                for c in (0..whole).step_by(V::LANES) {
                    window.add_to_largest(x, c, V::load(dy[c..].as_ptr()), before, dx);
                }
                for (c, dy) in dy.iter().enumerate().skip(whole) {
                    window.add_to_largest(x, c, S::load(dy), before, dx);
                }
            }
        }
        cleared
    }

    /// `dx` of one image for the means of its windows.
    fn avg_backward_image<V, S>(
        g: &PoolGeometry,
        x: &[f32],
        dy: &[f32],
        before: Epilogue,
        dx: &mut [f32]
    ) {
        let mut cleared = 0;
        for (output, dy) in dy.chunks_exact(g.output.channels).enumerate() {
            let window = Window::of(g, output / g.output.width, output % g.output.width);
            window.check(dx);
            cleared = window.clear(dx, cleared);
            let whole = dy.len() / V::LANES * V::LANES;
            // SAFETY: as in `max_row`.
            unsafe {
                for c in (0..whole).step_by(V::LANES) {
                    window.add_to_all(c, V::load(dy[c..].as_ptr()), dx);
                }
                for (c, dy) in dy.iter().enumerate().skip(whole) {
                    window.add_to_all(c, S::load(dy), dx);
                }
            }
        }
        dx[cleared..].fill(0.0);
        if before == Epilogue::Relu {
            rectify_gradient(x, dx);
        }
    }
}

/// The pixels of the window of an output pixel that lie inside the map.
struct Window {
    rows: Range<usize>,
    columns: Range<usize>,
    width: usize,
    channels: usize,
}

/// The largest pixels of a window, in neighboring maps.
struct Largest<V> {
    value: V,
    /// The place of the maximum in the window: a float, so that it moves by the same instruction as the value.
    place: V,
}

impl Window {
    #[inline(always)]
    fn of(g: &PoolGeometry, oy: usize, ox: usize) -> Self {
        let rows = g.window.covered(oy, g.input.height);
        let columns = g.window.covered(ox, g.input.width);
        Self { rows, columns, width: g.input.width, channels: g.input.channels }
    }

    /// Panics unless the window lies inside an image.
    #[inline(always)]
    fn check(&self, image: &[f32]) {
        let rows = self.rows.end.max(1) - 1;
        assert!((rows * self.width + self.columns.end) * self.channels <= image.len());
    }

    /// Clears an image to the last row of the window, where the first `cleared` values are clear: rows are cleared just
    /// before they are added to. Returns how many values are clear.
    #[inline(always)]
    fn clear(&self, image: &mut [f32], cleared: usize) -> usize {
        let end = self.rows.end * self.width * self.channels;
        if end > cleared {
            image[cleared..end].fill(0.0);
        }
        end.max(cleared)
    }

    /// The offsets of the pixels, row by row.
    #[inline(always)]
    fn pixels(&self) -> impl Iterator<Item = usize> {
        let Self { width, channels, .. } = *self;
        let columns = self.columns.clone();
        self.rows
            .clone()
            .flat_map(move |row| columns.clone().map(move |column| (row * width + column) * channels))
    }

    /// Finds the largest pixels in the maps from `channel` on.
    ///
    /// # Safety
    /// The window lies inside `x`, the maps inside a pixel, and the machine supports `V`.
    #[inline(always)]
    unsafe fn largest<V: Vector>(&self, x: &[f32], channel: usize) -> Largest<V> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            // If all pixels are minus infinity, none is larger than this and the first remains the maximum.
            let (mut value, mut place) = (V::splat(f32::NEG_INFINITY), V::splat(0.0));
            let (zero, one) = (V::splat(0.0), V::splat(1.0));
            // Stays zero while every value is finite.
            let (mut at, mut trace) = (zero, zero);
            for row in self.rows.clone() {
                let pixel = (row * self.width + self.columns.start) * self.channels + channel;
                let mut pixel = x.as_ptr().add(pixel);
                for _ in self.columns.clone() {
                    let x = V::load(pixel);
                    let larger = x.greater(value);
                    value = x.select(larger, value);
                    place = at.select(larger, place);
                    trace = x.mul_add(zero, trace);
                    at = at.add(one);
                    pixel = pixel.wrapping_add(self.channels);
                }
            }
            if trace.is_zero() { Largest { value, place } } else { self.largest_or_nan(x, channel) }
        }
    }

    /// [`Self::largest`], where NaN counts as larger than anything.
    ///
    /// # Safety
    /// As [`Self::largest`].
    #[cold]
    #[inline(never)]
    unsafe fn largest_or_nan<V: Vector>(&self, x: &[f32], channel: usize) -> Largest<V> {
        let (mut values, mut places) = ([f32::NEG_INFINITY; 16], [0.0; 16]);
        for (place, pixel) in self.pixels().enumerate() {
            for (i, &x) in x[pixel + channel..][..V::LANES].iter().enumerate() {
                if x > values[i] || x.is_nan() {
                    (values[i], places[i]) = (x, place as f32);
                }
            }
        }
        // SAFETY: the arrays have room for the lanes; the rest is guaranteed by the caller.
        unsafe { Largest { value: V::load(values.as_ptr()), place: V::load(places.as_ptr()) } }
    }

    /// Adds the gradients of the maxima, in the maps from `channel` on, to the largest pixels; not where a rectifier has
    /// set these to zero.
    ///
    /// # Safety
    /// As [`Self::largest`], for `dx` too.
    #[inline(always)]
    unsafe fn add_to_largest<V: Vector>(
        &self,
        x: &[f32],
        channel: usize,
        dy: V,
        before: Epilogue,
        dx: &mut [f32],
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let largest = self.largest::<V>(x, channel);
            let dy = match before {
                Epilogue::Identity => dy,
                Epilogue::Relu => dy.where_positive(largest.value),
            };
            let (zero, one) = (V::splat(0.0), V::splat(1.0));
            let mut place = zero;
            for row in self.rows.clone() {
                let pixel = (row * self.width + self.columns.start) * self.channels + channel;
                let mut pixel = dx.as_mut_ptr().add(pixel);
                for _ in self.columns.clone() {
                    let gradient = dy.select(largest.place.equal(place), zero);
                    V::load(pixel).add(gradient).store(pixel);
                    place = place.add(one);
                    pixel = pixel.wrapping_add(self.channels);
                }
            }
        }
    }

    /// The means in the maps from `channel` on.
    ///
    /// # Safety
    /// As [`Self::largest`].
    #[inline(always)]
    unsafe fn mean<V: Vector>(&self, x: &[f32], channel: usize) -> V {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let mut sum = V::splat(0.0);
            for pixel in self.pixels() {
                sum = sum.add(V::load(x.as_ptr().add(pixel + channel)));
            }
            sum.div(self.count())
        }
    }

    /// Adds the gradients of the means, in the maps from `channel` on, to all pixels.
    ///
    /// # Safety
    /// As [`Self::largest`], for `dx`.
    #[inline(always)]
    unsafe fn add_to_all<V: Vector>(&self, channel: usize, dy: V, dx: &mut [f32]) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let gradient = dy.div(self.count());
            for pixel in self.pixels() {
                let pixel = dx.as_mut_ptr().add(pixel + channel);
                V::load(pixel).add(gradient).store(pixel);
            }
        }
    }

    /// The number of pixels.
    ///
    /// # Safety
    /// The machine supports `V`.
    #[inline(always)]
    unsafe fn count<V: Vector>(&self) -> V {
        // SAFETY: guaranteed by the caller.
        unsafe { V::splat((self.rows.len() * self.columns.len()) as f32) }
    }
}
