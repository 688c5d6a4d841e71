//! The confusion matrix as a heat map.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::eval::statistics::Confusion;
use crate::format::{cells, cut};

const INK: RGBColor = RGBColor(60, 60, 60);
const FRAME: RGBColor = RGBColor(200, 200, 200);
/// The color of a cell with all images of its class.
const FULL: (u8, u8, u8) = (8, 48, 107);

/// The largest side of the matrix, in pixels.
const SIDE: i32 = 800;
const LARGEST_CELL: i32 = 48;
/// The width of a character in font sizes, generously: sans-serif fonts differ.
const NARROW: f64 = 0.6;
const TOP: i32 = 60;
const MARGIN: i32 = 20;
/// Most classes that are named, and whose counts are shown.
const NAMED: usize = 50;
const COUNTED: usize = 20;
/// The longest name, in narrow characters.
const LONGEST_NAME: usize = 16;

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// Draws a row for each class and a column for each predicted class, colored by the share of the class's images.
pub(super) fn svg(confusion: &Confusion, classes: &[String]) -> Result<String, String> {
    let mut svg = String::new();
    draw(confusion, classes, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw<'a>(confusion: &Confusion, classes: &[String], svg: &'a mut String) -> Result<(), Failed<'a>> {
    let count = confusion.classes();
    let cell = (SIDE / count.max(1) as i32).clamp(1, LARGEST_CELL);
    let side = cell * count as i32;
    let name_size = cell.clamp(9, 14);
    let names = if count <= NAMED { space_for(classes, name_size) } else { MARGIN };
    let (left, top) = (names, TOP + names);
    let size = ((left + side + MARGIN).max(360) as u32, (top + side + MARGIN) as u32);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    let font = |size: i32| ("sans-serif", size).into_font();
    root.draw(&Text::new("Rows: class. Columns: prediction", (MARGIN, 16), font(20).color(&INK)))?;
    let end = |i: usize| cell * i as i32;
    for row in 0..count {
        let images = confusion.images(row);
        for (column, &counted) in confusion.row(row).iter().enumerate().filter(|(_, counted)| **counted > 0) {
            let share = counted as f64 / images as f64;
            let corner = (left + end(column), top + end(row));
            let opposite = (corner.0 + cell, corner.1 + cell);
            root.draw(&Rectangle::new([corner, opposite], shade(share).filled()))?;
            if count <= COUNTED {
                let ink = if share > 0.5 { WHITE } else { INK };
                let style = font(14).color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
                let middle = (corner.0 + cell / 2, corner.1 + cell / 2);
                root.draw(&Text::new(counted.to_string(), middle, style))?;
            }
        }
    }
    root.draw(&Rectangle::new([(left, top), (left + side, top + side)], FRAME.stroke_width(1)))?;
    if count <= NAMED {
        for (i, name) in classes.iter().enumerate() {
            let name = shortened(name);
            let middle = end(i) + cell / 2;
            let style = font(name_size).color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(name.clone(), (left - 6, top + middle), style))?;
            let turned = font(name_size).transform(FontTransform::Rotate270).color(&INK);
            let style = turned.pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(name, (left + middle, top - 6), style))?;
        }
    }
    root.present()
}

/// From white to [`FULL`].
fn shade(share: f64) -> RGBColor {
    let channel = |full: u8| (255.0 - share * (255.0 - f64::from(full))).round() as u8;
    RGBColor(channel(FULL.0), channel(FULL.1), channel(FULL.2))
}

/// The space for the names of classes at this font size, in pixels.
fn space_for(classes: &[String], size: i32) -> i32 {
    let longest = classes.iter().map(|name| cells(&shortened(name))).max().unwrap_or(0);
    MARGIN.max((NARROW * f64::from(size) * longest as f64).ceil() as i32 + 14)
}

fn shortened(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&name, LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_follow_the_names() {
        let space = |name: &str| space_for(&[name.to_owned()], 14);
        assert!(space("bag") < 50 && space("bag") < space("trouser"));
        assert_eq!(space(&"long ".repeat(20)), space(&"long ".repeat(4)));
        assert!(space("\u{8336}\u{8272}") > space("ab"), "wide characters");
    }

    /// `ALEXNET_PLOTS=FOLDER` keeps the plots for inspection.
    #[test]
    fn a_matrix_of_any_size_can_be_drawn() {
        for count in [0, 1, 3, 10, 50, 51, 1000] {
            let classes: Vec<String> = (0..count).map(|i| format!("class <{i}> & a long name")).collect();
            let pairs =
                (0..3 * count).map(|i| (i % count, if i % 4 == 0 { i * 7 % count } else { i % count }));
            let svg = svg(&Confusion::of(count, pairs), &classes).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && svg.len() < 1_000_000, "{} bytes", svg.len());
            assert_eq!(svg.contains("class &lt;0&gt; &amp; a"), (1..=50).contains(&count), "{svg}");
            if let Some(folder) = std::env::var_os("ALEXNET_PLOTS") {
                std::fs::write(std::path::Path::new(&folder).join(format!("confusion-{count}.svg")), svg)
                    .unwrap();
            }
        }
    }
}
