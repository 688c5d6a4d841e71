//! Images with the nearest training images.

use super::predictions::picture;
use super::svg::{Anchor, Area, INK, PALE_INK, Style, Svg};
use super::text::{fitted, wrapped};
use crate::data::Image;
use crate::inspect::neighbors::Neighborhood;

const MARGIN: f64 = 24.0;
/// Above the images, if the texts have one line each, and the height of each further line.
const TOP: f64 = 84.0;
const LINE: f64 = 18.0;
/// The side of an image.
const SIDE: f64 = 112.0;
/// The space between images, and after the first of a row.
const GAP: f64 = 14.0;
const AFTER_FIRST: f64 = 30.0;
/// The height of an image with the lines below it.
const ROW: f64 = SIDE + 52.0;
/// The label of a neighbor of another class than the image.
const OTHER_CLASS: &str = "#b84a00";

/// Draws each image, then its nearest training images with their class and distance, as the paper's Fig. 4 does. Returns an SVG
/// document.
pub fn neighbors(rows: &[Neighborhood], classes: &[String], title: &str, measure: &str) -> String {
    let most = rows.iter().map(|row| row.neighbors.len()).max().unwrap_or(0);
    // At least three neighbors wide, for the text above.
    let width = 2.0 * MARGIN + SIDE + AFTER_FIRST + most.max(3) as f64 * (SIDE + GAP) - GAP;
    let wrap = |text: &str, size| wrapped(text, width - 2.0 * MARGIN, size);
    let (title_lines, measure_lines) = (wrap(title, 15.0), wrap(measure, 11.0));
    let more = |lines: &[String]| lines.len().saturating_sub(1) as f64 * LINE;
    let below_title = more(&title_lines);
    let top = TOP + below_title + more(&measure_lines);
    let height = top + rows.len() as f64 * ROW;
    let mut svg = Svg::new(width, height, title);
    let ink = |size, color| Style { size, color, anchor: Anchor::Start };
    for (number, line) in title_lines.iter().enumerate() {
        svg.text(MARGIN, 32.0 + number as f64 * LINE, ink(16.0, INK), line);
    }
    for (number, line) in measure_lines.iter().enumerate() {
        svg.text(MARGIN, 51.0 + below_title + number as f64 * LINE, ink(13.0, PALE_INK), line);
    }
    svg.text(MARGIN, top - 8.0, ink(12.0, PALE_INK), "image");
    svg.text(MARGIN + SIDE + AFTER_FIRST, top - 8.0, ink(12.0, PALE_INK), "nearest training images");
    for (number, row) in rows.iter().enumerate() {
        let y = top + number as f64 * ROW;
        let name = row.label.map_or("", |label| classes[label].as_str());
        let own = Shown { square: &row.square, file: &row.file, name, color: INK, distance: None };
        cell(&mut svg, MARGIN, y, own);
        for (place, neighbor) in row.neighbors.iter().enumerate() {
            let color = match row.label {
                Some(label) if label != neighbor.label => OTHER_CLASS,
                Some(_) | None => INK,
            };
            let shown = Shown {
                square: &neighbor.square,
                file: &neighbor.file,
                name: &classes[neighbor.label],
                color,
                distance: Some(neighbor.distance),
            };
            cell(&mut svg, MARGIN + SIDE + AFTER_FIRST + place as f64 * (SIDE + GAP), y, shown);
        }
    }
    svg.finish()
}

/// An image with its lines of text.
struct Shown<'a> {
    square: &'a Image,
    file: &'a str,
    name: &'a str,
    color: &'static str,
    distance: Option<f64>,
}

fn cell(svg: &mut Svg, x: f64, y: f64, shown: Shown<'_>) {
    let Shown { square, file, name, color, distance } = shown;
    svg.begin_part(Area { x, y, width: SIDE, height: ROW });
    picture(svg, 0.0, 0.0, SIDE, square, file);
    let style = Style { size: 12.0, color, anchor: Anchor::Middle };
    svg.text(SIDE / 2.0, SIDE + 16.0, style, &fitted(name, SIDE, style.size));
    if let Some(distance) = distance {
        let style = Style { size: 11.0, color: PALE_INK, anchor: Anchor::Middle };
        svg.text(SIDE / 2.0, SIDE + 31.0, style, &format!("{distance:.2}"));
    }
    svg.end_part();
}
