//! Figures as PNG.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// Pixels per unit of the SVG: sharp on screens of high resolution, and in print.
const SCALE: u16 = 2;

/// Renders an SVG. Text is in a font that is part of the program, so a figure has the same pixels on every machine; fonts of
/// the system are used only for characters that it lacks, such as Chinese ones.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, String> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    if !svg.is_ascii() {
        fonts.load_system_fonts();
    }
    let options = Options { fontdb: Arc::new(fonts), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| format!("cannot read the figure: {error}"))?;
    let size = tree.size().to_int_size();
    let (width, height) = (u32::from(SCALE) * size.width(), u32::from(SCALE) * size.height());
    let mut pixels = Pixmap::new(width, height)
        .ok_or_else(|| format!("{width} x {height} pixels are too many for an image: write SVG"))?;
    let scale = f32::from(SCALE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| format!("cannot encode the figure: {error}"))
}
