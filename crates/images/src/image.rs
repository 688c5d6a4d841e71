//! A decoded image.

/// An RGB image with 8 bits per channel, row-major. Gray images have three equal channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The number of columns.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// A borrowed RGB image with 8 bits per channel, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// The number of columns.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: &'a [u8],
}

impl<'a> ImageRef<'a> {
    /// Borrows `[height, width, 3]` values as an image.
    ///
    /// # Panics
    /// Panics if the number of values is not `3 * width * height`.
    pub fn new(width: usize, height: usize, pixels: &'a [u8]) -> Self {
        assert_eq!(pixels.len(), 3 * width * height, "an image of {width} x {height} pixels");
        Self { width, height, pixels }
    }
}

impl<'a> From<&'a Image> for ImageRef<'a> {
    fn from(image: &'a Image) -> Self {
        Self { width: image.width, height: image.height, pixels: &image.pixels }
    }
}

impl Image {
    /// Creates an image from `[height, width, 3]` values.
    ///
    /// # Panics
    /// Panics if the number of values is not `3 * width * height`.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len(), 3 * width * height, "an image of {width} x {height} pixels");
        Self { width, height, pixels }
    }

    /// Creates an image from `[height, width]` gray values.
    ///
    /// # Panics
    /// Panics if the number of values is not `width * height`.
    pub fn from_gray(width: usize, height: usize, gray: &[u8]) -> Self {
        Self::new(width, height, gray.iter().flat_map(|&value| [value; 3]).collect())
    }

    /// Creates an image from planes of red, green and blue, `[3, height, width]`.
    ///
    /// # Panics
    /// Panics if the number of values is not `3 * width * height`.
    pub fn from_planes(width: usize, height: usize, planes: &[u8]) -> Self {
        let (red, rest) = planes.split_at(width * height);
        let (green, blue) = rest.split_at(width * height);
        let pixels = red.iter().zip(green).zip(blue).flat_map(|((&r, &g), &b)| [r, g, b]).collect();
        Self::new(width, height, pixels)
    }
}
