//! From coefficients to pixels: dequantized, transformed, brought to the frame's size, converted to red, green and blue.

use super::header::{Color, Frame};
use super::scan::{Block, Plane};

/// One component's samples.
struct Samples {
    width: usize,
    height: usize,
    /// Samples from one row to the next.
    stride: usize,
    values: Vec<u8>,
    enlarged: Enlarged,
}

/// How a component is brought to the frame's size: as libjpeg does, smoothly for the usual halves, by repetition for all
/// else.
#[derive(Clone, Copy)]
enum Enlarged {
    Not,
    SmoothlyAcross,
    SmoothlyDown,
    SmoothlyBoth,
    Repeated { across: usize, down: usize },
}

/// The pixels `[height, width, 3]` of a frame; `None` where a component's size is no simple fraction of the frame's.
pub(super) fn to_rgb(frame: &Frame, color: Color, planes: Vec<Plane>) -> Option<Vec<u8>> {
    let (h_max, v_max) = (frame.h_max(), frame.v_max());
    let enlarged = frame.components.iter().zip(&planes).map(|(component, plane)| {
        if h_max % component.h != 0 || v_max % component.v != 0 {
            return None;
        }
        let (across, down) = (h_max / component.h, v_max / component.v);
        Some(match (across, down) {
            (1, 1) => Enlarged::Not,
            (2, 1) if plane.width > 2 => Enlarged::SmoothlyAcross,
            (1, 2) => Enlarged::SmoothlyDown,
            (2, 2) if plane.width > 2 => Enlarged::SmoothlyBoth,
            _ => Enlarged::Repeated { across, down },
        })
    });
    let enlarged: Vec<Enlarged> = enlarged.collect::<Option<_>>()?;
    let samples: Vec<Samples> =
        planes.into_iter().zip(enlarged).map(|(plane, enlarged)| Samples::of(plane, enlarged)).collect();
    let mut pixels = vec![0; 3 * frame.width * frame.height];
    // What a row of the widest component has, twice: enlarging never gives more.
    let mut rows: Vec<Vec<u8>> = samples.iter().map(|samples| vec![0; 4 * samples.width.max(1)]).collect();
    for (y, out) in pixels.chunks_exact_mut(3 * frame.width).enumerate() {
        for (samples, row) in samples.iter().zip(&mut rows) {
            samples.row(y, row);
        }
        convert(color, &rows, out.as_chunks_mut().0);
    }
    Some(pixels)
}

impl Samples {
    fn of(plane: Plane, enlarged: Enlarged) -> Self {
        let Plane { width, height, columns, coefficients, quantization, .. } = plane;
        let (stride, steps) = (8 * columns, quantization.unwrap_or([1; 64]));
        let mut values = vec![0; coefficients.len()];
        let rows = coefficients.as_chunks::<64>().0.chunks_exact(columns);
        for (row, blocks) in values.chunks_exact_mut(8 * stride).zip(rows) {
            for (column, block) in blocks.iter().enumerate() {
                for (line, samples) in row.chunks_exact_mut(stride).zip(transformed(block, &steps)) {
                    line[8 * column..8 * column + 8].copy_from_slice(&samples);
                }
            }
        }
        Self { width, height, stride, values, enlarged }
    }

    /// A row of the component; those above the first and below the last are as these.
    fn line(&self, y: usize) -> &[u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.values[start..start + self.width]
    }

    /// Row `y` of the frame.
    fn row(&self, y: usize, out: &mut [u8]) {
        // Of two rows that lie at a quarter between two lines: the nearer and the farther.
        let nearer = y / 2;
        let farther = if y.is_multiple_of(2) { nearer.saturating_sub(1) } else { nearer + 1 };
        match self.enlarged {
            Enlarged::Not => out[..self.width].copy_from_slice(self.line(y)),
            Enlarged::Repeated { across, down } => {
                let line = self.line(y / down);
                for (out, &value) in out.chunks_mut(across).zip(line) {
                    out.fill(value);
                }
            }
            Enlarged::SmoothlyAcross => {
                let line = self.line(y);
                smoothed(self.width, |x| 4 * u32::from(line[x]), [4, 8], out);
            }
            Enlarged::SmoothlyDown => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                let lines = self.line(nearer).iter().zip(self.line(farther));
                for (out, (&near, &far)) in out.iter_mut().zip(lines) {
                    *out = ((3 * u32::from(near) + u32::from(far) + bias) / 4) as u8;
                }
            }
            Enlarged::SmoothlyBoth => {
                let (near, far) = (self.line(nearer), self.line(farther));
                smoothed(self.width, |x| 3 * u32::from(near[x]) + u32::from(far[x]), [8, 7], out);
            }
        }
    }
}

/// Twice as many values as there are, each three quarters of the nearer and one of the farther. `at` gives four times a value;
/// what is added before the division differs for left and right, so that errors do not add up.
fn smoothed(width: usize, at: impl Fn(usize) -> u32, bias: [u32; 2], out: &mut [u8]) {
    let mut before = at(0);
    let mut here = before;
    for x in 0..width {
        let after = if x + 1 < width { at(x + 1) } else { here };
        out[2 * x] = ((3 * here + before + bias[0]) / 16) as u8;
        out[2 * x + 1] = ((3 * here + after + bias[1]) / 16) as u8;
        (before, here) = (here, after);
    }
}

/// `cos((2 x + 1) u pi / 16) / 2`, by `u` and `x`, the first row divided by the root of 2.
static BASIS: std::sync::LazyLock<[[f32; 8]; 8]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|u| {
        std::array::from_fn(|x| {
            let angle = ((2 * x + 1) * u) as f64 * std::f64::consts::PI / 16.0;
            let scale = if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            (scale * angle.cos() / 2.0) as f32
        })
    })
});

/// The samples of a block, row by row: the inverse cosine transform of its coefficients times the steps.
fn transformed(block: &Block, steps: &[u16; 64]) -> [[u8; 8]; 8] {
    let basis = &*BASIS;
    let mut sums = [[128.5f32; 8]; 8];
    for (v, (coefficients, steps)) in block.chunks_exact(8).zip(steps.chunks_exact(8)).enumerate() {
        if coefficients.iter().all(|&coefficient| coefficient == 0) {
            continue;
        }
        let mut row = [0.0; 8];
        for ((&coefficient, &step), basis) in coefficients.iter().zip(steps).zip(basis) {
            let value = f32::from(coefficient) * f32::from(step);
            row.iter_mut().zip(basis).for_each(|(sum, basis)| *sum += value * basis);
        }
        for (sums, &basis) in sums.iter_mut().zip(&basis[v]) {
            sums.iter_mut().zip(&row).for_each(|(sum, value)| *sum += value * basis);
        }
    }
    // A half was added: this rounds. Conversions to bytes stop at their limits.
    sums.map(|row| row.map(|value| value as u8))
}

/// A row of pixels from rows of components.
fn convert(color: Color, rows: &[Vec<u8>], out: &mut [[u8; 3]]) {
    match (color, rows) {
        (Color::YCbCr, [y, cb, cr]) => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = from_luma(y[i], cb[i], cr[i]);
            }
        }
        (Color::Rgb, [red, green, blue]) => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = [red[i], green[i], blue[i]];
            }
        }
        (Color::Cmyk, [c, m, y, k]) => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = [c[i], m[i], y[i]].map(|ink| without_ink(ink, k[i]));
            }
        }
        (Color::Ycck, [y, cb, cr, k]) => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = from_luma(y[i], cb[i], cr[i]).map(|light| without_ink(255 - light, k[i]));
            }
        }
        (_, [gray, ..]) => out.iter_mut().zip(gray).for_each(|(out, &gray)| *out = [gray; 3]),
        (_, []) => {}
    }
}

/// Red, green and blue of luma and two differences, in 16-bit fixed point as libjpeg has it.
fn from_luma(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((HALF - 22_554 * cb - 46_802 * cr) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// The light that an ink and black leave, both stored as Adobe does: 255 is none.
pub(in crate::data::decode) fn without_ink(ink: u8, black: u8) -> u8 {
    ((u32::from(ink) * u32::from(black) + 127) / 255) as u8
}
