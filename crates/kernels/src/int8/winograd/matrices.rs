//! The matrices of an algorithm in the forms that transforms need.

/// The longest side of a transform.
pub(super) const LONGEST: usize = 6;

/// A square of values, of which an algorithm uses the first rows and columns.
pub(in crate::int8) type Square = [[f32; LONGEST]; LONGEST];

/// A small matrix.
pub(super) type Matrix = [[f64; LONGEST]; LONGEST];

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
