//! Coefficients to pixels: dequantization, inverse DCT, chroma upsampling, color conversion.

use super::frame::Frame;
use super::header::Color;
use super::scan::{Block, Plane};

/// The samples of one component.
struct Samples {
    width: usize,
    height: usize,
    /// The distance between rows.
    stride: usize,
    values: Vec<u8>,
    upsampling: Upsampling,
}

/// How a component is upsampled to the size of the frame. As in libjpeg, the usual factors of two are smoothed, all others are
/// repeated.
#[derive(Clone, Copy)]
enum Upsampling {
    None,
    Horizontal,
    Vertical,
    Both,
    Repeat { across: usize, down: usize },
}

/// Computes the pixels `[height, width, 3]` of a frame; `None` if the frame size is not a multiple of a component's size.
pub(super) fn to_rgb(frame: &Frame, color: Color, planes: Vec<Plane>) -> Option<Vec<u8>> {
    let (h_max, v_max) = (frame.h_max(), frame.v_max());
    let upsampling = frame.components.iter().zip(&planes).map(|(component, plane)| {
        if h_max % component.h != 0 || v_max % component.v != 0 {
            return None;
        }
        let (across, down) = (h_max / component.h, v_max / component.v);
        Some(match (across, down) {
            (1, 1) => Upsampling::None,
            (2, 1) if plane.width > 2 => Upsampling::Horizontal,
            (1, 2) => Upsampling::Vertical,
            (2, 2) if plane.width > 2 => Upsampling::Both,
            _ => Upsampling::Repeat { across, down },
        })
    });
    let upsampling: Vec<Upsampling> = upsampling.collect::<Option<_>>()?;
    let samples: Vec<Samples> = planes
        .into_iter()
        .zip(upsampling)
        .map(|(plane, upsampling)| Samples::of(plane, upsampling))
        .collect();
    let mut pixels = vec![0; 3 * frame.width * frame.height];
    // Upsampling at most quadruples a row.
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
    fn of(plane: Plane, upsampling: Upsampling) -> Self {
        let Plane { width, height, columns, coefficients, quantization, .. } = plane;
        let (stride, steps) = (8 * columns, quantization.unwrap_or([1; 64]));
        let mut values = vec![0; coefficients.len()];
        let rows = coefficients.as_chunks::<64>().0.chunks_exact(columns);
        for (row, blocks) in values.chunks_exact_mut(8 * stride).zip(rows) {
            for (column, block) in blocks.iter().enumerate() {
                for (line, samples) in row.chunks_exact_mut(stride).zip(inverse_dct(block, &steps)) {
                    line[8 * column..8 * column + 8].copy_from_slice(&samples);
                }
            }
        }
        Self { width, height, stride, values, upsampling }
    }

    /// Returns a row of the component, the nearest one if `y` is outside.
    fn line(&self, y: usize) -> &[u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.values[start..start + self.width]
    }

    /// Writes row `y` at the size of the frame.
    fn row(&self, y: usize, out: &mut [u8]) {
        // Each output row lies a quarter of the way between two lines.
        let nearer = y / 2;
        let farther = if y.is_multiple_of(2) { nearer.saturating_sub(1) } else { nearer + 1 };
        match self.upsampling {
            Upsampling::None => out[..self.width].copy_from_slice(self.line(y)),
            Upsampling::Repeat { across, down } => {
                let line = self.line(y / down);
                for (out, &value) in out.chunks_mut(across).zip(line) {
                    out.fill(value);
                }
            }
            Upsampling::Horizontal => {
                let line = self.line(y);
                upsample_smoothly(self.width, |x| 4 * u32::from(line[x]), [4, 8], out);
            }
            Upsampling::Vertical => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                let lines = self.line(nearer).iter().zip(self.line(farther));
                for (out, (&near, &far)) in out.iter_mut().zip(lines) {
                    *out = ((3 * u32::from(near) + u32::from(far) + bias) / 4) as u8;
                }
            }
            Upsampling::Both => {
                let (near, far) = (self.line(nearer), self.line(farther));
                upsample_smoothly(self.width, |x| 3 * u32::from(near[x]) + u32::from(far[x]), [8, 7], out);
            }
        }
    }
}

/// Doubles the number of values: each is three quarters of the nearer and one quarter of the farther. `at` returns four times
/// a value; the rounding bias differs for left and right so that errors do not accumulate.
fn upsample_smoothly(width: usize, at: impl Fn(usize) -> u32, bias: [u32; 2], out: &mut [u8]) {
    let mut before = at(0);
    let mut here = before;
    for x in 0..width {
        let after = if x + 1 < width { at(x + 1) } else { here };
        out[2 * x] = ((3 * here + before + bias[0]) / 16) as u8;
        out[2 * x + 1] = ((3 * here + after + bias[1]) / 16) as u8;
        (before, here) = (here, after);
    }
}

/// `cos((2 x + 1) u pi / 16) / 2`, indexed by `u` and `x`; the first row is divided by the square root of 2.
static BASIS: std::sync::LazyLock<[[f32; 8]; 8]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|u| {
        std::array::from_fn(|x| {
            let angle = ((2 * x + 1) * u) as f64 * std::f64::consts::PI / 16.0;
            let scale = if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
            (scale * angle.cos() / 2.0) as f32
        })
    })
});

/// Computes the samples of a block: the inverse DCT of the dequantized coefficients.
fn inverse_dct(block: &Block, steps: &[u16; 64]) -> [[u8; 8]; 8] {
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
    // The added half rounds; `as` saturates.
    sums.map(|row| row.map(|value| value as u8))
}

/// Converts a row of component samples to pixels.
fn convert(color: Color, rows: &[Vec<u8>], out: &mut [[u8; 3]]) {
    match (color, rows) {
        (Color::YCbCr, [y, cb, cr]) => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = from_ycbcr(y[i], cb[i], cr[i]);
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
                *out = from_ycbcr(y[i], cb[i], cr[i]).map(|light| without_ink(255 - light, k[i]));
            }
        }
        (_, [gray, ..]) => out.iter_mut().zip(gray).for_each(|(out, &gray)| *out = [gray; 3]),
        (_, []) => {}
    }
}

/// Converts YCbCr to RGB in 16-bit fixed point, as libjpeg does.
fn from_ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((HALF - 22_554 * cb - 46_802 * cr) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// Converts an ink and black to light. Both are stored inverted, as Adobe does: 255 is no ink.
pub(super) fn without_ink(ink: u8, black: u8) -> u8 {
    ((u32::from(ink) * u32::from(black) + 127) / 255) as u8
}
