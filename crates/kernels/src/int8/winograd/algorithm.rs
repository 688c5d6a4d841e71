//! The algorithms and their shapes.

use super::matrices::{self, LONGEST, Matrix, Square};
use super::scalar;
use crate::geometry::ConvGeometry;
use crate::interpolation;
use crate::slices::check_len;
use rayon::prelude::*;

/// F(m x m, r x r): `m x m` outputs of an `r x r` kernel of stride 1 from a square of `m + r - 1` inputs per side, with
/// one multiplication per input. Or the same along the columns alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// F(2 x 2, 3 x 3): 2.25 times fewer multiplications than a direct convolution.
    F2x3,
    /// F(4 x 4, 3 x 3): 4 times fewer, with a larger rounding error.
    F4x3,
    /// F(2 x 1, 5 x 1): pairs of rows from columns of six inputs, and a direct convolution along the rows: 1.7 times fewer.
    /// F(2 x 2, 5 x 5) would need 2.8 times fewer, but is hardly faster, because its sums are short, and its rounding error
    /// is 2.4 times as large.
    F2x5Vertical,
}

/// The finite points of a transform of four values: opposite ones follow each other.
const FOUR: [f64; 3] = [0.0, 1.0, -1.0];

/// The finite points of a transform of six values, which amplify rounding errors less than 0, ±1 and ±2.
const SIX: [f64; 5] = [0.0, 0.625, -0.625, 1.5625, -1.5625];

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::F2x3, Self::F4x3, Self::F2x5Vertical];

    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F2x3 => "F(2,3)",
            Self::F4x3 => "F(4,3)",
            Self::F2x5Vertical => "F(2x1,5x1)",
        }
    }

    /// The algorithm of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// `m`, outputs along a tile's side.
    pub(in crate::int8) const fn tile(self) -> usize {
        match self {
            Self::F2x3 | Self::F2x5Vertical => 2,
            Self::F4x3 => 4,
        }
    }

    /// `r`, weights along the kernel's side.
    pub(in crate::int8) const fn kernel(self) -> usize {
        match self {
            Self::F2x3 | Self::F4x3 => 3,
            Self::F2x5Vertical => 5,
        }
    }

    /// `m + r - 1`, values along the side of a transformed square.
    pub(in crate::int8) const fn side(self) -> usize {
        self.tile() + self.kernel() - 1
    }

    /// Elements of a transformed square or column. In a square, element `e` is in row `e / side` and column `e % side`,
    /// where `side = tile + kernel - 1`.
    pub const fn elements(self) -> usize {
        match self {
            Self::F2x3 | Self::F4x3 => self.side() * self.side(),
            Self::F2x5Vertical => self.side(),
        }
    }

    /// Products summed for one element of one output channel: the input channels of a group and, along the columns alone,
    /// the taps of a row.
    pub const fn depth(self, g: &ConvGeometry) -> usize {
        match self {
            Self::F2x3 | Self::F4x3 => g.group_inputs(),
            Self::F2x5Vertical => self.kernel() * g.group_inputs(),
        }
    }

    /// Multiply-adds per image.
    pub const fn macs(self, g: &ConvGeometry) -> usize {
        let (rows, columns) = (g.output.height.div_ceil(self.tile()), g.output.width.div_ceil(self.tile()));
        let tiles = match self {
            Self::F2x3 | Self::F4x3 => rows * columns,
            Self::F2x5Vertical => rows * g.output.width,
        };
        tiles * self.elements() * self.depth(g) * g.output.channels
    }

    /// Whether this algorithm computes a convolution: it has stride 1 and the algorithm's kernel.
    pub const fn fits(self, g: &ConvGeometry) -> bool {
        g.window.stride == 1 && g.window.kernel == self.kernel()
    }

    /// The number of transformed weights, `[groups][elements][depth][group_outputs]`.
    pub const fn transformed_len(self, g: &ConvGeometry) -> usize {
        g.groups * self.elements() * self.depth(g) * g.group_outputs()
    }

    /// Transforms weights, `U = G w G^T` or `U = G w`, from `[groups][kernel][kernel][group_inputs][group_outputs]` to
    /// `[groups][elements][depth][group_outputs]`.
    ///
    /// # Panics
    /// If the algorithm does not fit the geometry, or a slice's length does not match it.
    pub fn transform_weights(self, g: &ConvGeometry, w: &[f32], u: &mut [f32]) {
        assert!(self.fits(g), "{} does not fit {g:?}", self.name());
        check_len!(w, g.weights());
        check_len!(u, self.transformed_len(g));
        let matrix = self.depth(g) * g.group_outputs();
        u.par_chunks_exact_mut(matrix).enumerate().for_each(|(index, u)| {
            let (group, e) = (index / self.elements(), index % self.elements());
            let w = &w[group * g.depth() * g.group_outputs()..];
            let factors = self.tap_factors(e);
            for (at, u) in u.iter_mut().enumerate() {
                let terms = factors.iter().zip(w[at..].iter().step_by(matrix));
                let sum: f64 = terms.map(|(factor, &w)| factor * f64::from(w)).sum();
                *u = sum as f32;
            }
        });
    }

    /// What each tap of a kernel, or each row of taps, contributes to an element.
    fn tap_factors(self, e: usize) -> Vec<f64> {
        let (factors, kernel, side) = (self.kernel_matrix(), self.kernel(), self.side());
        let tap = |tap: usize| factors[e / side][tap / kernel] * factors[e % side][tap % kernel];
        match self {
            Self::F2x3 | Self::F4x3 => (0..kernel * kernel).map(tap).collect(),
            Self::F2x5Vertical => factors[e][..kernel].to_vec(),
        }
    }

    /// The largest magnitude of each element of the transformed inputs, `B^T x B` or `B^T x`, over all tiles and channels of
    /// a batch; 0 for an empty batch. `x: [batch, input]` are activations in `f32`.
    ///
    /// # Panics
    /// If the algorithm does not fit the geometry, or a slice's length does not match it.
    pub fn input_maxima(self, g: &ConvGeometry, batch: usize, x: &[f32]) -> Vec<f32> {
        assert!(self.fits(g), "{} does not fit {g:?}", self.name());
        check_len!(x, batch, g.input.len());
        let none = || vec![0.0_f32; self.elements()];
        let larger = |mut a: Vec<f32>, b: Vec<f32>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = a.max(b));
            a
        };
        let images = x.par_chunks_exact(g.input.len());
        images.map(|x| self.image_maxima(g, x)).reduce(none, larger)
    }

    fn image_maxima(self, g: &ConvGeometry, x: &[f32]) -> Vec<f32> {
        let mut maxima = vec![0.0_f32; self.elements()];
        let mut include = |values: &[f32]| {
            maxima.iter_mut().zip(values).for_each(|(maximum, value)| *maximum = maximum.max(value.abs()));
        };
        let columns = g.output.width.div_ceil(self.tile());
        for ty in 0..g.output.height.div_ceil(self.tile()) {
            for c in 0..g.input.channels {
                let value = |pixel: usize| x[pixel * g.input.channels + c];
                match self {
                    Self::F2x3 | Self::F4x3 => (0..columns).for_each(|tx| {
                        let v = self.transform_input(self.square(g, [ty, tx], value));
                        let rows = v[..self.side()].iter().flat_map(|row| &row[..self.side()]);
                        include(&rows.copied().collect::<Vec<f32>>());
                    }),
                    Self::F2x5Vertical => (0..g.input.width).for_each(|ix| {
                        include(&self.transform_input_column(self.column(g, [ty, ix], value)));
                    }),
                }
            }
        }
        maxima
    }

    /// The inputs of a pair of rows in column `ix` of the map: `value` of a pixel's index in the image, 0 outside the map.
    pub(in crate::int8) fn column(
        self,
        g: &ConvGeometry,
        [ty, ix]: [usize; 2],
        value: impl Fn(usize) -> f32,
    ) -> [f32; LONGEST] {
        std::array::from_fn(|i| match (ty * self.tile() + i).wrapping_sub(g.window.pad) {
            iy if i < self.side() && iy < g.input.height => value(iy * g.input.width + ix),
            _ => 0.0,
        })
    }

    /// `B^T x`
    pub(in crate::int8) fn transform_input_column(self, x: [f32; LONGEST]) -> [f32; LONGEST] {
        scalar::input_line(self.side(), &matrices::narrow(self.input_matrix()), x)
    }

    /// `A^T m`
    pub(in crate::int8) fn transform_output_column(self, m: [f32; LONGEST]) -> [f32; LONGEST] {
        scalar::output_line(self.side(), self.tile(), &matrices::narrow(self.output_matrix()), m)
    }

    /// The inputs of a tile: `value` of a pixel's index in the image, 0 outside the map.
    pub(in crate::int8) fn square(
        self,
        g: &ConvGeometry,
        [ty, tx]: [usize; 2],
        value: impl Fn(usize) -> f32,
    ) -> Square {
        let mut square = [[0.0; LONGEST]; LONGEST];
        for (i, row) in square.iter_mut().enumerate().take(self.side()) {
            for (j, x) in row.iter_mut().enumerate().take(self.side()) {
                let iy = (ty * self.tile() + i).wrapping_sub(g.window.pad);
                let ix = (tx * self.tile() + j).wrapping_sub(g.window.pad);
                if iy < g.input.height && ix < g.input.width {
                    *x = value(iy * g.input.width + ix);
                }
            }
        }
        square
    }

    /// `B^T x B`
    pub(in crate::int8) fn transform_input(self, x: Square) -> Square {
        scalar::input(self.side(), &matrices::narrow(self.input_matrix()), x)
    }

    /// `A^T m A`
    pub(in crate::int8) fn transform_output(self, m: Square) -> Square {
        scalar::output(self.side(), self.tile(), &matrices::narrow(self.output_matrix()), m)
    }

    const fn points(self) -> &'static [f64] {
        match self {
            Self::F2x3 => &FOUR,
            Self::F4x3 | Self::F2x5Vertical => &SIX,
        }
    }

    pub(super) const fn input_matrix(self) -> Matrix {
        interpolation::input(self.points())
    }

    const fn kernel_matrix(self) -> Matrix {
        interpolation::kernel(self.points(), self.kernel())
    }

    pub(super) const fn output_matrix(self) -> Matrix {
        interpolation::output(self.points(), self.tile())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Maps, Rounding, Window};

    /// One tile, and its outputs by definition.
    fn example(algorithm: Algorithm, width: usize) -> (ConvGeometry, Vec<f32>, Vec<f32>, Vec<f32>) {
        let (kernel, side) = (algorithm.kernel(), algorithm.side());
        let window = Window { kernel, stride: 1, pad: 0, rounding: Rounding::Down };
        let g = ConvGeometry::new(Maps::new(side, width, 1), 1, window, 1).unwrap();
        let w: Vec<f32> = (0..kernel * kernel).map(|i| (i as f32 * 2.3).cos()).collect();
        let x: Vec<f32> = (0..side * width).map(|i| (i as f32 * 1.7).sin()).collect();
        let mut u = vec![0.0; algorithm.transformed_len(&g)];
        algorithm.transform_weights(&g, &w, &mut u);
        let mut y = vec![0.0; g.output.len()];
        crate::conv::reference::forward(&g, 1, &x, &w, &[0.0], &mut y);
        (g, x, u, y)
    }

    fn assert_near(actual: impl IntoIterator<Item = f32>, expected: &[f32]) {
        for (actual, expected) in actual.into_iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-4, "{actual}, expected {expected}");
        }
    }

    #[test]
    fn squares_compute_a_correlation() {
        for algorithm in [Algorithm::F2x3, Algorithm::F4x3] {
            let (tile, side) = (algorithm.tile(), algorithm.side());
            let (g, x, u, expected) = example(algorithm, side);
            let v = algorithm.transform_input(algorithm.square(&g, [0, 0], |pixel| x[pixel]));
            let mut m = v;
            for (e, u) in u.iter().enumerate() {
                m[e / side][e % side] *= u;
            }
            let y = algorithm.transform_output(m);
            assert_near(y[..tile].iter().flat_map(|row| row[..tile].to_vec()), &expected);
            assert_eq!(algorithm.input_maxima(&g, 1, &x)[side + 2], v[1][2].abs());
        }
    }

    #[test]
    fn columns_compute_a_correlation() {
        let (algorithm, kernel) = (Algorithm::F2x5Vertical, 5);
        let (g, x, u, expected) = example(algorithm, kernel);
        let column = |ix: usize| algorithm.column(&g, [0, ix], |pixel| x[pixel]);
        let v: Vec<_> = (0..kernel).map(|ix| algorithm.transform_input_column(column(ix))).collect();
        let mut m = [0.0; LONGEST];
        for (e, m) in m.iter_mut().enumerate() {
            *m = (0..kernel).map(|ix| u[e * kernel + ix] * v[ix][e]).sum();
        }
        assert_near(algorithm.transform_output_column(m).into_iter().take(2), &expected);
        let largest = v.iter().map(|v| v[3].abs()).fold(0.0, f32::max);
        assert_eq!(algorithm.input_maxima(&g, 1, &x)[3], largest);
    }

    #[test]
    fn names_are_unique() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("F(9,3)"), None);
    }

    #[test]
    fn products_are_counted() {
        let window = Window { kernel: 5, stride: 1, pad: 2, rounding: Rounding::Down };
        let g = ConvGeometry::new(Maps::new(27, 27, 96), 256, window, 2).unwrap();
        assert_eq!(Algorithm::F2x5Vertical.macs(&g), 14 * 27 * 6 * 5 * 48 * 256);
    }

    #[test]
    fn the_matrices_of_small_points_are_exact() {
        for algorithm in Algorithm::ALL {
            for (wide, narrow) in
                algorithm.input_matrix().iter().zip(matrices::narrow(algorithm.input_matrix()))
            {
                assert!(wide.iter().zip(narrow).all(|(&wide, narrow)| wide == f64::from(narrow)));
            }
        }
    }
}
