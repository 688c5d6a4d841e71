//! How color-specific kernels are.

use std::ops::AddAssign;

use rand::seq::SliceRandom;
use serde::Serialize;

use crate::random::{Purpose, generator, key};

/// The variance of a kernel's weights around their mean `m`, in two parts. With `l = (r + g + b) / 3` at each position, the
/// projection onto the gray direction (1, 1, 1) / sqrt 3:
///
/// - gray: the sum of `3 (l - m)^2` over the positions,
/// - chroma: the sum of `(r - l)^2 + (g - l)^2 + (b - l)^2`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColorVariance {
    /// In the gray direction: light and dark.
    pub gray: f64,
    /// Orthogonal to it: colors.
    pub chroma: f64,
}

impl ColorVariance {
    /// Splits the variance of a kernel `[3, side, side]`.
    pub fn of(kernel: &[f32]) -> Self {
        let positions = kernel.len() / 3;
        let weight = |channel: usize, at: usize| f64::from(kernel[channel * positions + at]);
        let light = |at: usize| (weight(0, at) + weight(1, at) + weight(2, at)) / 3.0;
        let mean = (0..positions).map(light).sum::<f64>() / positions as f64;
        let mut variance = Self::default();
        for at in 0..positions {
            variance.gray += 3.0 * (light(at) - mean).powi(2);
            variance.chroma += (0..3).map(|channel| (weight(channel, at) - light(at)).powi(2)).sum::<f64>();
        }
        variance
    }

    /// The color share: the part of the variance that is chroma. 0 for a gray kernel, 1 for one that is the same for all
    /// grays, and 2/3 on average for independent random weights. `None` if all weights are equal.
    pub fn share(self) -> Option<f64> {
        let total = self.gray + self.chroma;
        (total > 0.0).then(|| self.chroma / total)
    }
}

impl AddAssign for ColorVariance {
    fn add_assign(&mut self, other: Self) {
        self.gray += other.gray;
        self.chroma += other.chroma;
    }
}

/// How color-specific the kernels of a column are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnColor {
    /// The number of the column, from 1.
    pub column: usize,
    /// The first map.
    pub first_map: usize,
    /// The color share of the column: of the variances of its kernels, added up.
    pub color_share: Option<f64>,
    /// The color share of each kernel.
    pub color_shares: Vec<Option<f64>>,
}

/// How much the color shares of columns differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ColorDifference {
    /// The largest color share of a column minus the smallest.
    pub difference: f64,
    /// The share of random divisions of the kernels into columns that differ at least as much.
    pub p: f64,
    /// The number of random divisions.
    pub divisions: usize,
}

/// Random divisions of the kernels.
const DIVISIONS: usize = 9_999;

/// Returns the color shares of `columns` columns of equal size and of their kernels.
pub(super) fn by_column(variances: &[ColorVariance], columns: usize) -> Vec<ColumnColor> {
    let maps = variances.len() / columns;
    let column = |(i, variances): (usize, &[ColorVariance])| ColumnColor {
        column: i + 1,
        first_map: i * maps,
        color_share: sum(variances).share(),
        color_shares: variances.iter().map(|variance| variance.share()).collect(),
    };
    variances.chunks_exact(maps).enumerate().map(column).collect()
}

/// Compares `columns` columns of equal size with random divisions of their kernels, the same ones each time. `None` for one
/// column, or if a column has no variance.
pub(super) fn difference(variances: &[ColorVariance], columns: usize) -> Option<ColorDifference> {
    if columns < 2 {
        return None;
    }
    let maps = variances.len() / columns;
    let found = spread(variances, maps)?;
    let mut shuffled = variances.to_vec();
    let mut generator = generator(key(0, 0, 0, Purpose::Figure));
    // Sums in another order differ in the last bits.
    let least = found - 1e-9;
    let as_large = (0..DIVISIONS).filter(|_| {
        shuffled.shuffle(&mut generator);
        spread(&shuffled, maps).is_some_and(|difference| difference >= least)
    });
    let p = (1 + as_large.count()) as f64 / (1 + DIVISIONS) as f64;
    Some(ColorDifference { difference: found, p, divisions: DIVISIONS })
}

/// The largest minus the smallest color share of consecutive columns of `maps` kernels.
fn spread(variances: &[ColorVariance], maps: usize) -> Option<f64> {
    let shares = variances.chunks_exact(maps).map(|column| sum(column).share());
    let shares: Vec<f64> = shares.collect::<Option<_>>()?;
    let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(most - shares.iter().copied().fold(f64::INFINITY, f64::min))
}

fn sum(variances: &[ColorVariance]) -> ColorVariance {
    let mut sum = ColorVariance::default();
    variances.iter().for_each(|&variance| sum += variance);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel of 8 x 8 from the weights of each position.
    fn kernel(weights: impl Fn(f32, f32) -> [f32; 3]) -> Vec<f32> {
        let at = |i: usize| weights((i % 8) as f32 - 3.5, (i / 8) as f32 - 3.5);
        (0..3).flat_map(|channel| (0..64).map(move |i| (channel, i))).map(|(c, i)| at(i)[c]).collect()
    }

    fn gabor(x: f32, y: f32) -> f32 {
        (-(x * x + y * y) / 8.0).exp() * (1.3 * x + 0.4 * y).cos()
    }

    fn share(kernel: &[f32]) -> Option<f64> {
        ColorVariance::of(kernel).share()
    }

    #[test]
    fn a_gray_kernel_has_no_color_and_a_red_green_one_nothing_else() {
        assert_eq!(share(&kernel(|x, y| [gabor(x, y); 3])), Some(0.0));
        // Lighter everywhere, which changes no contrast.
        assert_eq!(share(&kernel(|x, y| [gabor(x, y) + 0.5; 3])).unwrap(), 0.0);
        assert_eq!(share(&kernel(|x, y| [gabor(x, y), -gabor(x, y), 0.0])), Some(1.0));
        // A plain color, without any edge.
        assert_eq!(share(&kernel(|_, _| [0.25, -0.25, 0.0])), Some(1.0));
    }

    #[test]
    fn one_channel_is_two_thirds_color_and_scale_does_not_matter() {
        let edge = |x: f32| if x > 0.0 { 1.0 } else { -1.0 };
        for scale in [1.0, 1e-6, 1e6] {
            let found = share(&kernel(|x, _| [scale * edge(x), 0.0, 0.0])).unwrap();
            assert!((found - 2.0 / 3.0).abs() < 1e-12, "{found}");
        }
        // Half of the variance: gray and chroma of equal squares.
        let found = share(&kernel(|x, y| {
            let (gray, chroma) = (edge(x) / 3.0_f32.sqrt(), edge(y) / 2.0_f32.sqrt());
            [gray + chroma, gray - chroma, gray]
        }));
        assert!((found.unwrap() - 0.5).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn equal_weights_have_no_color_share() {
        assert_eq!(share(&[0.0; 27]), None);
        assert_eq!(share(&[0.1; 27]), None);
    }

    #[test]
    fn random_weights_are_two_thirds_color() {
        let mut sum = ColorVariance::default();
        for salt in 0..50 {
            let weights: Vec<f32> = (0..363)
                .map(|i| (key(1, salt, i, Purpose::Figure) >> 40) as f32 / 2.0_f32.powi(24))
                .collect();
            sum += ColorVariance::of(&weights);
        }
        assert!((sum.share().unwrap() - 2.0 / 3.0).abs() < 0.01, "{:?}", sum.share());
    }

    #[test]
    fn columns_that_divide_gray_from_color_differ_most() {
        let (gray, color) =
            (ColorVariance { gray: 1.0, chroma: 0.1 }, ColorVariance { gray: 0.2, chroma: 1.0 });
        let divided = [vec![gray; 12], vec![color; 12]].concat();
        let columns = by_column(&divided, 2);
        assert_eq!((columns[1].column, columns[1].first_map, columns[1].color_shares.len()), (2, 12, 12));
        assert!((columns[0].color_share.unwrap() - 0.1 / 1.1).abs() < 1e-12);
        let found = difference(&divided, 2).unwrap();
        assert!((found.difference - (1.0 / 1.2 - 0.1 / 1.1)).abs() < 1e-12, "{found:?}");
        assert!(found.p <= 2e-4, "{found:?}");
        assert_eq!(difference(&divided, 2), Some(found));
        // The same kernels, evenly mixed.
        let mixed = difference(&[[gray, color]; 12].concat(), 2).unwrap();
        assert!(mixed.difference < 1e-9 && mixed.p == 1.0, "{mixed:?}");
        assert_eq!(difference(&divided, 1), None);
        assert_eq!(difference(&[ColorVariance::default(); 4], 2), None);
    }
}
