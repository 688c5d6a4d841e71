//! Images with the most probable classes.

use super::svg::{Anchor, Area, Enlarged, INK, PALE_INK, Style, Svg};
use super::text::{fitted, percent, wrapped};
use crate::data::Image;
use crate::data::square::resize;
use crate::inspect::predictions::PredictedImage;

const MARGIN: f64 = 24.0;
/// Above the images, if the title has one line, and the height of each further line.
const TOP: f64 = 66.0;
const LINE: f64 = 20.0;
/// Images in a row, and the space between them.
const PER_ROW: usize = 4;
const GAP: f64 = 28.0;
/// The side of an image, which is the width of its bars too.
pub(super) const SIDE: f64 = 184.0;
/// The distance from an image to its label, and to its first bar.
const TO_LABEL: f64 = 19.0;
const TO_BARS: f64 = 32.0;
/// The height of a bar, and the distance between the tops of two.
const BAR: f64 = 18.0;
const BAR_STEP: f64 = 21.0;
/// The space for a probability.
const PROBABILITY: f64 = 50.0;

const CORRECT: &str = "#f2a36b";
const OTHER: &str = "#a9cbe8";

/// Draws images with their label and a bar for each of their most probable classes, the correct one in another color, as the
/// paper's Fig. 4 does. A bar of the full width is a probability of 1. Returns an SVG document.
pub fn predictions(images: &[PredictedImage], classes: &[String], title: &str) -> String {
    let per_row = images.len().clamp(1, PER_ROW);
    let bars = images.iter().map(|image| image.top.len()).max().unwrap_or(0);
    let cell_height = SIDE + TO_BARS + bars as f64 * BAR_STEP;
    let rows = images.len().div_ceil(per_row);
    // At least two columns wide, for the text above.
    let width = 2.0 * MARGIN + per_row.max(2) as f64 * (SIDE + GAP) - GAP;
    let title_lines = wrapped(title, width - 2.0 * MARGIN, 15.0);
    let more = title_lines.len().saturating_sub(1) as f64 * LINE;
    let top = TOP + more;
    let height = top + rows as f64 * (cell_height + GAP) - GAP + MARGIN;
    let mut svg = Svg::new(width, height, title);
    let ink = |size, color| Style { size, color, anchor: Anchor::Start };
    for (number, line) in title_lines.iter().enumerate() {
        svg.text(MARGIN, 32.0 + number as f64 * LINE, ink(16.0, INK), line);
    }
    legend(&mut svg, 50.0 + more, images.iter().any(|image| image.label.is_some()));
    for (number, image) in images.iter().enumerate() {
        let area = Area {
            x: MARGIN + (number % per_row) as f64 * (SIDE + GAP),
            y: top + (number / per_row) as f64 * (cell_height + GAP),
            width: SIDE,
            height: cell_height,
        };
        svg.begin_part(area);
        cell(&mut svg, image, classes);
        svg.end_part();
    }
    svg.finish()
}

/// What the colors of the bars mean.
fn legend(svg: &mut Svg, y: f64, has_labels: bool) {
    let style = Style { size: 12.0, color: PALE_INK, anchor: Anchor::Start };
    let entries: &[(&str, &str)] = match has_labels {
        true => &[(CORRECT, "correct class"), (OTHER, "other classes")],
        false => &[(OTHER, "probability")],
    };
    let mut x = MARGIN;
    for &(color, name) in entries {
        svg.rectangle(Area { x, y: y - 10.0, width: 12.0, height: 12.0 }, "legend", color, None);
        svg.text(x + 18.0, y, style, name);
        x += 126.0;
    }
}

fn cell(svg: &mut Svg, image: &PredictedImage, classes: &[String]) {
    picture(svg, 0.0, 0.0, SIDE, &image.square, &image.file);
    let (name, color) = match image.label {
        Some(label) => (classes[label].as_str(), INK),
        None => (file_name(&image.file), PALE_INK),
    };
    let style = Style { size: 14.0, color, anchor: Anchor::Middle };
    svg.text(SIDE / 2.0, SIDE + TO_LABEL, style, &fitted(name, SIDE, style.size));
    for (rank, &(class, probability)) in image.top.iter().enumerate() {
        let y = SIDE + TO_BARS + rank as f64 * BAR_STEP;
        let (kind, color) = match image.label == Some(class) {
            true => ("correct", CORRECT),
            false => ("other", OTHER),
        };
        let name = &classes[class];
        let bar = Area { x: 0.0, y, width: SIDE * probability.clamp(0.0, 1.0), height: BAR };
        svg.rectangle(bar, kind, color, Some(&format!("{name}: {}", percent(probability))));
        let style = Style { size: 12.0, color: INK, anchor: Anchor::Start };
        svg.text(4.0, y + 13.0, style, &fitted(name, SIDE - PROBABILITY, style.size));
        let style = Style { size: 11.0, color: INK, anchor: Anchor::End };
        svg.text(SIDE - 3.0, y + 13.0, style, &percent(probability));
    }
}

/// Draws a square of `side` pixels. A large image is embedded with twice as many pixels, no more.
pub(super) fn picture(svg: &mut Svg, x: f64, y: f64, side: f64, square: &Image, file: &str) {
    let area = Area { x, y, width: side, height: side };
    let most = 2 * side as usize;
    match square.width > most {
        true => svg.image(area, &resize(square, most, most), Enlarged::Smooth, file),
        false => svg.image(area, square, Enlarged::Squares, file),
    }
}

/// The last part of a path.
fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}
