//! Images of every shape to squares of one size (paper, section 2).

use fast_image_resize::images::{Image as Resized, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::Image;

/// How squares are resized, for the preprocessing contract of a model file.
pub const RESIZE: &str = "bilinear, antialiased";

/// The image's short side resized to `side` pixels, and the center square of that.
///
/// The center is cut before resizing: nothing is computed that would be thrown away. An image that is `side` x
/// `side` already is left as it is.
pub fn square(image: &Image, side: usize) -> Image {
    if image.width == side && image.height == side {
        return image.clone();
    }
    let short = image.width.min(image.height) as f64;
    // The long side is a whole number of pixels after resizing, as in the usual "resize, then crop"; the center
    // crop starts at a whole pixel of that, and the map back to the source keeps the long side's own scale.
    let (left, width) = center(image.width, side, short);
    let (top, height) = center(image.height, side, short);
    let size = |pixels: usize| u32::try_from(pixels).expect("an image's side fits 32 bits");
    let source = ImageRef::new(size(image.width), size(image.height), &image.pixels, PixelType::U8x3)
        .expect("an image has width x height x 3 values");
    let mut target = Resized::new(size(side), size(side), PixelType::U8x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, width, height);
    Resizer::new().resize(&source, &mut target, &options).expect("the crop lies within the image");
    Image::new(side, side, target.into_vec())
}

/// The whole image at another size, whatever becomes of its proportions.
pub(super) fn resize(image: &Image, width: usize, height: usize) -> Image {
    let size = |pixels: usize| u32::try_from(pixels).expect("an image's side fits 32 bits");
    let source = ImageRef::new(size(image.width), size(image.height), &image.pixels, PixelType::U8x3)
        .expect("an image has width x height x 3 values");
    let mut target = Resized::new(size(width), size(height), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).expect("both have pixels of one type");
    Image::new(width, height, target.into_vec())
}

/// Where the center `side` pixels of a resized side of `length` source pixels lie in the source: start and extent.
fn center(length: usize, side: usize, short: f64) -> (f64, f64) {
    let resized = (length as f64 * side as f64 / short).floor().max(side as f64);
    let scale = length as f64 / resized;
    let start = ((resized - side as f64) / 2.0).floor();
    // Rounding must not push the end past the image.
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

    /// The triangle filter, stretched when shrinking, over the resized image's center, in f64.
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
    fn squares_are_within_a_level_of_the_naive_filter() {
        for (width, height, side) in [(50, 37, 16), (37, 50, 16), (20, 20, 31), (9, 64, 8), (100, 10, 12)] {
            let image = ramp(width, height);
            let made = square(&image, side);
            let worst = made.pixels.iter().zip(naive(&image, side)).map(|(&a, b)| (f64::from(a) - b).abs());
            let worst = worst.fold(0.0, f64::max);
            assert!(worst <= 1.0, "{width} x {height} to {side}: {worst} levels off");
        }
    }

    #[test]
    fn every_shape_becomes_a_square() {
        for (width, height) in (1..70).flat_map(|w| (1..70).map(move |h| (w, 13 * h))) {
            let made = square(&Image::new(width, height, vec![200; 3 * width * height]), 7);
            assert_eq!(made.pixels, [200; 3 * 7 * 7], "{width} x {height}");
        }
    }

    #[test]
    fn a_square_of_the_right_size_is_untouched() {
        let image = ramp(12, 12);
        assert_eq!(square(&image, 12), image);
    }

    #[test]
    fn extremes_become_squares() {
        for (width, height) in [(1, 1), (1, 500), (3000, 2), (2, 2)] {
            let made = square(&ramp(width, height), 24);
            assert_eq!((made.width, made.height), (24, 24), "{width} x {height}");
        }
        let one = square(&Image::new(1, 1, vec![9, 8, 7]), 5);
        assert_eq!(one.pixels, [9, 8, 7].repeat(25));
    }
}
