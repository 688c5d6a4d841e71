//! The matrices of `y = A^T ((G w) * (B^T x))`, generated from interpolation points. They stand in the first rows and columns of
//! `N x N` arrays.
//!
//! A polynomial of degree `side - 1` is determined by its values at `side` points, one of which may be infinity.
//! Correlating `side` inputs with `r` weights into `m = side - r + 1` outputs is the transpose of multiplying
//! polynomials with `m` and `r` coefficients, so it takes one multiplication per point (Winograd, "Arithmetic
//! Complexity of Computations", 1980; Lavin and Gray, arXiv:1509.09308). `B^T` depends on the points alone, not on how
//! `side` splits into `m` and `r`.

/// `B^T`, `side x side`, for `side - 1` finite points and infinity: row `j` holds the coefficients of the product of
/// `x - p` over all points `p` but `j`; the row of infinity, over all points.
pub(crate) const fn input<const N: usize>(points: &[f64]) -> [[f64; N]; N] {
    let mut at = [[0.0; N]; N];
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
pub(crate) const fn kernel<const N: usize>(points: &[f64], length: usize) -> [[f64; N]; N] {
    let mut at = [[0.0; N]; N];
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
pub(crate) const fn output<const N: usize>(points: &[f64], length: usize) -> [[f64; N]; N] {
    let mut at = [[0.0; N]; N];
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
