//! A chart as SVG.

use std::collections::BTreeMap;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, round_step};
use super::curve::{Curve, VALIDATION};

const SIZE: (u32, u32) = (900, 500);
const INK: RGBColor = RGBColor(60, 60, 60);
const PALE_INK: RGBColor = RGBColor(130, 130, 130);
const GRID: RGBColor = RGBColor(230, 230, 230);
/// Marks of epochs.
const EPOCH: RGBColor = RGBColor(200, 205, 215);

/// A curve with at most this many points has dots.
const DOTS: usize = 40;
/// Most marks of epochs, and the fewest pixels between two.
const MARKS: f64 = 16.0;
const BETWEEN_MARKS: i32 = 34;

/// An image.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) curves: &'a [Curve],
    pub(super) axis: Axis,
    pub(super) legend: Option<SeriesLabelPosition>,
    /// The horizontal axis, and its name.
    pub(super) across: Axis,
    pub(super) what: &'a str,
    /// Epochs and their last steps.
    pub(super) marks: &'a BTreeMap<usize, usize>,
    pub(super) highlight: Option<Highlight>,
}

/// A labeled vertical line.
pub(super) struct Highlight {
    pub(super) x: f64,
    pub(super) label: String,
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

impl Chart<'_> {
    pub(super) fn svg(&self) -> std::result::Result<String, String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| error.to_string())?;
        Ok(svg)
    }

    fn draw<'a>(&self, svg: &'a mut String) -> std::result::Result<(), Failed<'a>> {
        let font = |size: i32, color: &RGBColor| ("sans-serif", size).into_font().color(color);
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        // White, whatever the viewer's background.
        root.fill(&WHITE)?;
        root.draw(&Text::new(self.title, (24, 16), font(24, &INK)))?;

        let mut chart = ChartBuilder::on(&root)
            .margin_top(72)
            .margin_right(44)
            .margin_left(16)
            .margin_bottom(10)
            .x_label_area_size(52)
            .y_label_area_size(64)
            .build_cartesian_2d(self.across.clone(), self.axis.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .axis_style(PALE_INK)
            .label_style(font(18, &INK))
            .x_desc(self.what)
            .axis_desc_style(font(18, &INK))
            .draw()?;

        let (_, top) = chart.plotting_area().get_pixel_range();
        let small = |h| font(16, &PALE_INK).pos(Pos::new(h, VPos::Bottom));
        let every = round_step(self.marks.len() as f64, MARKS).max(1.0) as usize;
        let mut before = i32::MIN;
        for (&epoch, &step) in self.marks.iter().filter(|(epoch, _)| epoch.is_multiple_of(every)) {
            let x = chart.backend_coord(&(step as f64, 0.0)).0;
            if x < before.saturating_add(BETWEEN_MARKS) {
                continue;
            }
            before = x;
            root.draw(&PathElement::new(vec![(x, top.start - 5), (x, top.end)], EPOCH))?;
            root.draw(&Text::new(epoch.to_string(), (x, top.start - 8), small(HPos::Center)))?;
        }
        if before > i32::MIN {
            root.draw(&Text::new("epoch", (24, top.start - 8), small(HPos::Left)))?;
        }

        // Pale curves first: the others cover them.
        for curve in self.curves {
            chart.draw_series(LineSeries::new(curve.raw.iter().copied(), curve.color.mix(0.3)))?;
        }
        for curve in self.curves.iter().filter(|curve| !curve.points.is_empty()) {
            let color = curve.color;
            let line = LineSeries::new(curve.points.iter().copied(), color.stroke_width(2));
            let drawn = chart.draw_series(line)?;
            if !curve.label.is_empty() {
                let key = move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], color.stroke_width(3));
                drawn.label(curve.label.as_ref()).legend(key);
            }
            if curve.points.len() <= DOTS {
                chart.draw_series(curve.points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
            }
        }
        if let Some(Highlight { x, label }) = &self.highlight {
            let x = chart.backend_coord(&(*x, 0.0)).0;
            root.draw(&PathElement::new(vec![(x, top.start - 5), (x, top.end)], VALIDATION.stroke_width(2)))?;
            let style = font(16, &VALIDATION).pos(Pos::new(HPos::Center, VPos::Bottom));
            root.draw(&Text::new(label.clone(), (x, top.start - 8), style))?;
        }
        if self.curves.iter().all(|curve| curve.points.is_empty()) {
            let middle = font(20, &PALE_INK).pos(Pos::new(HPos::Center, VPos::Center));
            let at = (SIZE.0 as i32 / 2, SIZE.1 as i32 / 2);
            root.draw(&Text::new("no measurements yet", at, middle))?;
        } else if let Some(position) = &self.legend {
            chart
                .configure_series_labels()
                .position(position.clone())
                .margin(14)
                .legend_area_size(28)
                .label_font(font(18, &INK))
                .background_style(WHITE.mix(0.85))
                .border_style(GRID)
                .draw()?;
        }
        root.present()
    }
}
