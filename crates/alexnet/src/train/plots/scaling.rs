//! Efficiency by number of nodes.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::prelude::SeriesLabelPosition;
use plotters::style::RGBColor;

use super::axis::{Ends, each, from_zero, powers};
use super::chart::Chart;
use super::curve::{Curve, Points, TRAINING, VALIDATION, VALIDATION_TOP5};
use crate::error::Kind;
use crate::files::atomic;
use crate::parallel::cost::plan::Row;
use crate::{Error, Result};

/// Most numbers of nodes that all have a tick.
const TICKS: usize = 8;

const COLORS: [RGBColor; 3] = [TRAINING, VALIDATION, VALIDATION_TOP5];

/// Draws the efficiency of each scheme over the number of nodes, which `network` connects.
///
/// # Errors
/// Returns an error if the file cannot be written; an earlier file is then unchanged.
pub fn draw_scaling(path: &Path, rows: &[Row], network: &str) -> Result<()> {
    let names = rows.first().map_or(&[][..], |row| &row.schemes).iter().map(|entry| entry.scheme);
    let curve = |(i, name): (usize, &'static str)| {
        let point = |row: &Row| {
            let forecast = row.schemes.get(i)?.outcome.forecast()?;
            Some(((row.nodes as f64).log10(), 100.0 * forecast.efficiency))
        };
        Curve::plain(name, COLORS[i % COLORS.len()], rows.iter().filter_map(point).collect::<Points>())
    };
    let curves: Vec<Curve> = names.enumerate().map(curve).collect();
    let mut nodes: Vec<f64> = rows.iter().map(|row| row.nodes as f64).collect();
    nodes.sort_by(f64::total_cmp);
    nodes.dedup();
    let across = match nodes.len() {
        2..=TICKS => each(&nodes),
        _ => powers(nodes.iter().map(|nodes| nodes.log10()), Ends::Values),
    };
    let chart = Chart {
        title: &format!("Efficiency by number of nodes, percent; {network}"),
        axis: from_zero(std::iter::once(100.0), 100.0),
        curves: &curves,
        legend: Some(SeriesLabelPosition::LowerLeft),
        across,
        what: "nodes",
        marks: &BTreeMap::new(),
        highlight: None,
    };
    let svg = chart.svg().map_err(|e| Error::new(Kind::Runtime, format!("cannot draw the plan: {e}")))?;
    atomic::replace(path, |out| out.write_all(svg.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::cost::plan::{Expectation, SchemeRow};

    #[test]
    fn any_number_of_rows_can_be_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.svg");
        let row = |nodes| Row {
            nodes,
            ranks: nodes,
            batch: nodes,
            schemes: vec![SchemeRow {
                scheme: "data",
                outcome: Expectation::Unavailable { unavailable: "no".into() },
            }],
            best: None,
        };
        for rows in [vec![], vec![row(1)], vec![row(1), row(2), row(1000)]] {
            draw_scaling(&path, &rows, "10GbE").unwrap();
            let svg = std::fs::read_to_string(&path).unwrap();
            assert!(
                svg.contains("Efficiency by number of nodes, percent; 10GbE") && !svg.contains("NaN"),
                "{svg}"
            );
        }
    }
}
