//! Schedules: `linear`, `exp` and `dexp` of the program, with their parameters.

use super::ini::Entry;
use crate::Result;
use crate::net::LrCurve;

/// How a learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// It does not.
    Constant,
    /// Along a curve.
    Curve(LrCurve),
    /// With noise, or jumps: `jdexp`. Recipes have no such schedule.
    Other,
}

/// The initial value and the change of `epsW` or `epsB`: a number, or `dexp[base=0.01;tgtFactor=250;numSteps=4]` in
/// cuda-convnet2.
pub(super) fn rate(entry: &Entry<'_, '_>, text: &str) -> Result<(f64, Change)> {
    if !text.contains('[') {
        return Ok((entry.parse_number(text, 0.0..=1e6)?, Change::Constant));
    }
    let (name, arguments) = split(entry, text)?;
    let base = match named(&arguments, "base") {
        Some(base) => entry.parse_number(base, 0.0..=1e6)?,
        None => return Err(entry.refuse("a schedule with `base`")),
    };
    match name {
        "const" => Ok((base, Change::Constant)),
        _ => Ok((base, curve(entry, name, &arguments)?)),
    }
}

/// The schedule of `schedW` or `schedB`: `dexp[tgtFactor=250,noiseStdev=0,numSteps=4]`, or without names.
pub(super) fn schedule(entry: &Entry<'_, '_>) -> Result<Change> {
    if entry.text == "default" {
        return Ok(Change::Constant);
    }
    let (name, arguments) = split(entry, entry.text)?;
    curve(entry, name, &arguments)
}

/// A parameter of a schedule: its name, if written, and its value.
type Argument<'t> = (Option<&'t str>, &'t str);

fn split<'t>(entry: &Entry<'_, '_>, text: &'t str) -> Result<(&'t str, Vec<Argument<'t>>)> {
    let parts = text.strip_suffix(']').and_then(|text| text.split_once('['));
    let Some((name, arguments)) = parts else {
        return Err(entry.refuse("a schedule such as `dexp[tgtFactor=250,noiseStdev=0,numSteps=4]`"));
    };
    let arguments = arguments.split([',', ';']).map(|argument| match argument.split_once('=') {
        Some((key, value)) => (Some(key.trim()), value.trim()),
        None => (None, argument.trim()),
    });
    Ok((name.trim(), arguments.collect()))
}

fn named<'t>(arguments: &[Argument<'t>], name: &str) -> Option<&'t str> {
    let found = arguments.iter().find(|(key, _)| key.is_some_and(|key| key.eq_ignore_ascii_case(name)));
    found.map(|(_, value)| *value)
}

fn curve(entry: &Entry<'_, '_>, name: &str, arguments: &[Argument<'_>]) -> Result<Change> {
    let has_levels = match name {
        "linear" | "exp" => false,
        "dexp" => true,
        "jdexp" => return Ok(Change::Other),
        _ => return Err(entry.refuse("default, linear, exp, dexp or jdexp")),
    };
    // Early files have no names, and the earliest no noise.
    let order: &[&str] = match (has_levels, arguments.len()) {
        (true, 2) => &["tgtFactor", "numSteps"],
        (true, _) => &["tgtFactor", "noiseStdev", "numSteps"],
        (false, _) => &["tgtFactor", "noiseStdev"],
    };
    let find = |name: &str| {
        let unnamed = || {
            let at = order.iter().position(|other| *other == name)?;
            arguments.get(at).filter(|(key, _)| key.is_none()).map(|(_, value)| *value)
        };
        named(arguments, name).or_else(unnamed)
    };
    let Some(factor) = find("tgtFactor") else {
        return Err(entry.refuse("a schedule with `tgtFactor`"));
    };
    // The learning rate falls to 1 / tgtFactor.
    let to = 1.0 / entry.parse_number(factor, 1.0..=1e9)?;
    if find("noiseStdev").map_or(Ok(0.0), |noise| entry.parse_number(noise, 0.0..=1e6))? > 0.0 {
        return Ok(Change::Other);
    }
    Ok(Change::Curve(match has_levels {
        false if name == "linear" => LrCurve::Linear { to },
        false => LrCurve::Exponential { to },
        true => {
            let levels =
                find("numSteps").and_then(|text| text.parse().ok()).filter(|n| (2..=1000).contains(n));
            let Some(levels) = levels else {
                return Err(entry.refuse("a schedule with `numSteps` from 2 to 1000"));
            };
            LrCurve::Staircase { to, levels }
        }
    }))
}
