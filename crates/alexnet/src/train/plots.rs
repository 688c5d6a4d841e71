//! The curves of a training as SVG: `loss.svg`, `accuracy.svg` and `rate.svg`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::metrics::Line;
use crate::error::Kind;
use crate::files::atomic;
use crate::format::grouped;
use crate::{Error, Result};

const SIZE: (u32, u32) = (900, 500);
const TRAINING: RGBColor = RGBColor(31, 119, 180);
const VALIDATION: RGBColor = RGBColor(213, 94, 0);
const VALIDATION_TOP5: RGBColor = RGBColor(44, 140, 70);
const INK: RGBColor = RGBColor(60, 60, 60);
const PALE_INK: RGBColor = RGBColor(130, 130, 130);
const GRID: RGBColor = RGBColor(230, 230, 230);
/// Marks of epochs.
const EPOCH: RGBColor = RGBColor(200, 205, 215);

/// Most points of a curve: as many as a screen shows.
const POINTS: usize = 400;
/// A curve with at most this many points has dots.
const DOTS: usize = 40;
/// Most marks of epochs, and the fewest pixels between two.
const MARKS: f64 = 16.0;
const BETWEEN_MARKS: i32 = 34;

/// Steps and values.
pub type Points = Vec<(f64, f64)>;

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
    let val = |value: fn(&super::metrics::Validation) -> f32| -> Points {
        let known = epochs.iter().filter_map(|line| point(line, value(line.validation.as_ref()?)));
        known.collect()
    };
    let (last, marks) = (lines.last().map_or(1, |line| line.step.max(1)), marks(lines));
    let loss = [
        Curve::measured("training", TRAINING, of(|line| line.loss)),
        Curve::plain("validation", VALIDATION, val(|found| found.loss)),
    ];
    let accuracy = [
        Curve::measured("training, top-1", TRAINING, of(|line| 100.0 * line.top1)),
        Curve::plain("validation, top-1", VALIDATION, val(|found| 100.0 * found.top1)),
        Curve::plain("validation, top-5", VALIDATION_TOP5, val(|found| 100.0 * found.top5)),
    ];
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
            chart("Loss", &loss[..], from_zero(&loss, f64::INFINITY), Some(SeriesLabelPosition::UpperRight)),
        ),
        (
            "accuracy.svg",
            chart(
                "Accuracy, percent",
                &accuracy,
                from_zero(&accuracy, 100.0),
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

/// A line in a chart.
struct Curve {
    label: &'static str,
    color: RGBColor,
    points: Points,
    /// The values before smoothing.
    raw: Points,
}

impl Curve {
    fn plain(label: &'static str, color: RGBColor, points: Points) -> Self {
        Self { label, color, points: thinned(&points), raw: Vec::new() }
    }

    /// A smoothed curve, over the values themselves in a pale tone.
    fn measured(label: &'static str, color: RGBColor, points: Points) -> Self {
        let smooth = smooth(&points);
        let raw = if smooth == points { Vec::new() } else { thinned(&points) };
        Self { label, color, points: thinned(&smooth), raw }
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.points.iter().chain(&self.raw).map(|point| point.1)
    }
}

/// Averages each value with its neighbors, a fortieth of all on either side.
fn smooth(points: &Points) -> Points {
    let reach = points.len() / 40;
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(points.iter().scan(0.0, |sum, point| {
            *sum += point.1;
            Some(*sum)
        }))
        .collect();
    let mean = |i: usize| {
        // Symmetric, so that the ends are not biased.
        let reach = reach.min(i).min(points.len() - 1 - i);
        (sums[i + reach + 1] - sums[i - reach]) / (2 * reach + 1) as f64
    };
    if reach == 0 { points.clone() } else { (0..points.len()).map(|i| (points[i].0, mean(i))).collect() }
}

/// Turns a curve into steps: each value holds until the next.
fn steps_of(points: &Points) -> Points {
    let mut out = Points::new();
    for &(x, y) in points {
        match out.last() {
            Some(&(_, before)) if before != y => out.extend([(x, before), (x, y)]),
            Some(_) | None => out.push((x, y)),
        }
    }
    thinned(&out)
}

/// Thins a curve out to as many points as a screen shows: of every few neighbors it keeps the lowest and the highest, so
/// that outliers stay.
pub fn thinned(points: &[(f64, f64)]) -> Points {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let few = points.len().div_ceil(POINTS / 2);
    let extremes = |few: &[(f64, f64)]| -> Points {
        let by_value = |a: &usize, b: &usize| few[*a].1.total_cmp(&few[*b].1);
        let lowest = (0..few.len()).min_by(by_value).unwrap_or(0);
        let highest = (0..few.len()).max_by(by_value).unwrap_or(0);
        let (first, second) = (lowest.min(highest), lowest.max(highest));
        if first == second { vec![few[first]] } else { vec![few[first], few[second]] }
    };
    points.chunks(few).flat_map(extremes).collect()
}

/// An axis with labeled ticks.
#[derive(Clone)]
struct Axis {
    ends: Range<f64>,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From the first tick to the last.
    fn over(ticks: Vec<(f64, String)>) -> Self {
        Self { ends: ticks[0].0..ticks[ticks.len() - 1].0, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.ends.start) / (self.ends.end - self.ends.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // There are no minor ticks.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.iter().map(|tick| tick.0).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(_: &f64) -> String {
        unreachable!("labels come from `format_ext`")
    }

    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|tick| tick.0 == *value).map_or(String::new(), |tick| tick.1.clone())
    }
}

/// From 0 to the last step.
fn from_start(last: usize) -> Axis {
    let ends = 0.0..last as f64;
    let step = round_step(ends.end, 8.0).max(1.0);
    let ticks = (0..=(ends.end / step) as usize).map(|i| i as f64 * step);
    Axis { ends, ticks: ticks.map(|tick| (tick, grouped(tick as usize))).collect() }
}

/// From 0 to just above all values, but at most `end`.
fn from_zero(curves: &[Curve], end: f64) -> Axis {
    let most = curves.iter().flat_map(Curve::values).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let step = round_step(most, 8.0);
    let ticks = (most / step + 0.1).ceil().min(end / step) as usize;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let ticks = (0..=ticks).map(|i| i as f64 * step).map(|tick| (tick, format!("{tick:.decimals$}")));
    Axis::over(ticks.collect())
}

/// From a round value below all values to one above.
fn around(values: impl Iterator<Item = f64>) -> Axis {
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = values
        .filter(|value| value.is_finite())
        .fold(ends, |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = if least < most { (least, most) } else { (0.0, most.max(1.0)) };
    let step = round_step(most - least, 8.0);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((least / step).floor() as i64, (most / step).ceil() as i64);
    let ticks = (first..=last).map(|i| i as f64 * step);
    Axis::over(ticks.map(|tick| (tick, format!("{tick:.decimals$}"))).collect())
}

/// Where a logarithmic axis ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// At the ticks below and above all values.
    Ticks,
    /// At the smallest and the largest value.
    Values,
}

/// A logarithmic axis for values that are logarithms: powers of ten, and if these are few, twice and five times each.
fn powers(values: impl Iterator<Item = f64>, ends: Ends) -> Axis {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = values.fold(start, |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = if least <= most { (least, most) } else { (-3.0, -2.0) };
    let (first, last) = (least.floor() as i32 - 1, most.ceil() as i32 + 1);
    let apart = f64::from(last - first);
    let digits: &[u32] = if apart > 5.0 { &[1] } else { &[1, 2, 5] };
    let every = (apart / 8.0).ceil() as i32;
    let all = (first..=last).filter(|power| (power - first) % every.max(1) == 0);
    let all = all.flat_map(|power| digits.iter().map(move |digit| format!("{digit}e{power}")));
    let ticks: Vec<f64> = all.filter_map(|tick| tick.parse().ok()).collect();
    // The last tick below all values, and the first above.
    let from = ticks.iter().rposition(|tick| tick.log10() < least - 1e-6).unwrap_or(0);
    let to = ticks.iter().position(|tick| tick.log10() > most + 1e-6).unwrap_or(ticks.len() - 1);
    let label = |tick: f64| if tick < 1e-5 { format!("{tick:e}") } else { tick.to_string() };
    let mut axis = Axis::over(ticks[from..=to].iter().map(|&tick| (tick.log10(), label(tick))).collect());
    if ends == Ends::Values && least < most {
        axis.ends = least..most;
        axis.ticks.retain(|tick| (least - 1e-6..=most + 1e-6).contains(&tick.0));
    }
    axis
}

/// 1, 2 or 5 times a power of ten, so that no more than `most` of them make `span`.
fn round_step(span: f64, most: f64) -> f64 {
    let power = 10_f64.powf((span / most).log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| span / step <= most);
    step.unwrap_or(10.0 * power)
}

/// An image.
struct Chart<'a> {
    title: &'static str,
    curves: &'a [Curve],
    axis: Axis,
    legend: Option<SeriesLabelPosition>,
    /// The horizontal axis, and its name.
    across: Axis,
    what: &'static str,
    /// Epochs and their last steps.
    marks: &'a BTreeMap<usize, usize>,
    highlight: Option<Highlight>,
}

/// A labeled vertical line.
struct Highlight {
    x: f64,
    label: String,
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

impl Chart<'_> {
    fn svg(&self) -> std::result::Result<String, String> {
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
            drawn
                .label(curve.label)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], color.stroke_width(3)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::metrics::Validation;

    /// A training of `epochs` epochs, with `lines` lines each and one for the epoch.
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

    /// `ALEXNET_PLOTS=FOLDER` keeps the images for inspection.
    #[test]
    fn real_trainings_are_drawn() {
        let temporary = tempfile::tempdir().unwrap();
        let out = std::env::var_os("ALEXNET_PLOTS").map_or(temporary.path().to_path_buf(), Into::into);
        let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/logs");
        for entry in std::fs::read_dir(logs).unwrap() {
            let path = entry.unwrap().path();
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
    fn thinning_keeps_outliers_and_smoothing_the_mean() {
        let mut points: Points = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        points[5_001].1 = 100.0;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.contains(&(5_001.0, 100.0)), "{}", thin.len());
        assert!(thin.is_sorted_by_key(|point| point.0));
        let smooth = smooth(&points);
        assert_eq!((smooth.len(), smooth[0], smooth[9_999]), (10_000, points[0], points[9_999]));
        assert!((smooth[5_000].1 - (1.0 + 99.0 / 501.0)).abs() < 1e-9, "{:?}", smooth[5_000]);
    }

    #[test]
    fn ticks_are_round() {
        let labels = |axis: Axis| axis.ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ");
        let curve =
            |values: &[f64]| [Curve::plain("", INK, values.iter().map(|&value| (0.0, value)).collect())];
        assert_eq!(labels(from_zero(&curve(&[2.3]), f64::INFINITY)), "0.0 0.5 1.0 1.5 2.0 2.5");
        assert_eq!(labels(from_zero(&curve(&[99.5]), 100.0)), "0 20 40 60 80 100");
        assert_eq!(labels(from_zero(&curve(&[]), 100.0)), "0.0 0.2 0.4 0.6 0.8 1.0 1.2");
        assert_eq!(labels(powers([-2.0].into_iter(), Ends::Ticks)), "0.005 0.01 0.02");
        assert_eq!(
            labels(powers([-2.0, -3.0].into_iter(), Ends::Ticks)),
            "0.0005 0.001 0.002 0.005 0.01 0.02"
        );
        assert_eq!(labels(powers([-2.2, -0.5].into_iter(), Ends::Values)), "0.01 0.02 0.05 0.1 0.2");
        assert_eq!(
            labels(around([6.51, 6.93].into_iter())),
            "6.50 6.55 6.60 6.65 6.70 6.75 6.80 6.85 6.90 6.95"
        );
        assert_eq!(
            labels(powers([-7.0, -2.0].into_iter(), Ends::Ticks)),
            "1e-8 1e-7 1e-6 0.00001 0.0001 0.001 0.01 0.1"
        );
    }

    #[test]
    fn a_learning_rate_holds_until_the_next() {
        let points = vec![(20.0, 1.0), (40.0, 1.0), (60.0, 0.1)];
        assert_eq!(steps_of(&points), [(20.0, 1.0), (40.0, 1.0), (60.0, 1.0), (60.0, 0.1)]);
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
