//! An image as text: characters, shades of gray or colors, as the terminal allows.

use std::io::stdout;

use alexnet::data::Image;

use super::terminal;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Characters.
    Plain,
    /// The 24 grays of the palette of 256 colors.
    Grays,
    /// 24-bit colors.
    Full,
}

impl Ink {
    /// What standard output can show.
    pub(crate) fn detect() -> Self {
        match (terminal::is_capable(&stdout()), terminal::has_true_color()) {
            (false, _) => Self::Plain,
            (true, false) => Self::Grays,
            (true, true) => Self::Full,
        }
    }

    /// Two pixels, one above the other, as one character.
    fn cell(self, upper: [u8; 3], lower: [u8; 3]) -> String {
        let gray =
            |pixel: [u8; 3]| 232 + pixel.iter().map(|&value| usize::from(value)).sum::<usize>() * 23 / 765;
        match self {
            Self::Plain => shade(upper, lower).to_string(),
            Self::Grays => format!("\x1b[38;5;{}m\x1b[48;5;{}m\u{2580}", gray(upper), gray(lower)),
            Self::Full => {
                let ([r, g, b], [s, h, c]) = (upper, lower);
                format!("\x1b[38;2;{r};{g};{b}m\x1b[48;2;{s};{h};{c}m\u{2580}")
            }
        }
    }
}

/// Returns an image as lines of text, two rows of pixels per line.
pub(crate) fn draw(image: &Image, ink: Ink) -> Vec<String> {
    let pixel = |x: usize, y: usize| -> [u8; 3] {
        let y = y.min(image.height - 1);
        std::array::from_fn(|c| image.pixels[3 * (y * image.width + x) + c])
    };
    let row = |y: usize| -> String {
        let cells = (0..image.width).map(|x| ink.cell(pixel(x, y), pixel(x, y + 1)));
        cells.collect::<String>() + if ink == Ink::Plain { "" } else { "\x1b[0m" }
    };
    (0..image.height).step_by(2).map(row).collect()
}

/// Returns the lines of an image and lines of text, side by side.
pub(crate) fn beside(image: &[String], text: &[String]) -> String {
    let rows = image.len().max(text.len());
    let cell = |lines: &[String], row: usize| lines.get(row).cloned().unwrap_or_default();
    (0..rows).map(|row| format!("  {}   {}\n", cell(image, row), cell(text, row))).collect()
}

/// Two pixels as one of ten characters, brighter pixels as denser ones.
fn shade(upper: [u8; 3], lower: [u8; 3]) -> char {
    const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
    let light = upper.iter().chain(&lower).map(|&value| usize::from(value)).sum::<usize>() / 6;
    SHADES[light * 9 / 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_is_two_rows_of_pixels() {
        let image = Image::from_gray(3, 5, &[0; 15]);
        assert_eq!(draw(&image, Ink::Plain).len(), 3);
        assert!(Ink::Grays.cell([0; 3], [255; 3]).starts_with("\x1b[38;5;232m\x1b[48;5;255m"));
        assert_eq!(shade([255; 3], [255; 3]), '@');
        assert_eq!(shade([0; 3], [0; 3]), ' ');
    }
}
