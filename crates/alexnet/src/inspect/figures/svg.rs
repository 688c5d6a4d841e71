//! SVG elements.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::text::xml_text;
use crate::data::{Image, encode};

/// What becomes of an image's pixels where they are enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enlarged {
    /// Squares of one color.
    Squares,
    /// They fade into each other.
    Smooth,
}

/// Text.
pub(super) const INK: &str = "#333333";
/// Text of less importance.
pub(super) const PALE_INK: &str = "#767676";

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where a text is relative to its position.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The look of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) color: &'static str,
    pub(super) anchor: Anchor,
}

/// A figure under construction.
pub(super) struct Svg {
    writer: Writer<Vec<u8>>,
}

impl Svg {
    /// Begins a figure on a white background, whatever the viewer's.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let (wide, high) = (number(width), number(height));
        let root = BytesStart::new("svg").with_attributes([
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("width", wide.as_str()),
            ("height", high.as_str()),
            ("viewBox", format!("0 0 {wide} {high}").as_str()),
            ("font-family", "sans-serif"),
            ("role", "img"),
        ]);
        let mut svg = Self { writer: Writer::new_with_indent(Vec::new(), b' ', 1) };
        svg.event(Event::Start(root));
        svg.element("title", &[], Some(title));
        svg.rectangle(Area { x: 0.0, y: 0.0, width, height }, "background", "#ffffff", None);
        svg
    }

    /// Ends the figure.
    pub(super) fn finish(mut self) -> String {
        self.event(Event::End(BytesEnd::new("svg")));
        String::from_utf8(self.writer.into_inner()).expect("all parts are UTF-8") + "\n"
    }

    /// Begins a part of the figure with coordinates of its own, in which everything outside of `area` is cut off.
    pub(super) fn begin_part(&mut self, area: Area) {
        let [x, y, width, height] = numbers(area);
        let part = BytesStart::new("svg").with_attributes([
            ("x", x.as_str()),
            ("y", &y),
            ("width", &width),
            ("height", &height),
        ]);
        self.event(Event::Start(part));
    }

    /// Ends the part.
    pub(super) fn end_part(&mut self) {
        self.event(Event::End(BytesEnd::new("svg")));
    }

    /// Draws a rectangle. `class` says what it shows, `tip` is shown when the pointer is over it.
    pub(super) fn rectangle(&mut self, area: Area, class: &str, color: &str, tip: Option<&str>) {
        let [x, y, width, height] = numbers(area);
        let attributes =
            [("class", class), ("x", &x), ("y", &y), ("width", &width), ("height", &height), ("fill", color)];
        match tip {
            None => self.element("rect", &attributes, None),
            Some(tip) => {
                self.event(Event::Start(BytesStart::new("rect").with_attributes(attributes)));
                self.element("title", &[], Some(tip));
                self.event(Event::End(BytesEnd::new("rect")));
            }
        }
    }

    /// Draws a line of text on the base line `y`.
    pub(super) fn text(&mut self, x: f64, y: f64, style: Style, text: &str) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, size) = (number(x), number(y), number(style.size));
        let attributes = [
            ("x", x.as_str()),
            ("y", &y),
            ("font-size", &size),
            ("fill", style.color),
            ("text-anchor", anchor),
        ];
        self.element("text", &attributes, Some(text));
    }

    /// Draws an image, embedded as PNG.
    pub(super) fn image(&mut self, area: Area, image: &Image, enlarged: Enlarged, tip: &str) {
        let [x, y, width, height] = numbers(area);
        let png = encode::png(image).expect("an image that was decoded fits in a PNG");
        let link = format!("data:image/png;base64,{}", STANDARD.encode(png));
        let rendering = match enlarged {
            Enlarged::Squares => "image-rendering:pixelated",
            Enlarged::Smooth => "image-rendering:auto",
        };
        let attributes = [
            ("x", x.as_str()),
            ("y", &y),
            ("width", &width),
            ("height", &height),
            ("style", rendering),
            ("href", &link),
        ];
        self.event(Event::Start(BytesStart::new("image").with_attributes(attributes)));
        self.element("title", &[], Some(tip));
        self.event(Event::End(BytesEnd::new("image")));
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: Option<&str>) {
        let element = self.writer.create_element(name).with_attributes(attributes.iter().copied());
        let written = match text {
            Some(text) => element.write_text_content(BytesText::new(&xml_text(text))).map(drop),
            None => element.write_empty().map(drop),
        };
        written.expect("writing to memory succeeds");
    }

    fn event(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("writing to memory succeeds");
    }
}

fn numbers(area: Area) -> [String; 4] {
    [area.x, area.y, area.width, area.height].map(number)
}

/// A number with at most two decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
