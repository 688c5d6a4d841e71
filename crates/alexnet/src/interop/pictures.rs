//! Images for golden samples, for networks that come without any.

use crate::data::Image;

/// The red, green and blue of column `x` and row `y` of a square with this side.
type Pattern = fn(usize, usize, usize) -> [usize; 3];

/// Makes squares of `side` x `side` pixels, the same ones every time: colors that blend, stripes, a disc, and noise.
pub fn made_squares(side: usize) -> Vec<Image> {
    let patterns: [Pattern; 4] = [blend, stripes, disc, noise];
    let square = |pattern: Pattern| {
        let pixel = |at: usize| pattern(at % side, at / side, side).map(|value| (value % 256) as u8);
        Image::new(side, side, (0..side * side).flat_map(pixel).collect())
    };
    patterns.map(square).into()
}

/// Red grows to the right, green downward, blue shrinks along the diagonal.
fn blend(x: usize, y: usize, side: usize) -> [usize; 3] {
    [255 * x / side, 255 * y / side, 255 - 255 * (x + y) / (2 * side)]
}

/// Eight diagonal stripes of orange and blue.
fn stripes(x: usize, y: usize, side: usize) -> [usize; 3] {
    if (4 * (x + y) / side).is_multiple_of(2) { [230, 120, 30] } else { [20, 60, 200] }
}

/// A green disc that darkens outward, on gray.
fn disc(x: usize, y: usize, side: usize) -> [usize; 3] {
    let (dx, dy) = ((2 * x).abs_diff(side), (2 * y).abs_diff(side));
    let distance = 255 * (dx * dx + dy * dy) / (side * side);
    if distance < 140 { [30, 250 - distance, 60] } else { [128, 128, 128] }
}

/// Cells of eight pixels, each with a color of its own.
fn noise(x: usize, y: usize, _: usize) -> [usize; 3] {
    let cell = (x / 8 * 7919 + y / 8 * 104_729) % 65_521;
    [(cell * 31) >> 3, (cell * 57) >> 5, (cell * 101) >> 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_differ_in_content_and_color() {
        for side in [1, 8, 28, 256] {
            let squares = made_squares(side);
            assert_eq!(squares, made_squares(side));
            assert!(squares.iter().all(|square| (square.width, square.height) == (side, side)));
        }
        for square in made_squares(64) {
            let channel =
                |c: usize| square.pixels.iter().skip(c).step_by(3).map(|&v| u64::from(v)).sum::<u64>();
            assert!(channel(0) != channel(1) || channel(1) != channel(2));
        }
    }
}
