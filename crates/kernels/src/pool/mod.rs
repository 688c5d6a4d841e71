//! Pooling over windows that may overlap (paper, section 3.4), every map by itself.
//!
//! `x`: `[batch, h, w, c]`; `y`: `[batch, oh, ow, c]`. A window is cut at the map's edges: padding and pixels past the
//! edge are not there, neither as zeros nor in the count of an average (cuda-convnet's rule).

pub mod reference;

use crate::check_len;
use crate::geometry::PoolGeometry;
use crate::isa::multiversioned;
use rayon::prelude::*;

/// `y = max x` over each window. A NaN is larger than anything.
pub fn max_forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(y, batch * g.output.len());
    images(g.input.len(), x, g.output.len(), y).for_each(|(x, y)| {
        windows(g, |output, pixels| {
            let y = &mut y[output..][..g.output.channels];
            y.copy_from_slice(at(x, pixels.first(), y.len()));
            pixels.each(|pixel| keep_larger(at(x, pixel, y.len()), y));
        });
    });
}

/// `dx` from `x` and `dy`: each window's gradient goes to its largest value; of equal ones to the first, row by row.
pub fn max_backward(g: &PoolGeometry, batch: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(dy, batch * g.output.len());
    check_len!(dx, batch * g.input.len());
    let channels = g.input.channels;
    images(g.input.len(), x, g.input.len(), dx).zip(dy.par_chunks(g.output.len())).for_each(
        |((x, dx), dy)| {
            dx.fill(0.0);
            let (mut largest, mut places) = (vec![0.0; channels], vec![0; channels]);
            windows(g, |output, pixels| {
                largest.copy_from_slice(at(x, pixels.first(), channels));
                places.fill(pixels.first() as u32);
                pixels.each(|pixel| {
                    keep_place(pixel as u32, at(x, pixel, channels), &mut largest, &mut places)
                });
                let dy = &dy[output..][..channels];
                pixels.each(|pixel| add_where(pixel as u32, &places, dy, &mut dx[pixel..][..channels]));
            });
        },
    );
}

/// `y = mean x` over each window.
pub fn avg_forward(g: &PoolGeometry, batch: usize, x: &[f32], y: &mut [f32]) {
    check_len!(x, batch * g.input.len());
    check_len!(y, batch * g.output.len());
    images(g.input.len(), x, g.output.len(), y).for_each(|(x, y)| {
        windows(g, |output, pixels| {
            let y = &mut y[output..][..g.output.channels];
            y.fill(0.0);
            pixels.each(|pixel| add_scaled(1.0, at(x, pixel, y.len()), y));
            let share = 1.0 / pixels.count() as f32;
            y.iter_mut().for_each(|y| *y *= share);
        });
    });
}

/// `dx` from `dy`: each window's gradient is shared out evenly.
pub fn avg_backward(g: &PoolGeometry, batch: usize, dy: &[f32], dx: &mut [f32]) {
    check_len!(dy, batch * g.output.len());
    check_len!(dx, batch * g.input.len());
    images(g.output.len(), dy, g.input.len(), dx).for_each(|(dy, dx)| {
        dx.fill(0.0);
        windows(g, |output, pixels| {
            let dy = &dy[output..][..g.output.channels];
            let share = 1.0 / pixels.count() as f32;
            pixels.each(|pixel| add_scaled(share, dy, &mut dx[pixel..][..dy.len()]));
        });
    });
}

/// Images of what is read beside images of what is written.
fn images<'a>(
    from_len: usize,
    from: &'a [f32],
    to_len: usize,
    to: &'a mut [f32],
) -> impl IndexedParallelIterator<Item = (&'a [f32], &'a mut [f32])> {
    from.par_chunks(from_len).zip(to.par_chunks_mut(to_len))
}

/// The channels of the pixel that begins at `pixel`.
#[inline]
fn at(values: &[f32], pixel: usize, channels: usize) -> &[f32] {
    &values[pixel..][..channels]
}

/// The pixels of one window, as indices of their first channels.
struct Pixels {
    rows: (usize, usize),
    columns: (usize, usize),
    row_stride: usize,
    channels: usize,
}

impl Pixels {
    fn first(&self) -> usize {
        self.rows.0 * self.row_stride + self.columns.0 * self.channels
    }

    fn count(&self) -> usize {
        (self.rows.1 - self.rows.0) * (self.columns.1 - self.columns.0)
    }

    /// Row by row.
    #[inline]
    fn each(&self, mut visit: impl FnMut(usize)) {
        for row in self.rows.0..self.rows.1 {
            for column in self.columns.0..self.columns.1 {
                visit(row * self.row_stride + column * self.channels);
            }
        }
    }
}

/// Calls `visit(output, pixels)` for each window of an image; `output` is the index of its first channel.
fn windows(g: &PoolGeometry, mut visit: impl FnMut(usize, &Pixels)) {
    let channels = g.input.channels;
    for oy in 0..g.output.height {
        for ox in 0..g.output.width {
            let pixels = Pixels {
                rows: g.window.covers(oy, g.input.height),
                columns: g.window.covers(ox, g.input.width),
                row_stride: g.input.width * channels,
                channels,
            };
            visit((oy * g.output.width + ox) * channels, &pixels);
        }
    }
}

/// Whether `x` takes the place of `y` as the largest.
#[inline(always)]
fn is_larger(x: f32, y: f32) -> bool {
    x > y || (x.is_nan() && !y.is_nan())
}

multiversioned! {
    fn keep_larger(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = if is_larger(x, *y) { x } else { *y };
        }
    }

    fn keep_place(place: u32, x: &[f32], largest: &mut [f32], places: &mut [u32]) {
        for ((largest, places), &x) in largest.iter_mut().zip(places).zip(x) {
            let larger = is_larger(x, *largest);
            *largest = if larger { x } else { *largest };
            *places = if larger { place } else { *places };
        }
    }

    fn add_where(place: u32, places: &[u32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &dy), &other) in dx.iter_mut().zip(dy).zip(places) {
            *dx += if other == place { dy } else { 0.0 };
        }
    }

    fn add_scaled(factor: f32, from: &[f32], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to += factor * from;
        }
    }
}
