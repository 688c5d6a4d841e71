//! Figures as PNG.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{FallbackSelectionFn, FontResolver, Options, Tree, fontdb};

/// Pixels per unit of the SVG: sharp on screens of high resolution, and in print.
const SCALE: u16 = 2;

/// A figure as PNG.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) png: Vec<u8>,
    /// The characters that no font has, which are drawn as boxes.
    pub(super) missing: String,
}

/// Renders an SVG. Text is in a font that is part of the program, so a figure has the same pixels on every machine; fonts of
/// the system are used only for characters that it lacks, such as Chinese ones.
pub(super) fn png(svg: &str) -> Result<Rendered, String> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    if !svg.is_ascii() {
        fonts.load_system_fonts();
    }
    // Loading the system's fonts sets the families of its configuration, which may not be installed.
    fonts.set_sans_serif_family("DejaVu Sans");
    let missing = Mutex::new(BTreeSet::new());
    let tree = {
        let options =
            Options { fontdb: Arc::new(fonts), font_resolver: recording(&missing), ..Options::default() };
        Tree::from_str(svg, &options).map_err(|error| format!("cannot read the figure: {error}"))?
    };
    let size = tree.size().to_int_size();
    let (width, height) = (u32::from(SCALE) * size.width(), u32::from(SCALE) * size.height());
    let mut pixels = Pixmap::new(width, height)
        .ok_or_else(|| format!("{width} x {height} pixels are too many for an image: write SVG"))?;
    let scale = f32::from(SCALE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    let png = pixels.encode_png().map_err(|error| format!("cannot encode the figure: {error}"))?;
    Ok(Rendered { png, missing: missing.into_inner().unwrap_or_default().into_iter().collect() })
}

/// A font resolver that records the characters that no font has.
fn recording(missing: &Mutex<BTreeSet<char>>) -> FontResolver<'_> {
    let find = FontResolver::default_fallback_selector();
    let select_fallback: FallbackSelectionFn<'_> = Box::new(move |c, tried, fonts| {
        let found = find(c, tried, fonts);
        if let (None, Ok(mut missing)) = (found, missing.lock()) {
            missing.insert(c);
        }
        found
    });
    FontResolver { select_fallback, ..FontResolver::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The isolates around names of unknown direction are not ASCII, so that the system's fonts are loaded.
    #[test]
    fn text_is_drawn_whatever_fonts_the_system_has() {
        for text in ["deer", "\u{2068}deer\u{2069}"] {
            let svg = format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30" font-family="sans-serif">
                   <text x="5" y="20" font-size="16">{text}</text></svg>"#
            );
            let pixels = Pixmap::decode_png(&png(&svg).unwrap().png).unwrap();
            let drawn = pixels.pixels().iter().filter(|pixel| pixel.alpha() > 128).count();
            assert!(drawn > 100, "{text:?}: {drawn} pixels");
        }
    }

    #[test]
    fn characters_that_no_font_has_are_named() {
        // A code point for private use, which fonts for text leave out.
        let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='60' height='30' font-family='sans-serif'>\
                   <text x='5' y='20'>deer \u{10fffd}</text></svg>";
        assert_eq!(png(svg).unwrap().missing, "\u{10fffd}");
        assert_eq!(png(&svg.replace('\u{10fffd}', "")).unwrap().missing, "");
    }
}
