//! Statistics of a layer: root mean square, dead units, non-finite values.

use crate::slices::GRAIN;
use rayon::prelude::*;

/// The root mean square, 0 for an empty slice. Summed in double precision, in an order that depends on the length alone.
pub fn rms(values: &[f32]) -> f64 {
    let squares: Vec<f64> = values
        .par_chunks(GRAIN)
        .map(|part| part.iter().map(|&value| f64::from(value) * f64::from(value)).sum())
        .collect();
    (squares.iter().sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The sum of squares of each row of `values`, `[rows, row]`, in double precision. Added in order, they give the same
/// total however the rows are split between calls.
///
/// # Panics
/// If the rows are not complete.
pub fn row_sums_of_squares(values: &[f32], row: usize) -> Vec<f64> {
    assert!(row > 0 && values.len().is_multiple_of(row), "{} values do not fill rows of {row}", values.len());
    let square = |&value: &f32| f64::from(value) * f64::from(value);
    values.par_chunks_exact(row).map(|row| row.iter().map(square).sum()).collect()
}

/// The fraction of columns whose maximum, from [`column_maxima`], is not above 0. For the outputs of a rectifier, these are the
/// dead units: inactive for every image.
pub fn dead_fraction(maxima: &[f32]) -> f64 {
    maxima.iter().filter(|&&value| value <= 0.0).count() as f64 / maxima.len().max(1) as f64
}

/// The maximum of each column of `values`, `[rows, columns]`; minus infinity if there are no rows.
///
/// # Panics
/// If the rows are not complete.
pub fn column_maxima(values: &[f32], columns: usize) -> Vec<f32> {
    assert!(
        columns > 0 && values.len().is_multiple_of(columns),
        "{} values do not fill rows of {columns}",
        values.len()
    );
    let rows = (GRAIN / columns).max(1);
    let nothing = || vec![f32::NEG_INFINITY; columns];
    let larger = |mut a: Vec<f32>, row: &[f32]| {
        a.iter_mut().zip(row).for_each(|(a, &value)| *a = a.max(value));
        a
    };
    let parts = values.par_chunks(rows * columns);
    parts.map(|part| part.chunks_exact(columns).fold(nothing(), larger)).reduce(nothing, |a, b| larger(a, &b))
}

/// The position of the first value that is infinite or NaN.
pub fn first_non_finite(values: &[f32]) -> Option<usize> {
    let parts = values.par_chunks(GRAIN).enumerate();
    let found = parts.filter_map(|(part, values)| {
        Some(part * GRAIN + values.iter().position(|value| !value.is_finite())?)
    });
    found.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rms_is_the_root_of_the_mean_square() {
        assert_eq!(rms(&[]), 0.0);
        assert_eq!(rms(&[3.0, -3.0, 3.0]), 3.0);
        let many: Vec<f32> = (0..100_000).map(|i| if i % 2 == 0 { 1.0 } else { 7.0 }).collect();
        assert!((rms(&many) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn sums_of_squares_do_not_depend_on_the_split() {
        let values: Vec<f32> = (0..7 * 1000).map(|i| (i as f32).sin()).collect();
        let whole: f64 = row_sums_of_squares(&values, 1000).iter().sum();
        let parts = values.chunks(3000).flat_map(|part| row_sums_of_squares(part, 1000));
        assert_eq!(whole, parts.fold(0.0, |sum, square| sum + square));
        assert!(((whole / 7000.0).sqrt() - rms(&values)).abs() < 1e-12);
    }

    #[test]
    fn a_unit_is_dead_if_no_image_activates_it() {
        let columns = 3;
        let mut values = vec![0.0; columns * 50_000];
        assert_eq!(dead_fraction(&column_maxima(&values, columns)), 1.0);
        values[columns * 49_999 + 1] = 1e-30;
        assert_eq!(dead_fraction(&column_maxima(&values, columns)), 2.0 / 3.0);
    }

    #[test]
    fn the_first_non_finite_value_is_found() {
        let mut values = vec![0.0; 100_000];
        assert_eq!(first_non_finite(&values), None);
        values[90_000] = f32::NAN;
        values[70_001] = f32::NEG_INFINITY;
        assert_eq!(first_non_finite(&values), Some(70_001));
    }
}
