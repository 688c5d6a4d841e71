//! The matrices of the algorithms (see [`crate::interpolation`]), with what transforms need to know of their structure.

use crate::interpolation;

/// The longest side of a transform.
pub(super) const LONGEST: usize = 8;

/// The finite points, in order of use: point 0, then pairs of opposite ones.
type Points = [f64; LONGEST - 1];

/// Sets of points.
static SETS: [Points; 2] =
    [[0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5], [0.0, 0.625, -0.625, 1.5625, -1.5625, 0.0, 0.0]];

/// Points whose matrices have small factors.
pub(super) const SIMPLE: usize = 0;

/// For a side of up to 6, the points that amplify the rounding of operands least, among multiples of 1/16: for F(4, 3) 4.8
/// times that of direct products, where simple points amplify it 10.8 times.
pub(super) const BALANCED: usize = 1;

/// The index of point 1 in the set of simple points.
pub(super) const ONE: usize = 1;

/// A small matrix whose structure is known at compile time.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) at: [[f32; LONGEST]; LONGEST],
    /// Whether row `i + 1` is row `i` with every other sign flipped: opposite points of `B^T` and `G`.
    pub(super) mirrored_rows: [bool; LONGEST],
    /// Whether column `j + 1` is column `j` with every other sign flipped: opposite points of `A^T`.
    pub(super) mirrored_columns: [bool; LONGEST],
}

impl Matrix {
    const fn new(rows: usize, columns: usize, wide: [[f64; LONGEST]; LONGEST]) -> Self {
        let mut at = [[0.0; LONGEST]; LONGEST];
        let (mut mirrored_rows, mut mirrored_columns) = ([false; LONGEST], [false; LONGEST]);
        let mut i = 0;
        while i < rows {
            let mut j = 0;
            while j < columns {
                at[i][j] = wide[i][j] as f32;
                j += 1;
            }
            i += 1;
        }
        let mut line = 0;
        while line + 1 < LONGEST {
            // Pairs start at odd indices: point 0 precedes them.
            let (mut same_rows, mut same_columns) = (line % 2 == 1, line % 2 == 1);
            let mut along = 0;
            while along < LONGEST {
                let sign = if along % 2 == 0 { 1.0 } else { -1.0 };
                same_rows &= at[line + 1][along] == sign * at[line][along];
                same_columns &= at[along][line + 1] == sign * at[along][line];
                along += 1;
            }
            mirrored_rows[line] = same_rows && line + 1 < rows;
            mirrored_columns[line] = same_columns && line + 1 < columns;
            line += 1;
        }
        Self { rows, columns, at, mirrored_rows, mirrored_columns }
    }

    /// `B^T`, `side x side`.
    pub(super) const fn input(side: usize, set: usize) -> Self {
        Self::new(side, side, interpolation::input(finite_points(side, set)))
    }

    /// `G`, `side x length`.
    pub(super) const fn kernel(side: usize, length: usize, set: usize) -> Self {
        Self::new(side, length, interpolation::kernel(finite_points(side, set), length))
    }

    /// `A^T`, `length x side`.
    pub(super) const fn output(side: usize, length: usize, set: usize) -> Self {
        Self::new(length, side, interpolation::output(finite_points(side, set), length))
    }
}

/// The points of a side besides infinity.
const fn finite_points(side: usize, set: usize) -> &'static [f64] {
    SETS[set].split_at(side - 1).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `m x` in double precision.
    fn apply(m: &Matrix, x: &[f64]) -> Vec<f64> {
        let row = |i: usize| x.iter().zip(m.at[i]).map(|(x, m)| x * f64::from(m)).sum();
        (0..m.rows).map(row).collect()
    }

    #[test]
    fn every_size_computes_a_correlation() {
        let simple = [(2, 3), (4, 3), (3, 4), (6, 3), (3, 6), (5, 3), (3, 5), (4, 5), (5, 4), (2, 5)];
        let balanced = [(4, 3), (3, 4), (2, 5), (5, 2)];
        let sets = simple.map(|size| (size, SIMPLE)).into_iter().chain(balanced.map(|size| (size, BALANCED)));
        for ((m, r), set) in sets {
            let side = m + r - 1;
            let x: Vec<f64> = (0..side).map(|i| (i as f64 * 1.7).sin()).collect();
            let w: Vec<f64> = (0..r).map(|i| (i as f64 * 2.3).cos()).collect();
            let products: Vec<f64> = apply(&Matrix::kernel(side, r, set), &w)
                .into_iter()
                .zip(apply(&Matrix::input(side, set), &x))
                .map(|(w, x)| w * x)
                .collect();
            let outputs = apply(&Matrix::output(side, m, set), &products);
            for (i, output) in outputs.into_iter().enumerate() {
                let expected: f64 = w.iter().zip(&x[i..]).map(|(w, x)| w * x).sum();
                assert!((output - expected).abs() < 3e-6, "F({m}, {r}): {output}, expected {expected}");
            }
        }
    }

    #[test]
    fn input_matrix_matches_lavin_and_gray() {
        let expected = [
            [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
            [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
            [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
            [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
            [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
            [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
        ];
        let matrix = Matrix::input(6, SIMPLE);
        for (row, expected) in matrix.at.iter().zip(expected) {
            assert_eq!(row[..6], expected);
        }
        assert!(matrix.mirrored_rows[1] && matrix.mirrored_rows[3] && !matrix.mirrored_rows[2]);
        let output = Matrix::output(6, 4, SIMPLE);
        assert!(output.mirrored_columns[1] && output.mirrored_columns[3]);
    }

    /// Opposite points share their sums in every set.
    #[test]
    fn opposite_points_are_mirrored() {
        let [input, kernel] = [Matrix::input(6, BALANCED), Matrix::kernel(6, 3, BALANCED)];
        let output = Matrix::output(6, 4, BALANCED);
        for pair in [1, 3] {
            assert!(input.mirrored_rows[pair] && kernel.mirrored_rows[pair] && output.mirrored_columns[pair]);
        }
    }
}
