//! The curves of a training run as SVG: `loss.svg`, `accuracy.svg` and `rate.svg`.

mod axis;
mod chart;
mod curve;
mod figure;
mod scaling;

use std::collections::BTreeMap;
use std::path::Path;

use plotters::prelude::SeriesLabelPosition;

use self::axis::{Ends, around, from_start, from_zero, powers};
use self::chart::{Chart, Highlight};
use self::curve::{Curve, TRAINING, VALIDATION, VALIDATION_TOP5, steps_of};
use super::metrics::{Line, Validation};
use crate::error::Kind;
use crate::files::atomic;
use crate::{Error, Result};

pub use self::curve::{Points, thinned};
pub use self::figure::{Figure, NamedCurve, draw_figure};
pub use self::scaling::draw_scaling;

/// Draws the curves of `lines`, the whole training so far, into `folder`, which is created if it is missing. Each file is
/// replaced atomically.
///
/// # Errors
/// Returns an error if a file cannot be written; an earlier file is then unchanged.
pub fn draw(folder: &Path, lines: &[Line]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create the folder", &e))?;
    // The line of an epoch covers all its steps. If epochs are shorter than the distance between two lines, there are no others.
    let (epochs, steps): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.validation.is_some());
    let training = if steps.len() < epochs.len() { &epochs } else { &steps };
    let of = |value: fn(&Line) -> f32| -> Points {
        training.iter().filter_map(|line| point(line, value(line))).collect()
    };
    let val = |value: fn(&Validation) -> f32| -> Points {
        let known = epochs.iter().filter_map(|line| point(line, value(line.validation.as_ref()?)));
        known.collect()
    };
    let (last, marks) = (lines.last().map_or(1, |line| line.step.max(1)), marks(lines));
    let loss = [
        Curve::measured("training", TRAINING, of(|line| line.loss)),
        Curve::plain("validation", VALIDATION, val(|found| found.loss)),
    ];
    let mut accuracy = vec![
        Curve::measured("training, top-1", TRAINING, of(|line| 100.0 * line.top1)),
        Curve::plain("validation, top-1", VALIDATION, val(|found| 100.0 * found.top1)),
    ];
    let top5 = val(|found| 100.0 * found.top5);
    // With up to five classes it says nothing.
    if top5.iter().any(|point| point.1 < 100.0) {
        accuracy.push(Curve::plain("validation, top-5", VALIDATION_TOP5, top5));
    }
    let lrs: Points = of(|line| line.lr).into_iter().filter(|point| point.1 > 0.0).collect();
    let lrs = lrs.into_iter().map(|(step, lr)| (step, lr.log10())).collect();
    let lr = [Curve { points: steps_of(&lrs), ..Curve::plain("", TRAINING, Points::new()) }];
    let chart = |title, curves, axis, legend| {
        let (across, what) = (from_start(last), "step");
        Chart { title, curves, axis, legend, across, what, marks: &marks, highlight: None }
    };
    for (name, chart) in [
        (
            "loss.svg",
            chart(
                "Loss",
                &loss[..],
                from_zero(values(&loss), f64::INFINITY),
                Some(corner_for_losses(&loss, last as f64)),
            ),
        ),
        (
            "accuracy.svg",
            chart(
                "Accuracy, percent",
                &accuracy,
                from_zero(values(&accuracy), 100.0),
                Some(SeriesLabelPosition::LowerRight),
            ),
        ),
        ("rate.svg", chart("Learning rate", &lr, powers(lr[0].values(), Ends::Ticks), None)),
    ] {
        let svg = chart.svg().map_err(|e| Error::new(Kind::Runtime, format!("cannot draw {name}: {e}")))?;
        atomic::replace(&folder.join(name), |out| out.write_all(svg.as_bytes()))?;
    }
    Ok(())
}

/// Draws the losses of a learning rate search, each and smoothed, and marks the suggestion. Both axes start where the losses do.
///
/// # Errors
/// Returns an error if the file cannot be written; an earlier file is then unchanged.
pub fn draw_lr_search(
    path: &Path,
    losses: &[(f64, f64)],
    smooth: &[(f64, f64)],
    suggestion: Option<f32>,
) -> Result<()> {
    let points =
        |values: &[(f64, f64)]| -> Points { values.iter().map(|&(lr, loss)| (lr.log10(), loss)).collect() };
    let curve = Curve { raw: thinned(&points(losses)), ..Curve::plain("", TRAINING, points(smooth)) };
    let lrs = points(losses).into_iter().map(|point| point.0);
    let highlight =
        suggestion.map(|lr| Highlight { x: f64::from(lr).log10(), label: format!("suggested: {lr:.1e}") });
    let chart = Chart {
        title: "Loss by learning rate",
        axis: around(curve.values()),
        curves: &[curve],
        legend: None,
        across: powers(lrs, Ends::Values),
        what: "learning rate",
        marks: &BTreeMap::new(),
        highlight,
    };
    let svg = chart.svg().map_err(|e| Error::new(Kind::Runtime, format!("cannot draw the losses: {e}")))?;
    atomic::replace(path, |out| out.write_all(svg.as_bytes()))
}

/// A value at its line's step, if it is finite.
fn point(line: &Line, value: f32) -> Option<(f64, f64)> {
    value.is_finite().then_some((line.step as f64, f64::from(value)))
}

/// Each completed epoch, and its last step.
fn marks(lines: &[Line]) -> BTreeMap<usize, usize> {
    let mut marks: BTreeMap<usize, usize> = lines.iter().map(|line| (line.epoch, line.step)).collect();
    if lines.last().is_some_and(|line| line.validation.is_none()) {
        marks.pop_last();
    }
    marks
}

/// The corner of the legend: the upper right one, or the lower left one if fewer points are there, as when a network overfits.
fn corner_for_losses(curves: &[Curve], last: f64) -> SeriesLabelPosition {
    let top = values(curves).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let points = |is_covered: fn(f64, f64) -> bool| {
        let all = curves.iter().flat_map(|curve| &curve.points);
        all.filter(|(step, loss)| is_covered(step / last, loss / top)).count()
    };
    match points(|x, y| x > 0.7 && y > 0.75) > points(|x, y| x < 0.3 && y < 0.25) {
        true => SeriesLabelPosition::LowerLeft,
        false => SeriesLabelPosition::UpperRight,
    }
}

fn values(curves: &[Curve]) -> impl Iterator<Item = f64> + '_ {
    curves.iter().flat_map(Curve::values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A training run of `epochs` epochs, with `lines` lines each and one for the epoch.
    fn training(epochs: usize, lines: usize) -> Vec<Line> {
        let line = |step: usize, epoch: usize, validation| Line {
            step,
            epoch,
            seconds: 1.0,
            loss: 2.0 + (step as f32).sin() / 4.0 - epoch as f32 / epochs as f32,
            top1: 0.5 * epoch as f32 / epochs as f32,
            lr: if epoch > epochs / 2 { 0.001 } else { 0.01 },
            images_per_second: 1000.0,
            waiting: 0.0,
            validation,
            health: BTreeMap::new(),
        };
        let found = Validation { loss: 1.5, top1: 0.25, top5: 0.75 };
        let epoch = |epoch: usize| {
            let steps = (1..=lines).map(move |i| line(20 * ((epoch - 1) * lines + i), epoch, None));
            steps.chain([line(20 * epoch * lines, epoch, Some(found))])
        };
        (1..=epochs).flat_map(epoch).collect()
    }

    const NAMES: [&str; 3] = ["loss.svg", "accuracy.svg", "rate.svg"];

    fn drawn(lines: &[Line]) -> [String; 3] {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("plots");
        draw(&folder, lines).unwrap();
        NAMES.map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
    }

    #[test]
    fn a_training_of_any_length_can_be_drawn() {
        let all = training(3, 10);
        for lines in [0, 1, 2, 11, 12, all.len()] {
            for svg in drawn(&all[..lines]) {
                assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                assert_eq!(svg.contains("no measurements yet"), lines == 0);
            }
        }
        let [loss, accuracy, rate] = drawn(&all);
        assert!(loss.contains("validation") && accuracy.contains("top-5") && rate.contains("0.001"));
    }

    #[test]
    fn the_legend_of_losses_covers_no_curve() {
        let curve = |losses: fn(f64) -> f64| {
            let points = (0..=20).map(|i| (f64::from(i), losses(f64::from(i) / 20.0))).collect();
            Curve::plain("", TRAINING, points)
        };
        let falling = curve(|x| 2.0 - 1.8 * x);
        let overfits = curve(|x| 2.0 - 1.5 * x + 2.0 * x * x);
        assert!(matches!(corner_for_losses(&[falling], 20.0), SeriesLabelPosition::UpperRight));
        let falling = curve(|x| 2.0 - 1.8 * x);
        assert!(matches!(corner_for_losses(&[falling, overfits], 20.0), SeriesLabelPosition::LowerLeft));
        assert!(matches!(corner_for_losses(&[], 1.0), SeriesLabelPosition::UpperRight));
    }

    #[test]
    fn a_top_5_of_100_percent_is_not_drawn() {
        let mut lines = training(3, 10);
        for found in lines.iter_mut().filter_map(|line| line.validation.as_mut()) {
            found.top5 = 1.0;
        }
        let [_, accuracy, _] = drawn(&lines);
        assert!(accuracy.contains("top-1") && !accuracy.contains("top-5"), "{accuracy}");
    }

    /// `ALEXNET_PLOTS=FOLDER` keeps the images for inspection.
    #[test]
    fn real_trainings_are_drawn() {
        let temporary = tempfile::tempdir().unwrap();
        let out = std::env::var_os("ALEXNET_PLOTS").map_or(temporary.path().to_path_buf(), Into::into);
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/logs");
        for entry in std::fs::read_dir(logs).unwrap() {
            let path = entry.unwrap().path();
            // Logs of single training runs; experiments have other formats.
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let line = |line: &str| -> Line {
                let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
                // Early versions did not measure the waiting time.
                value.as_object_mut().unwrap().entry("waiting").or_insert(0.0.into());
                serde_json::from_value(value).unwrap()
            };
            let lines: Vec<Line> = text.lines().map(line).collect();
            assert!(lines.len() > 10, "{}", path.display());
            let folder = out.join(path.file_stem().unwrap());
            draw(&folder, &lines).unwrap();
        }
    }

    #[test]
    fn odd_values_can_be_drawn() {
        for (loss, lr) in [(0.0, 0.0), (1e30, 1e-30), (1e-30, 1e30), (f32::NAN, f32::INFINITY), (-1.0, -1.0)]
        {
            let mut lines = training(2, 3);
            lines.iter_mut().for_each(|line| (line.loss, line.lr) = (loss, lr));
            drawn(&lines);
            lines[3].lr = 0.5;
            drawn(&lines);
        }
    }

    #[test]
    fn a_long_training_makes_a_small_image() {
        let lines = training(90, 280);
        assert!(lines.len() > 25_000);
        let began = std::time::Instant::now();
        let size = drawn(&lines).map(|svg| svg.len());
        assert!(size.iter().all(|&bytes| bytes < 50_000), "{size:?}");
        println!("{size:?} bytes in {:?}", began.elapsed());
    }

    #[test]
    fn a_search_is_drawn_with_its_suggestion() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lr.svg");
        let losses: Points = (0..50).map(|i| (1e-4 * 1.2_f64.powi(i), 6.9 - 0.01 * f64::from(i))).collect();
        draw_lr_search(&path, &losses, &losses, Some(0.02)).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.contains("suggested: 2.0e-2") && svg.contains("0.001"), "{svg}");
        assert!(svg.contains("6.5") && !svg.contains("\n0.0\n"), "the axis starts near the losses: {svg}");
        draw_lr_search(&path, &[], &[], None).unwrap();
    }
}
