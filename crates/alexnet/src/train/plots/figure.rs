//! Curves of several training runs in one chart.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::prelude::SeriesLabelPosition;
use plotters::style::RGBColor;

use super::axis::from_zero;
use super::chart::Chart;
use super::curve::{Curve, Points, TRAINING, VALIDATION, VALIDATION_TOP5};
use crate::error::Kind;
use crate::files::atomic;
use crate::{Error, Result};

const COLORS: [RGBColor; 8] = [
    TRAINING,
    VALIDATION,
    VALIDATION_TOP5,
    RGBColor(148, 103, 189),
    RGBColor(190, 150, 20),
    RGBColor(23, 150, 170),
    RGBColor(200, 80, 150),
    RGBColor(110, 110, 110),
];

/// A chart of curves.
#[derive(Clone, Copy, Debug)]
pub struct Figure<'a> {
    /// What the vertical axis shows. Both axes start at 0.
    pub title: &'a str,
    /// What the horizontal axis shows.
    pub across: &'a str,
    /// The curves.
    pub curves: &'a [NamedCurve],
}

/// A curve of a [`Figure`].
#[derive(Clone, Debug, PartialEq)]
pub struct NamedCurve {
    /// The name in the legend; empty for a curve that another one's name covers.
    pub label: String,
    /// The number of the color.
    pub color: usize,
    /// The points.
    pub points: Points,
}

/// Draws a figure as SVG. The folder is created if it is missing.
///
/// # Errors
/// Returns an error if the file cannot be written; an earlier file is then unchanged.
pub fn draw_figure(path: &Path, figure: &Figure<'_>) -> Result<()> {
    let curve = |named: &NamedCurve| {
        Curve::plain(named.label.clone(), COLORS[named.color % COLORS.len()], named.points.clone())
    };
    let curves: Vec<Curve> = figure.curves.iter().map(curve).collect();
    let across = figure.curves.iter().flat_map(|curve| &curve.points).map(|point| point.0);
    let chart = Chart {
        title: figure.title,
        axis: from_zero(curves.iter().flat_map(Curve::values), f64::INFINITY),
        curves: &curves,
        legend: Some(SeriesLabelPosition::UpperRight),
        across: from_zero(across, f64::INFINITY),
        what: figure.across,
        marks: &BTreeMap::new(),
        highlight: None,
    };
    let svg =
        chart.svg().map_err(|error| Error::new(Kind::Runtime, format!("cannot draw the curves: {error}")))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "create the folder", &error))?;
    }
    atomic::replace(path, |out| out.write_all(svg.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_curves_can_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/curves.svg");
        let curve = |color: usize, points| NamedCurve { label: format!("arm {color}"), color, points };
        for curves in
            [vec![], vec![curve(0, vec![])], (0..9).map(|i| curve(i, vec![(0.5, 3.0), (2.0, 1.0)])).collect()]
        {
            draw_figure(&path, &Figure { title: "Errors", across: "epoch", curves: &curves }).unwrap();
            let svg = std::fs::read_to_string(&path).unwrap();
            assert!(svg.contains("Errors") && !svg.contains("NaN"), "{svg}");
            assert_eq!(svg.contains("arm 8"), curves.len() == 9);
        }
    }
}
