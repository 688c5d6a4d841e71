//! From a square to the input of the network, as training, evaluation and the model file share it.

use std::borrow::Cow;

use rand::RngExt;
use rand_distr::{Distribution, Normal};
use serde::{Deserialize, Serialize};

use super::square::{self, RESIZE};
use super::statistics::{ColorBasis, Statistics};
use super::{Image, ImageRef};
use crate::net::{Augment, Input, Mean, Orientation, Views};
use crate::random::{Purpose, generator, key};

/// How an image becomes the input of the network: everything in which two programs could differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// The short side is resized to this length, and the center square cropped.
    pub square: usize,
    /// The side of the crop that enters the network.
    pub crop: usize,
    /// Whether the EXIF orientation is applied before cropping; if absent, it is not.
    #[serde(default, skip_serializing_if = "Orientation::is_stored")]
    pub orientation: Orientation,
    /// How squares are resized.
    pub resize: String,
    /// The order of the channels.
    pub channels: String,
    /// What the centered pixels are divided by.
    pub divisor: f32,
    /// What each channel is then divided by.
    pub deviations: [f32; 3],
    /// What is subtracted from the 0..255 pixels: `[square, square, 3]` or `[3]`.
    #[serde(skip)]
    pub mean: Vec<f32>,
}

/// The position of a crop in the square, and whether it is mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The first column.
    pub x: usize,
    /// The first row.
    pub y: usize,
    /// Mirrored horizontally.
    pub flip: bool,
}

impl Preprocess {
    /// The preprocessing of a recipe. Means are measured on the training set, unless the recipe fixes them.
    pub fn new(input: &Input, statistics: &Statistics) -> Self {
        let mean = match input.mean {
            Mean::Image => statistics.mean_image(),
            Mean::Channels => statistics.mean_channels().to_vec(),
            Mean::Fixed(mean) => mean.to_vec(),
        };
        Self { mean, ..Self::of(input) }
    }

    /// The preprocessing of a recipe with a mean that is known: of a pixel, `[3]`, or of a square, `[square, square, 3]`.
    pub fn with_mean(input: &Input, mean: Vec<f32>) -> Self {
        Self { mean, ..Self::of(input) }
    }

    /// The preprocessing of a recipe, without its mean.
    pub(super) fn of(input: &Input) -> Self {
        Self {
            square: input.square,
            crop: input.crop,
            orientation: input.orientation,
            resize: RESIZE.to_owned(),
            channels: "RGB".to_owned(),
            divisor: input.divisor,
            deviations: input.std.unwrap_or([1.0; 3]),
            mean: Vec::new(),
        }
    }

    /// Returns the square of an image.
    pub fn square(&self, image: &Image) -> Image {
        square::square(image, self.square)
    }

    /// Returns the pixels of the square of an image, `[square, square, 3]`; borrowed if the image is one.
    pub fn square_of<'a>(&self, image: ImageRef<'a>) -> Cow<'a, [u8]> {
        square::square_pixels(image, self.square)
    }

    /// The number of values in a view.
    pub fn view_len(&self) -> usize {
        3 * self.crop * self.crop
    }

    /// Writes one view of a square, `[crop, crop, 3]`: `(pixel + noise - mean) / divisor / std`. The mean belongs to the position in
    /// the square, so a mirrored view is the mirror image of the centered one.
    ///
    /// # Panics
    /// Panics if the square or the view has another size.
    pub fn view<'a>(&self, square: impl Into<ImageRef<'a>>, view: View, noise: [f32; 3], out: &mut [f32]) {
        let square = square.into();
        assert_eq!((square.width, square.height), (self.square, self.square), "size of the square");
        let scale = self.deviations.map(|deviation| 1.0 / (self.divisor * deviation));
        // Rows of values, not of pixels: the compiler vectorizes their loop, which takes less than half the time.
        let len = 3 * self.crop;
        let row_of = |values: &[f32]| -> Vec<f32> { values.iter().copied().cycle().take(len).collect() };
        let (noise, scale) = (row_of(&noise), row_of(&scale));
        let one_mean = if self.mean.len() == 3 { row_of(&self.mean) } else { Vec::new() };
        for (row, out) in out.chunks_exact_mut(len).enumerate() {
            let start = 3 * ((view.y + row) * self.square + view.x);
            let mean = if self.mean.len() == 3 { &one_mean[..] } else { &self.mean[start..][..len] };
            let values = square.pixels[start..][..len].iter().zip(&noise).zip(mean).zip(&scale);
            for (out, (((&pixel, &noise), &mean), &scale)) in out.iter_mut().zip(values) {
                *out = (f32::from(pixel) + noise - mean) * scale;
            }
            if view.flip {
                out.as_chunks_mut::<3>().0.reverse();
            }
        }
    }
}

impl View {
    /// The center crop.
    pub fn center(square: usize, crop: usize) -> Self {
        let offset = (square - crop) / 2;
        Self { x: offset, y: offset, flip: false }
    }

    /// The ten views of section 4.1 of the paper: four corners and the center, then their mirror images.
    pub fn ten(square: usize, crop: usize) -> [Self; 10] {
        let far = square - crop;
        let center = Self::center(square, crop);
        let corner = |x, y| Self { x, y, flip: false };
        let five = [corner(0, 0), corner(far, 0), corner(0, far), corner(far, far), center];
        std::array::from_fn(|i| Self { flip: i >= 5, ..five[i % 5] })
    }

    /// The views that are averaged.
    pub fn of(views: Views, square: usize, crop: usize) -> Vec<Self> {
        match views {
            Views::Center => vec![Self::center(square, crop)],
            Views::Ten => Self::ten(square, crop).to_vec(),
        }
    }

    /// A random crop of the square, mirrored or not, as `augment` allows (paper, section 4.1). `image` is the index of the image in
    /// the split.
    pub fn random(augment: &Augment, square: usize, crop: usize, seed: u64, epoch: u64, image: u64) -> Self {
        let mut generator = generator(key(seed, epoch, image, Purpose::Crop));
        let (x, y) = (generator.random_range(0..=square - crop), generator.random_range(0..=square - crop));
        let flip = generator.random_bool(0.5);
        let Self { x, y, .. } =
            if augment.random_crop { Self { x, y, flip } } else { Self::center(square, crop) };
        Self { x, y, flip: flip && augment.flip }
    }
}

/// The color noise of an image in an epoch (paper, section 4.1): along each eigenvector of the covariance of the training pixels,
/// `a ~ N(0, color_noise)` times the standard deviation along it. On the 0..255 scale.
pub fn color_noise(augment: &Augment, basis: &ColorBasis, seed: u64, epoch: u64, image: u64) -> [f32; 3] {
    let Ok(normal) = Normal::new(0.0, augment.color_noise) else { return [0.0; 3] };
    if augment.color_noise == 0.0 {
        return [0.0; 3];
    }
    let mut generator = generator(key(seed, epoch, image, Purpose::Color));
    let amounts: [f64; 3] = std::array::from_fn(|i| normal.sample(&mut generator) * basis.deviations[i]);
    std::array::from_fn(|c| (0..3).map(|i| basis.vectors[i][c] * amounts[i]).sum::<f64>() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn augment() -> Augment {
        Augment { random_crop: true, flip: true, color_noise: 0.1 }
    }

    /// A square whose pixel at (x, y) is (x, y, 7), and a mean image of (y, 0, 2).
    fn example(square: usize, crop: usize) -> (Preprocess, Image) {
        let places = || (0..square * square).map(|i| (i % square, i / square));
        let mean = places().flat_map(|(_, y)| [y as f32, 0.0, 2.0]).collect();
        let preprocess = Preprocess {
            square,
            crop,
            orientation: Orientation::Stored,
            resize: RESIZE.to_owned(),
            channels: "RGB".to_owned(),
            divisor: 2.0,
            deviations: [1.0, 1.0, 0.5],
            mean,
        };
        let pixels = places().flat_map(|(x, y)| [x as u8, y as u8, 7]).collect();
        (preprocess, Image::new(square, square, pixels))
    }

    #[test]
    fn view_is_centered_before_it_is_mirrored() {
        let (preprocess, square) = example(9, 5);
        for flip in [false, true] {
            let mut out = vec![0.0; preprocess.view_len()];
            preprocess.view(&square, View { x: 3, y: 1, flip }, [0.5, 0.0, 0.0], &mut out);
            for (i, pixel) in out.chunks(3).enumerate() {
                let (column, row) = (i % 5, i / 5);
                let x = if flip { 3 + 4 - column } else { 3 + column } as f32;
                let y = (1 + row) as f32;
                assert_eq!(pixel, [(x + 0.5 - y) / 2.0, y / 2.0, 5.0], "column {column}, row {row}, {flip}");
            }
        }
    }

    #[test]
    fn ten_views_are_corners_and_center_and_their_mirrors() {
        let views = View::ten(256, 224);
        let places: Vec<(usize, usize)> = views.iter().map(|view| (view.x, view.y)).collect();
        assert_eq!(places[..5], [(0, 0), (32, 0), (0, 32), (32, 32), (16, 16)]);
        assert_eq!(places[..5], places[5..]);
        assert!(views[..5].iter().all(|view| !view.flip) && views[5..].iter().all(|view| view.flip));
    }

    #[test]
    fn random_views_cover_all_offsets_and_flip_half() {
        let views: Vec<View> = (0..4000).map(|i| View::random(&augment(), 256, 224, 1, 5, i)).collect();
        for offset in 0..=32 {
            assert!(views.iter().any(|v| v.x == offset) && views.iter().any(|v| v.y == offset), "{offset}");
        }
        assert!(views.iter().all(|view| view.x <= 32 && view.y <= 32));
        let flips = views.iter().filter(|view| view.flip).count();
        assert!((1850..2150).contains(&flips), "{flips} of 4000");
        let plain = Augment { random_crop: false, flip: false, color_noise: 0.0 };
        assert_eq!(View::random(&plain, 256, 224, 1, 5, 3), View::center(256, 224));
    }

    #[test]
    fn square_of_the_crop_size_has_one_view() {
        let view = View::random(&augment(), 32, 32, 1, 1, 1);
        assert_eq!((view.x, view.y), (0, 0));
    }

    #[test]
    fn color_noise_has_the_deviations_of_the_basis() {
        let basis = ColorBasis {
            vectors: [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
            deviations: [100.0, 10.0, 0.0],
        };
        let noises: Vec<[f32; 3]> = (0..5000).map(|i| color_noise(&augment(), &basis, 1, 2, i)).collect();
        let deviation = |c: usize| {
            (noises.iter().map(|n| f64::from(n[c]) * f64::from(n[c])).sum::<f64>() / 5000.0).sqrt()
        };
        assert!((deviation(1) - 10.0).abs() < 0.4 && (deviation(0) - 1.0).abs() < 0.04);
        assert_eq!(deviation(2), 0.0);
        let off = Augment { color_noise: 0.0, ..augment() };
        assert_eq!(color_noise(&off, &basis, 1, 2, 3), [0.0; 3]);
    }
}
