//! The transforms of one square. The order of each sum is part of the results' definition.

use super::matrices::{LONGEST, Square};

/// `B^T x B`: along the columns, then along the rows.
pub(super) fn input(side: usize, matrix: &Square, x: Square) -> Square {
    sandwich([side, side], x, |line| input_line(side, matrix, line))
}

/// `A^T m A`: along the columns, then along the rows.
pub(super) fn output(side: usize, tile: usize, matrix: &Square, m: Square) -> Square {
    sandwich([side, tile], m, |line| output_line(side, tile, matrix, line))
}

/// Transforms `columns` columns of `columns` values to `rows` values each, then the rows.
fn sandwich(
    [columns, rows]: [usize; 2],
    x: Square,
    line: impl Fn([f32; LONGEST]) -> [f32; LONGEST],
) -> Square {
    let (mut half, mut y) = ([[0.0; LONGEST]; LONGEST], [[0.0; LONGEST]; LONGEST]);
    for j in 0..columns {
        let column = line(std::array::from_fn(|i| x[i][j]));
        for i in 0..rows {
            half[i][j] = column[i];
        }
    }
    for i in 0..rows {
        y[i] = line(half[i]);
    }
    y
}

/// Each sum over the even columns, plus that over the odd columns: rows of opposite points share both.
pub(super) fn input_line(side: usize, matrix: &Square, x: [f32; LONGEST]) -> [f32; LONGEST] {
    let sum =
        |row: &[f32; LONGEST], first: usize| (first..side).step_by(2).fold(0.0, |sum, j| sum + row[j] * x[j]);
    std::array::from_fn(|i| if i < side { sum(&matrix[i], 0) + sum(&matrix[i], 1) } else { 0.0 })
}

/// Opposite points have equal factors up to sign: they are added or subtracted before they are multiplied.
pub(super) fn output_line(side: usize, tile: usize, matrix: &Square, m: [f32; LONGEST]) -> [f32; LONGEST] {
    std::array::from_fn(|i| {
        if i >= tile {
            return 0.0;
        }
        let pairs = (1..side - 1).step_by(2).fold(matrix[i][0] * m[0], |sum, j| {
            sum + matrix[i][j] * if i % 2 == 0 { m[j] + m[j + 1] } else { m[j] - m[j + 1] }
        });
        pairs + matrix[i][side - 1] * m[side - 1]
    })
}
