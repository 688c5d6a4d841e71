//! Parsers of option values.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};

use crate::inspect::FigureFile;
use alexnet::net::{Precision, Views};
use alexnet::parallel::cost::link::{Link, parse_bandwidth, parse_latency};
use alexnet::train::Minutes;
use alexnet::train::origin::newest;

/// Where a training run stops before its schedule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepLimit {
    /// Nowhere.
    None,
    /// After this many steps.
    Steps(usize),
}

pub(super) fn step_limit(text: &str) -> Result<StepLimit, String> {
    match (text, text.parse::<u32>()) {
        ("none", _) => Ok(StepLimit::None),
        (_, Ok(steps)) if steps > 0 => Ok(StepLimit::Steps(steps as usize)),
        _ => Err("expected a number of steps, 1 or more, or `none`".into()),
    }
}

/// A run folder, or a folder of runs, which stands for the newest of them.
pub(super) fn run_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|folder| newest(&folder))
}

/// The file of a figure.
pub(super) fn figure_file() -> impl TypedValueParser<Value = FigureFile> {
    PathBufValueParser::new().try_map(FigureFile::new)
}

/// The file of a plot.
pub(super) fn svg_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let is_svg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
        if is_svg { Ok(path) } else { Err("expected a file name that ends in .svg") }
    })
}

pub(super) fn views() -> impl TypedValueParser<Value = Views> {
    PossibleValuesParser::new(["1", "10"]).map(|views| if views == "10" { Views::Ten } else { Views::Center })
}

/// A precision of products.
pub(super) fn precision() -> impl TypedValueParser<Value = Precision> {
    let parse = |name: String| Precision::ALL.into_iter().find(|precision| precision.name() == name);
    PossibleValuesParser::new(Precision::ALL.map(Precision::name))
        .map(move |name| parse(name).expect("one of the possible values"))
}

/// A whole number in `range`.
pub(super) fn whole<T: TryFrom<u32>>(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match *range.end() {
            u32::MAX => format!("expected a whole number, {} or more", range.start()),
            end => format!("expected a whole number from {} to {end}", range.start()),
        })
    }
}

pub(super) fn at_least_one(text: &str) -> Result<u32, String> {
    whole(1..=u32::MAX)(text)
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, 0.01 to 3600".into()),
    }
}

/// Seconds, as in `30us`.
pub(super) fn latency(text: &str) -> Result<f64, String> {
    parse_latency(text)
}

/// Bytes per second, as in `10Gbit`.
pub(super) fn bandwidth(text: &str) -> Result<f64, String> {
    parse_bandwidth(text)
}

/// The name of a network.
pub(super) fn network(text: &str) -> Result<(&'static str, Link), String> {
    let known = || Link::presets().collect::<Vec<_>>().join(", ");
    Link::preset(text).ok_or_else(|| format!("expected {}; or `--bandwidth 40Gbit`", known()))
}

/// A share below 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=0.9).contains(&share) => Ok(share),
        _ => Err("expected a share from 0 to 0.9".into()),
    }
}

/// Minutes between two checkpoints.
pub(super) fn minutes(text: &str) -> Result<Minutes, String> {
    let minutes = text.parse::<f64>().ok().and_then(|minutes| Minutes::try_from(minutes).ok());
    minutes.ok_or_else(|| "expected minutes, a number above 0".into())
}

/// The weight of a model in an ensemble.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "expected numbers, as in 0.5,0.25,0.25".into())
}

pub(super) fn learning_rate(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("expected a learning rate above 0 and at most 1000000".into()),
    }
}

/// Three numbers, for red, green and blue.
pub(super) fn color(text: &str) -> Result<[f32; 3], String> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    let numbers = numbers.and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
    numbers.ok_or_else(|| "expected three numbers, as in 123.675,116.28,103.53".into())
}

/// Three numbers above 0, for red, green and blue.
pub(super) fn deviations(text: &str) -> Result<[f32; 3], String> {
    match color(text) {
        Ok(deviations) if deviations.iter().all(|&deviation| deviation > 0.0) => Ok(deviations),
        _ => Err("expected three numbers above 0, as in 0.229,0.224,0.225".into()),
    }
}

/// A number above 0.
pub(super) fn divisor(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(divisor) if divisor > 0.0 && divisor.is_finite() => Ok(divisor),
        _ => Err("expected a number above 0, as in 255".into()),
    }
}

/// `KEY=VALUE`, as in `optimizer.rate=0.005`.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err("expected KEY=VALUE, as in optimizer.rate=0.005".into()),
    }
}
