//! A decoded image.

/// Red, green and blue, 0..255, `[height, width, 3]`. The whole program sees color: gray is copied to all three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

impl Image {
    /// An image of `[height, width, 3]` pixels.
    ///
    /// # Panics
    /// When there are not `3 width height` of them.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), 3 * width * height, "an image of {width} x {height}");
        Self { width, height, pixels }
    }

    /// A gray image of `[height, width]` values.
    ///
    /// # Panics
    /// When there are not `width height` of them.
    pub fn from_gray(width: usize, height: usize, gray: &[u8]) -> Self {
        Self::new(width, height, gray.iter().flat_map(|&value| [value; 3]).collect())
    }

    /// An image of three planes, red, green, blue, `[3, height, width]`.
    ///
    /// # Panics
    /// When there are not `3 width height` values.
    pub fn from_planes(width: usize, height: usize, planes: &[u8]) -> Self {
        let (red, rest) = planes.split_at(width * height);
        let (green, blue) = rest.split_at(width * height);
        let pixels = red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]).collect();
        Self::new(width, height, pixels)
    }
}
