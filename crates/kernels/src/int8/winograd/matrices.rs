//! The matrices of an algorithm, from its interpolation points (see Lavin and Gray, arXiv:1509.09308).

/// The longest side of a transform.
pub(super) const LONGEST: usize = 6;

/// A square of values, of which an algorithm uses the first rows and columns.
pub(in crate::int8) type Square = [[f32; LONGEST]; LONGEST];

/// A small matrix.
pub(super) type Matrix = [[f64; LONGEST]; LONGEST];

/// `B^T`, `side x side`, for `side - 1` finite points and infinity: row `j` holds the coefficients of the product of
/// `x - p` over all points `p` but `j`; the row of infinity, over all points.
pub(super) const fn input(points: &[f64]) -> Matrix {
    let mut at = [[0.0; LONGEST]; LONGEST];
    let mut row = 0;
    while row <= points.len() {
        at[row][0] = 1.0;
        let (mut point, mut degree) = (0, 0);
        while point < points.len() {
            if point != row {
                degree += 1;
                let mut power = degree;
                while power > 0 {
                    at[row][power] = at[row][power - 1] - points[point] * at[row][power];
                    power -= 1;
                }
                at[row][0] *= -points[point];
            }
            point += 1;
        }
        row += 1;
    }
    at
}

/// `G`, `side x length`: powers of the points, divided by the excess factor of the rows of `B^T`.
pub(super) const fn kernel(points: &[f64], length: usize) -> Matrix {
    let mut at = [[0.0; LONGEST]; LONGEST];
    let mut row = 0;
    while row < points.len() {
        let (mut value, mut point) = (1.0, 0);
        while point < points.len() {
            if point != row {
                value /= points[row] - points[point];
            }
            point += 1;
        }
        let mut power = 0;
        while power < length {
            at[row][power] = value;
            value *= points[row];
            power += 1;
        }
        row += 1;
    }
    at[points.len()][length - 1] = 1.0;
    at
}

/// `A^T`, `length x side`: powers of the points.
pub(super) const fn output(points: &[f64], length: usize) -> Matrix {
    let mut at = [[0.0; LONGEST]; LONGEST];
    let mut column = 0;
    while column < points.len() {
        let (mut value, mut power) = (1.0, 0);
        while power < length {
            at[power][column] = value;
            value *= points[column];
            power += 1;
        }
        column += 1;
    }
    at[length - 1][points.len()] = 1.0;
    at
}

/// The matrix in single precision.
pub(super) const fn narrow(wide: Matrix) -> Square {
    let mut at = [[0.0; LONGEST]; LONGEST];
    let mut i = 0;
    while i < LONGEST {
        let mut j = 0;
        while j < LONGEST {
            at[i][j] = wide[i][j] as f32;
            j += 1;
        }
        i += 1;
    }
    at
}
