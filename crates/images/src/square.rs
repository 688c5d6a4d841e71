//! Images of any shape to squares of one size (paper, section 2).

use std::borrow::Cow;

use fast_image_resize::images::{Image as Resized, ImageRef as Source};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Image, ImageRef};

/// The resampling method, recorded in model files.
pub const RESIZE: &str = "bilinear, antialiased";

/// Resizes the short side to `side` pixels and crops the center square.
///
/// The crop happens before resizing, so that no pixel is computed in vain. An image of `side` x `side` pixels is returned
/// unchanged.
pub fn square(image: &Image, side: usize) -> Image {
    Image::new(side, side, square_pixels(image.into(), side).into_owned())
}

/// Returns the pixels of the square of an image, `[side, side, 3]`, as [`square`] does. Those of an image of `side` x `side`
/// pixels are borrowed.
pub fn square_pixels(image: ImageRef<'_>, side: usize) -> Cow<'_, [u8]> {
    if image.width == side && image.height == side {
        return Cow::Borrowed(image.pixels);
    }
    let short = image.width.min(image.height) as f64;
    // As in "resize, then crop", the resized long side has a whole number of pixels, the crop starts at a whole pixel, and the
    // long side has its own scale.
    let (left, width) = center(image.width, side, short);
    let (top, height) = center(image.height, side, short);
    let size = |pixels: usize| u32::try_from(pixels).expect("an image side fits in 32 bits");
    let source = Source::new(size(image.width), size(image.height), image.pixels, PixelType::U8x3)
        .expect("an image has width x height x 3 values");
    let mut target = Resized::new(size(side), size(side), PixelType::U8x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, width, height);
    Resizer::new().resize(&source, &mut target, &options).expect("the crop lies within the image");
    Cow::Owned(target.into_vec())
}

/// Resizes the whole image, without preserving its aspect ratio.
pub fn resize(image: &Image, width: usize, height: usize) -> Image {
    let size = |pixels: usize| u32::try_from(pixels).expect("an image side fits in 32 bits");
    let source = Source::new(size(image.width), size(image.height), &image.pixels, PixelType::U8x3)
        .expect("an image has width x height x 3 values");
    let mut target = Resized::new(size(width), size(height), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).expect("both images have the same pixel type");
    Image::new(width, height, target.into_vec())
}

/// Returns the start and extent, in source pixels, of the center `side` pixels of a resized side of `length` source pixels.
fn center(length: usize, side: usize, short: f64) -> (f64, f64) {
    let resized = (length as f64 * side as f64 / short).floor().max(side as f64);
    let scale = length as f64 / resized;
    let start = ((resized - side as f64) / 2.0).floor();
    // Rounding must not move the end outside the image.
    (start * scale, (side as f64 * scale).min(length as f64 - start * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Image {
        let pixel = |i: usize| {
            [(i % width * 255 / width) as u8, (i / width * 255 / height) as u8, (i * 7 % 251) as u8]
        };
        Image::new(width, height, (0..width * height).flat_map(pixel).collect())
    }

    /// The antialiased triangle filter over the center of the resized image, in f64.
    fn naive(image: &Image, side: usize) -> Vec<f64> {
        let short = image.width.min(image.height) as f64;
        let taps = |length: usize| -> Vec<Vec<(usize, f64)>> {
            let (start, extent) = center(length, side, short);
            let scale = extent / side as f64;
            let support = scale.max(1.0);
            (0..side)
                .map(|i| {
                    let middle = start + (i as f64 + 0.5) * scale;
                    let weight = |j: usize| (1.0 - ((j as f64 + 0.5 - middle) / support).abs()).max(0.0);
                    let all: f64 = (0..length).map(weight).sum();
                    (0..length).filter(|&j| weight(j) > 0.0).map(|j| (j, weight(j) / all)).collect()
                })
                .collect()
        };
        let (rows, columns) = (taps(image.height), taps(image.width));
        let mut values = Vec::new();
        for row in &rows {
            for column in &columns {
                for c in 0..3 {
                    let value = |y: usize, x: usize| f64::from(image.pixels[(y * image.width + x) * 3 + c]);
                    let sum =
                        row.iter().flat_map(|&(y, v)| column.iter().map(move |&(x, w)| v * w * value(y, x)));
                    values.push(sum.sum());
                }
            }
        }
        values
    }

    #[test]
    fn squares_match_the_naive_filter_within_one_level() {
        for (width, height, side) in [(50, 37, 16), (37, 50, 16), (20, 20, 31), (9, 64, 8), (100, 10, 12)] {
            let image = ramp(width, height);
            let made = square(&image, side);
            let worst = made.pixels.iter().zip(naive(&image, side)).map(|(&a, b)| (f64::from(a) - b).abs());
            let worst = worst.fold(0.0, f64::max);
            assert!(worst <= 1.0, "{width} x {height} to {side}: {worst} levels off");
        }
    }

    #[test]
    fn images_of_any_shape_become_squares() {
        for (width, height) in (1..70).flat_map(|w| (1..70).map(move |h| (w, 13 * h))) {
            let made = square(&Image::new(width, height, vec![200; 3 * width * height]), 7);
            assert_eq!(made.pixels, [200; 3 * 7 * 7], "{width} x {height}");
        }
    }

    #[test]
    fn square_of_the_right_size_is_unchanged() {
        let image = ramp(12, 12);
        assert_eq!(square(&image, 12), image);
        assert!(matches!(square_pixels((&image).into(), 12), Cow::Borrowed(_)), "it is not copied");
    }

    #[test]
    fn extreme_aspect_ratios_become_squares() {
        for (width, height) in [(1, 1), (1, 500), (3000, 2), (2, 2)] {
            let made = square(&ramp(width, height), 24);
            assert_eq!((made.width, made.height), (24, 24), "{width} x {height}");
        }
        let one = square(&Image::new(1, 1, vec![9, 8, 7]), 5);
        assert_eq!(one.pixels, [9, 8, 7].repeat(25));
    }
}
