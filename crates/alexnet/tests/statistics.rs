//! Statistics compared with SciPy, statsmodels and NumPy: `statistics/golden.json`, which `statistics/make.py` writes.

use serde::Deserialize;

use alexnet::eval::statistics::*;

#[derive(Deserialize)]
struct Golden {
    wilson: Vec<Wilson>,
    mcnemar: Vec<Discordant>,
    paired_difference: Vec<Cells>,
    sign_flip: Vec<Differences>,
    bootstrap: Vec<Values>,
    random_bootstrap: Vec<Values>,
    calibration: Confidence,
    temperature: Logits,
}

#[derive(Deserialize)]
struct Wilson {
    successes: usize,
    n: usize,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Discordant {
    only_first: usize,
    only_second: usize,
    exact_p: f64,
    corrected_statistic: f64,
    corrected_p: f64,
}

#[derive(Deserialize)]
struct Cells {
    cells: [usize; 4],
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Differences {
    differences: Vec<f64>,
    p: f64,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f64>,
    low: f64,
    high: f64,
    bias: f64,
    acceleration: f64,
}

#[derive(Deserialize)]
struct Confidence {
    confidence: Vec<f64>,
    correct: Vec<bool>,
    ece: f64,
    counts: Vec<usize>,
}

#[derive(Deserialize)]
struct Logits {
    classes: usize,
    logits: Vec<f32>,
    labels: Vec<usize>,
    temperature: f64,
    loss_before: f64,
    loss_after: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("statistics/golden.json")).unwrap()
}

/// Equal up to rounding, relative to the value.
#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let apart = (found - expected).abs();
    assert!(apart <= tolerance * expected.abs().max(1e-300), "{found}, expected {expected}");
}

#[test]
fn wilson_intervals_are_those_of_statsmodels() {
    for case in golden().wilson {
        let Interval { low, high } = wilson(case.successes, case.n);
        // statsmodels leaves rounding errors at 0.
        assert!((low - case.low).abs() < 1e-14, "{low} {}", case.low);
        assert!((high - case.high).abs() < 1e-14, "{high} {}", case.high);
    }
}

#[test]
fn mcnemar_tests_are_those_of_statsmodels() {
    for case in golden().mcnemar {
        let found = mcnemar(case.only_first, case.only_second);
        assert_close(found.exact_p, case.exact_p, 1e-10);
        assert_close(found.corrected_statistic, case.corrected_statistic, 1e-14);
        assert_close(found.corrected_p, case.corrected_p, 1e-10);
    }
}

#[test]
fn paired_differences_are_those_of_the_formula() {
    for Cells { cells: [both, only_first, only_second, neither], low, high } in golden().paired_difference {
        let found = paired_difference(Paired { both, only_first, only_second, neither });
        assert!(
            (found.low - low).abs() < 1e-12 && (found.high - high).abs() < 1e-12,
            "{found:?} {low} {high}"
        );
    }
}

#[test]
fn sign_flip_tests_are_those_of_scipy() {
    for case in golden().sign_flip {
        let found = sign_flip(&case.differences);
        assert_eq!(found.flips, Flips::Exact);
        assert_close(found.p, case.p, 1e-12);
    }
}

#[test]
fn bootstraps_of_all_resamples_are_those_of_scipy() {
    for case in golden().bootstrap {
        let found = bootstrap(&case.values).unwrap();
        assert_eq!(found.resamples, Resamples::Exact);
        assert!((found.bias - case.bias).abs() < 1e-12, "{} {}", found.bias, case.bias);
        assert_close(found.acceleration, case.acceleration, 1e-12);
        assert_close(found.interval.low, case.low, 1e-9);
        assert_close(found.interval.high, case.high, 1e-9);
    }
}

#[test]
fn bootstraps_of_random_resamples_are_near_those_of_scipy() {
    for case in golden().random_bootstrap {
        let found = bootstrap(&case.values).unwrap();
        assert!(matches!(found.resamples, Resamples::MonteCarlo(_)));
        assert_close(found.acceleration, case.acceleration, 1e-9);
        // The standard error of the bias is 1.25 / sqrt(20,000).
        assert!((found.bias - case.bias).abs() < 0.04, "{} {}", found.bias, case.bias);
        let width = case.high - case.low;
        let apart = [found.interval.low - case.low, found.interval.high - case.high];
        assert!(apart.iter().all(|apart| apart.abs() < 0.03 * width), "{apart:?} of {width}");
    }
}

#[test]
fn the_calibration_error_is_that_of_numpy() {
    let Confidence { confidence, correct, ece, counts } = golden().calibration;
    let found = Calibration::of(confidence.into_iter().zip(correct));
    assert_close(found.ece, ece, 1e-12);
    assert_eq!(found.bins.iter().map(|bin| bin.images).collect::<Vec<_>>(), counts);
}

#[test]
fn the_temperature_is_that_of_scipy() {
    let case = golden().temperature;
    assert_eq!(case.logits.len(), case.classes * case.labels.len());
    let found = temperature(&case.logits, &case.labels);
    assert_close(found.loss_before, case.loss_before, 1e-12);
    assert_close(found.loss_after, case.loss_after, 1e-12);
    // The minimum is flat: the root of its precision.
    assert_close(found.temperature, case.temperature, 1e-6);
    assert!(!found.at_limit && found.temperature > 1.0);
}
