//! Curves of the arms.

use std::path::Path;

use super::speed::{SpeedArm, TARGET};
use super::trainer::lines;
use crate::Result;
use crate::train::plots::{Figure, NamedCurve, Points, draw_figure};

/// Draws the validation error of arms over the epochs, as the mean over seeds. Returns whether there is anything to draw.
///
/// # Errors
/// Returns an error if the metrics cannot be read, or the file cannot be written.
pub(super) fn draw_arms(
    path: &Path,
    title: &str,
    arms: &[(String, Vec<std::path::PathBuf>)],
) -> Result<bool> {
    let mut curves = Vec::new();
    for (number, (name, runs)) in arms.iter().enumerate() {
        let runs = runs.iter().map(|run| validation_errors(run)).collect::<Result<Vec<Points>>>()?;
        curves.push(NamedCurve { label: name.clone(), color: number, points: mean(&runs) });
    }
    if curves.iter().all(|curve| curve.points.is_empty()) {
        return Ok(false);
    }
    draw_figure(path, &Figure { title, across: "epoch", curves: &curves }).map(|()| true)
}

/// Draws the training error of every training run over the epochs, and the target (Fig. 1).
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(super) fn draw_speeds(path: &Path, arms: &[SpeedArm]) -> Result<()> {
    let percent =
        |points: &[(f64, f64)]| points.iter().map(|(epochs, error)| (*epochs, 100.0 * error)).collect();
    let mut curves: Vec<NamedCurve> = Vec::new();
    for (number, arm) in arms.iter().enumerate() {
        for (i, run) in arm.runs.iter().enumerate() {
            let label = if i == 0 { arm.arm.name.clone() } else { String::new() };
            curves.push(NamedCurve { label, color: number, points: percent(&run.curve.points) });
        }
    }
    let last = curves.iter().filter_map(|curve| curve.points.last()).map(|point| point.0).fold(1.0, f64::max);
    let points = vec![(0.0, 100.0 * TARGET), (last, 100.0 * TARGET)];
    curves.push(NamedCurve { label: format!("{:.0} %", 100.0 * TARGET), color: arms.len(), points });
    draw_figure(path, &Figure { title: "Training error, percent", across: "epoch", curves: &curves })
}

/// Epochs and validation errors in percent.
fn validation_errors(run: &Path) -> Result<Points> {
    let known = lines(run)?.into_iter().filter_map(|line| Some((line.epoch, line.validation?)));
    Ok(known.map(|(epoch, found)| (epoch as f64, 100.0 * (1.0 - f64::from(found.top1)))).collect())
}

/// The mean of curves with the same epochs.
fn mean(curves: &[Points]) -> Points {
    let epochs = curves.iter().map(Vec::len).min().unwrap_or(0);
    let point = |i: usize| {
        let sum: f64 = curves.iter().map(|curve| curve[i].1).sum();
        (curves[0][i].0, sum / curves.len() as f64)
    };
    (0..epochs).map(point).collect()
}
