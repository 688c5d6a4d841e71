//! The kernels of the first convolution, column by column.

use super::svg::{Anchor, Area, Enlarged, INK, PALE_INK, Style, Svg};
use super::text::{fitted, percent};
use crate::inspect::color::ColumnColor;
use crate::inspect::grid::{KernelGrid, Levels, draw};
use crate::inspect::kernels::{Colors, Kernels};

const MARGIN: f64 = 24.0;
/// The narrowest figure: what its text needs.
const NARROWEST: f64 = 560.0;
/// The base line of the first line below the title, and the distance between lines.
const CAPTION: f64 = 60.0;
const LINE: f64 = 17.0;
/// The height of a column's heading, and the space below a column.
const HEADING: f64 = 30.0;
const BELOW: f64 = 22.0;

/// Draws the kernels of the first convolution as the paper's Fig. 3 does: column 1 above column 2, each with its color share.
/// Returns an SVG document.
pub fn filters(kernels: &Kernels, levels: Levels) -> String {
    let grid = KernelGrid::of(kernels);
    let (columns, side) = (kernels.columns.count, kernels.side);
    let width = (grid.width() as f64).max(NARROWEST) + 2.0 * MARGIN;
    let column_height = HEADING + grid.height() as f64 + BELOW;
    let captions = captions(kernels, levels);
    let top = CAPTION + captions.len() as f64 * LINE - 10.0;
    let height = top + columns as f64 * column_height + MARGIN - BELOW;
    let title = format!("{}: {} kernels of {side} x {side} weights", kernels.layer, kernels.maps);
    let mut svg = Svg::new(width, height, &title);
    let ink = |size, color| Style { size, color, anchor: Anchor::Start };
    let fit = |text: &str, size| fitted(text, width - 2.0 * MARGIN, size);
    svg.text(MARGIN, 38.0, ink(20.0, INK), &fit(&title, 20.0));
    for (number, caption) in captions.iter().enumerate() {
        svg.text(MARGIN, CAPTION + number as f64 * LINE, ink(13.0, PALE_INK), &fit(caption, 11.0));
    }
    let colors = kernels.color();
    for column in 0..columns {
        let top = top + column as f64 * column_height;
        let color = colors.as_ref().map(|colors| &colors[column]);
        svg.text(MARGIN, top + 20.0, ink(14.0, INK), &heading(kernels, column, color));
        let image = draw(kernels, column, levels);
        let area =
            Area { x: MARGIN, y: top + HEADING, width: image.width as f64, height: image.height as f64 };
        let tip = format!("kernels of column {}, in the order of the maps", column + 1);
        svg.image(area, &image, Enlarged::Squares, &tip);
    }
    svg.finish()
}

fn heading(kernels: &Kernels, column: usize, color: Option<&ColumnColor>) -> String {
    let maps = kernels.maps_per_column();
    let (first, last) = (column * maps, (column + 1) * maps - 1);
    let name = match kernels.columns.count {
        1 => String::new(),
        _ => format!("column {}, ", column + 1),
    };
    let share = color.and_then(|color| color.color_share);
    let color = share.map_or(String::new(), |share| format!(": color share {}", percent(share)));
    match maps {
        1 => format!("{name}map {first}{color}"),
        _ => format!("{name}maps {first} to {last}{color}"),
    }
}

/// The normalization, in words.
fn scale(kernels: &Kernels, levels: Levels) -> String {
    let largest = kernels.largest();
    match levels {
        _ if largest == 0.0 => "all weights are 0".to_owned(),
        Levels::Shared => {
            let (black, white) = (weight(-largest), weight(largest));
            format!("one scale for all kernels: black is {black}, middle gray 0, white {white}")
        }
        Levels::PerKernel => {
            "each kernel on its own scale, up to its largest weight; middle gray is 0".to_owned()
        }
    }
}

fn weight(value: f32) -> String {
    if value.abs() >= 1e-3 { format!("{value:.3}") } else { format!("{value:.1e}") }
}

/// The lines below the title: levels, colors, columns.
fn captions(kernels: &Kernels, levels: Levels) -> Vec<String> {
    let color = match kernels.colors {
        Colors::Rgb => "color share: variance outside the gray direction; random weights have 67 %",
        Colors::Gray => "the images are gray: the mean of a kernel's three channels",
    };
    let columns = kernels.columns.layer.as_ref().map(|layer| format!("columns: the groups of {layer}"));
    [scale(kernels, levels), color.to_owned()].into_iter().chain(columns).collect()
}
