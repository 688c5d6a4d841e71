//! The algorithms and their shapes.

use super::matrices::{self, LONGEST, Matrix, Square};
use super::scalar;
use crate::geometry::ConvGeometry;
use crate::slices::check_len;
use rayon::prelude::*;

/// F(m x m, r x r): `m x m` outputs of an `r x r` kernel of stride 1 from a square of `m + r - 1` inputs per side, with
/// one multiplication per input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// F(2 x 2, 3 x 3): 2.25 times fewer multiplications than a direct convolution.
    F2x3,
    /// F(4 x 4, 3 x 3): 4 times fewer, with a larger rounding error.
    F4x3,
    /// F(2 x 2, 5 x 5): 2.8 times fewer.
    F2x5,
}

/// The finite points of a transform of 4 x 4 values: opposite ones follow each other.
const FOUR: [f64; 3] = [0.0, 1.0, -1.0];

/// The finite points of a transform of 6 x 6 values, which amplify rounding errors less than 0, ±1 and ±2.
const SIX: [f64; 5] = [0.0, 0.625, -0.625, 1.5625, -1.5625];

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::F2x3, Self::F4x3, Self::F2x5];

    /// The name in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F2x3 => "F(2,3)",
            Self::F4x3 => "F(4,3)",
            Self::F2x5 => "F(2,5)",
        }
    }

    /// The algorithm of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// `m`, outputs along a tile's side.
    pub const fn tile(self) -> usize {
        match self {
            Self::F2x3 | Self::F2x5 => 2,
            Self::F4x3 => 4,
        }
    }

    /// `r`, weights along the kernel's side.
    pub const fn kernel(self) -> usize {
        match self {
            Self::F2x3 | Self::F4x3 => 3,
            Self::F2x5 => 5,
        }
    }

    /// `m + r - 1`, values along the side of a transformed square.
    pub const fn side(self) -> usize {
        self.tile() + self.kernel() - 1
    }

    /// Elements of a transformed square. Element `e` is in row `e / side` and column `e % side`.
    pub const fn elements(self) -> usize {
        self.side() * self.side()
    }

    /// Whether this algorithm computes a convolution: it has stride 1 and the algorithm's kernel.
    pub const fn fits(self, g: &ConvGeometry) -> bool {
        g.window.stride == 1 && g.window.kernel == self.kernel()
    }

    /// The number of transformed weights, `[groups][elements][group_inputs][group_outputs]`.
    pub const fn transformed_len(self, g: &ConvGeometry) -> usize {
        g.groups * self.elements() * g.group_inputs() * g.group_outputs()
    }

    /// Transforms weights, `U = G w G^T`, from `[groups][kernel][kernel][group_inputs][group_outputs]` to
    /// `[groups][elements][group_inputs][group_outputs]`.
    ///
    /// # Panics
    /// If the algorithm does not fit the geometry, or a slice's length does not match it.
    pub fn transform_weights(self, g: &ConvGeometry, w: &[f32], u: &mut [f32]) {
        assert!(self.fits(g), "{} does not fit {g:?}", self.name());
        check_len!(w, g.weights());
        check_len!(u, self.transformed_len(g));
        let (matrix, kernel) = (g.group_inputs() * g.group_outputs(), self.kernel());
        let factors = self.kernel_matrix();
        u.par_chunks_exact_mut(matrix).enumerate().for_each(|(index, u)| {
            let (group, e) = (index / self.elements(), index % self.elements());
            let w = &w[group * kernel * kernel * matrix..];
            for (at, u) in u.iter_mut().enumerate() {
                let mut sum = 0.0;
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let factor = factors[e / self.side()][ky] * factors[e % self.side()][kx];
                        sum += factor * f64::from(w[(ky * kernel + kx) * matrix + at]);
                    }
                }
                *u = sum as f32;
            }
        });
    }

    /// The largest magnitude of each element of the transformed inputs, `B^T x B`, over all tiles and channels of some
    /// images; 0 if there are none. `x: [batch, input]` are activations in `f32`.
    ///
    /// # Panics
    /// If the algorithm does not fit the geometry, or a slice's length does not match it.
    pub fn input_maxima(self, g: &ConvGeometry, batch: usize, x: &[f32]) -> Vec<f32> {
        assert!(self.fits(g), "{} does not fit {g:?}", self.name());
        check_len!(x, batch * g.input.len());
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
        for ty in 0..g.output.height.div_ceil(self.tile()) {
            for tx in 0..g.output.width.div_ceil(self.tile()) {
                for c in 0..g.input.channels {
                    let v = self
                        .transform_input(self.square(g, [ty, tx], |pixel| x[pixel * g.input.channels + c]));
                    for (e, maximum) in maxima.iter_mut().enumerate() {
                        *maximum = maximum.max(v[e / self.side()][e % self.side()].abs());
                    }
                }
            }
        }
        maxima
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
            Self::F4x3 | Self::F2x5 => &SIX,
        }
    }

    pub(super) const fn input_matrix(self) -> Matrix {
        matrices::input(self.points())
    }

    const fn kernel_matrix(self) -> Matrix {
        matrices::kernel(self.points(), self.kernel())
    }

    pub(super) const fn output_matrix(self) -> Matrix {
        matrices::output(self.points(), self.tile())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Maps, Rounding, Window};

    #[test]
    fn every_algorithm_computes_a_correlation() {
        for algorithm in Algorithm::ALL {
            let (kernel, tile, side) = (algorithm.kernel(), algorithm.tile(), algorithm.side());
            let window = Window { kernel, stride: 1, pad: 0, rounding: Rounding::Down };
            let g = ConvGeometry::new(Maps::new(side, side, 1), 1, window, 1).unwrap();
            let w: Vec<f32> = (0..kernel * kernel).map(|i| (i as f32 * 2.3).cos()).collect();
            let x: Vec<f32> = (0..side * side).map(|i| (i as f32 * 1.7).sin()).collect();
            let mut u = vec![0.0; algorithm.elements()];
            algorithm.transform_weights(&g, &w, &mut u);
            let mut m = algorithm.transform_input(algorithm.square(&g, [0, 0], |pixel| x[pixel]));
            for (e, u) in u.iter().enumerate() {
                m[e / side][e % side] *= u;
            }
            let y = algorithm.transform_output(m);
            for (oy, row) in y[..tile].iter().enumerate() {
                for (ox, y) in row[..tile].iter().enumerate() {
                    let tap = |t: usize| w[t] * x[(oy + t / kernel) * side + ox + t % kernel];
                    let expected: f32 = (0..kernel * kernel).map(tap).sum();
                    assert!((y - expected).abs() < 1e-4, "{algorithm:?}: {y}, expected {expected}");
                }
            }
            let maxima = algorithm.input_maxima(&g, 1, &x);
            let v = algorithm.transform_input(algorithm.square(&g, [0, 0], |pixel| x[pixel]));
            assert_eq!(maxima[side + 2], v[1][2].abs());
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("F(9,3)"), None);
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
