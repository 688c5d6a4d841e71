//! What an image looks like, in 9 x 8 pixels.
//!
//! Two images are near-duplicates if the difference hashes of these thumbnails differ in at most [`MAX_BITS`] of 64 bits, and the
//! gray values correlate by at least [`MIN_CORRELATION`].

use crate::data::{Image, square};

/// The maximum Hamming distance of near-duplicates. Candidates share at least one of four 16-bit bands: always if up to three bits
/// differ, usually if six do.
const MAX_BITS: u32 = 6;

/// The minimum correlation of gray values of near-duplicates.
const MIN_CORRELATION: f64 = 0.98;

const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// The thumbnail of an image and its difference hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// Bit set where a gray value is larger than its right neighbor.
    signs: u64,
    gray: [u8; COLUMNS * ROWS],
}

impl Fingerprint {
    pub(super) fn of(image: &Image) -> Self {
        let small = square::resize(image, COLUMNS, ROWS);
        let mut gray = [0; COLUMNS * ROWS];
        for (gray, &[red, green, blue]) in gray.iter_mut().zip(small.pixels.as_chunks::<3>().0) {
            // Luma of ITU-R BT.601.
            *gray = ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000) as u8;
        }
        let rows = gray.chunks_exact(COLUMNS);
        let signs = rows
            .flat_map(|row| row.windows(2))
            .fold(0, |signs, pair| signs << 1 | u64::from(pair[0] > pair[1]));
        Self { signs, gray }
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.signs ^ other.signs).count_ones() <= MAX_BITS && self.correlation(other) >= MIN_CORRELATION
    }

    /// Returns Pearson's correlation of the gray values, 0 if one image is uniform.
    fn correlation(&self, other: &Self) -> f64 {
        let pairs = || self.gray.iter().zip(&other.gray).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let n = self.gray.len() as f64;
        let (a, b) = pairs().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
        let sum = |f: &dyn Fn(f64, f64) -> f64| pairs().map(|(x, y)| f(x - a, y - b)).sum::<f64>();
        let both = sum(&|x, _| x * x) * sum(&|_, y| y * y);
        if both == 0.0 { 0.0 } else { sum(&|x, y| x * y) / both.sqrt() }
    }

    /// The four bands of 16 bits, each tagged with its number.
    pub(super) fn bands(&self) -> [u32; 4] {
        std::array::from_fn(|i| (i as u32) << 16 | (self.signs >> (16 * i) & 0xffff) as u32)
    }
}

#[cfg(test)]
mod tests {
    use alexnet_kernels::hash::combine;

    use super::*;

    /// Random blocks.
    fn image(salt: u64) -> Image {
        let value = |i: usize| (combine(salt, (i / 3 % 40 / 5 + i / 120 / 5 * 8) as u64) >> 57) as u8 + 60;
        Image::new(40, 30, (0..3600).map(value).collect())
    }

    #[test]
    fn fingerprint_survives_resizing_and_brightening_only() {
        let fingerprints: Vec<Fingerprint> = (0..40u64).map(|salt| Fingerprint::of(&image(salt))).collect();
        for (salt, fingerprint) in (0..).zip(&fingerprints) {
            let image = image(salt);
            assert!(Fingerprint::of(&square::resize(&image, 60, 45)).is_like(fingerprint), "{salt} resized");
            let brighter = image.pixels.iter().map(|&value| value + 2).collect();
            assert!(Fingerprint::of(&Image::new(40, 30, brighter)).is_like(fingerprint), "{salt} brighter");
        }
        let alike = (0..40)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .filter(|&(a, b)| fingerprints[a].is_like(&fingerprints[b]));
        assert_eq!(alike.count(), 0);
    }
}
