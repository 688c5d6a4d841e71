//! The results as Markdown, which terminals show too.

use std::fmt::Write;

use super::results::{
    ArmResult, Compared, ComparisonResult, ExperimentResult, ImagePairs, Results, SeedPairs, Unit, Unreached,
};
use crate::eval::statistics::Flips;
use crate::format::{cells, counted, duration, grouped, padded, padded_left, probability};

impl Results {
    /// Returns the results as text: tables in Markdown.
    pub fn table(&self) -> String {
        markdown(self)
    }
}

/// All tables.
fn markdown(results: &Results) -> String {
    let mut out = format!(
        "# {}: {}, {}\n\nImages: {}. {}.\n",
        results.recipe,
        counted(results.seeds, "seed"),
        counted(results.epochs, "epoch"),
        results.data,
        results.power
    );
    for note in &results.notes {
        let _ = writeln!(out, "\nNote: {note}.");
    }
    out += &overview(&results.experiments);
    results.experiments.iter().for_each(|experiment| out += &section(experiment));
    out += &rates(results);
    out += &arms(&results.arms);
    out
}

/// A table in Markdown, with aligned columns.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cells(cell)).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[String]| {
        let shown = widths.iter().enumerate().map(|(i, &width)| {
            let cell = row.get(i).map_or("", String::as_str);
            // Names to the left, numbers to the right.
            let cell = if i == 0 { padded(cell, width) } else { padded_left(cell, width) };
            format!(" {cell} |")
        });
        format!("|{}\n", shown.collect::<String>())
    };
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(i, &width)| if i == 0 { "-".repeat(width) } else { format!("{}:", "-".repeat(width - 1)) })
        .collect();
    let Some((head, body)) = rows.split_first() else { return String::new() };
    let mut out = line(head) + &line(&rule);
    body.iter().for_each(|row| out += &line(row));
    out
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(ToOwned::to_owned).to_vec()
}

/// One line for each comparison.
fn overview(experiments: &[ExperimentResult]) -> String {
    let mut rows = vec![row(["experiment", "with", "without", "difference", "95 % interval", "p"])];
    for experiment in experiments {
        for ComparisonResult { with, without, compared } in &experiment.comparisons {
            let [difference, interval, p] = numbers(compared);
            rows.push(vec![
                experiment.name.to_owned(),
                with.clone(),
                without.clone(),
                difference,
                interval,
                p,
            ]);
        }
    }
    format!("\n{}", table(&rows))
}

/// Difference, interval and p.
fn numbers(compared: &Compared) -> [String; 3] {
    match compared {
        Compared::Seeds(SeedPairs { unit, mean_difference, interval, sign_flip, .. }) => [
            difference(*mean_difference, *unit),
            interval.map_or("-".to_owned(), |interval| range(interval.low, interval.high)),
            sign_flip.map_or("-".to_owned(), |test| probability(test.p)),
        ],
        Compared::Images(ImagePairs { difference: found, interval, mcnemar_p, .. }) => {
            [difference(*found, Unit::Points), range(interval.low, interval.high), probability(*mcnemar_p)]
        }
    }
}

fn difference(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Points => format!("{value:+.2} points"),
        Unit::Epochs => format!("{value:+.2} epochs"),
    }
}

fn range(low: f64, high: f64) -> String {
    format!("{low:+.2} to {high:+.2}")
}

/// An experiment: the pairs, the conclusion, published results.
fn section(experiment: &ExperimentResult) -> String {
    let mut out = format!("\n## {}\n", experiment.question);
    for comparison in &experiment.comparisons {
        out += &match &comparison.compared {
            Compared::Seeds(pairs) => seed_pairs(comparison, pairs),
            Compared::Images(pairs) => image_pairs(pairs),
        };
    }
    if let Some(plot) = &experiment.plot {
        let _ = writeln!(out, "\n![{}]({plot})", experiment.question);
    }
    out += "\nPublished:\n";
    for published in experiment.published {
        let _ = writeln!(out, "- {}: {}", published.source, published.finding);
    }
    out
}

fn seed_pairs(comparison: &ComparisonResult, found: &SeedPairs) -> String {
    let (what, decimals) = match found.unit {
        Unit::Points => ("top-1, %", 2),
        Unit::Epochs => ("epochs to 25 % training error", 2),
    };
    let seeds = found.pairs.iter().map(|pair| format!("seed {}", pair.seed));
    let row = |name: &str, values: &mut dyn Iterator<Item = f64>, sign: bool| {
        let values: Vec<f64> = values.collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let shown = values.iter().chain([&mean]).map(|value| match sign {
            true => format!("{value:+.decimals$}"),
            false => format!("{value:.decimals$}"),
        });
        [name.to_owned()].into_iter().chain(shown).collect::<Vec<String>>()
    };
    let rows = [
        [what.to_owned()].into_iter().chain(seeds).chain(["mean".to_owned()]).collect(),
        row(&comparison.with, &mut found.pairs.iter().map(|pair| pair.with), false),
        row(&comparison.without, &mut found.pairs.iter().map(|pair| pair.without), false),
        row("difference", &mut found.pairs.iter().map(|pair| pair.difference), true),
    ];
    format!("\n{}\n{}\n", table(&rows), conclusion(found))
}

/// The statistics in a sentence.
fn conclusion(found: &SeedPairs) -> String {
    let mut out = format!("Mean difference {}", difference(found.mean_difference, found.unit));
    match (found.interval, found.sign_flip) {
        (Some(interval), Some(test)) => {
            let how = match test.flips {
                Flips::Exact => "exact".to_owned(),
                Flips::MonteCarlo(flips) => format!("{} random sign patterns", grouped(flips)),
            };
            let _ = write!(
                out,
                ", 95 % interval {} (BCa bootstrap), sign-flip p = {} ({how})",
                range(interval.low, interval.high),
                probability(test.p)
            );
        }
        (None, _) | (_, None) => out += "; nothing can be concluded from one seed",
    }
    out += ".";
    if let Some(ratio) = found.ratio {
        let bound = match found.unreached {
            Unreached { with: 0, without: 0 } => "",
            Unreached { with: 0, .. } => "at least ",
            Unreached { .. } => "at most ",
        };
        let _ = write!(out, " A factor of {bound}{ratio:.2}.");
    }
    if found.unreached.total() > 0 {
        let _ = write!(
            out,
            " {} ended before the training error had fallen to 25 %: the epochs are lower bounds.",
            counted(found.unreached.total(), "training run")
        );
    }
    out
}

fn image_pairs(found: &ImagePairs) -> String {
    let members =
        found.members.iter().enumerate().map(|(seed, top1)| [format!("seed {seed}"), format!("{top1:.2}")]);
    let ensemble = ["ensemble".to_owned(), format!("{:.2}", found.ensemble)];
    let all: Vec<[String; 2]> = members.chain([ensemble]).collect();
    let rows = [
        ["top-1, %".to_owned()].into_iter().chain(all.iter().map(|[name, _]| name.clone())).collect(),
        [String::new()].into_iter().chain(all.iter().map(|[_, top1]| top1.clone())).collect::<Vec<String>>(),
    ];
    format!(
        "\n{}\nThe ensemble against its best member, seed {}: {}, 95 % interval {} (Newcombe, {}), McNemar's exact p = {}. \
         The best member is chosen on the same images, which favors it.\n",
        table(&rows),
        found.best_seed,
        difference(found.difference, Unit::Points),
        range(found.interval.low, found.interval.high),
        counted(found.images, "image"),
        probability(found.mcnemar_p)
    )
}

/// The learning rates that were tried.
fn rates(results: &Results) -> String {
    if results.rates.is_empty() {
        return String::new();
    }
    let mut rows = vec![row(["arm", "learning rate", "epochs to the error", "last training error, %", ""])];
    for chosen in &results.rates {
        for trial in &chosen.trials {
            let mark = if trial.rate == chosen.rate { "chosen" } else { "" };
            let epochs = trial.epochs_to_error.map_or("-".to_owned(), |epochs| format!("{epochs:.2}"));
            let error =
                trial.last_error.map_or("diverged".to_owned(), |error| format!("{:.2}", 100.0 * error));
            rows.push(vec![chosen.arm.clone(), trial.rate.to_string(), epochs, error, mark.to_owned()]);
        }
    }
    format!("\n## Learning rates\n\n{}", table(&rows))
}

/// The size of the arms, and what differs.
fn arms(arms: &[ArmResult]) -> String {
    let mut rows = vec![row(["arm", "parameters", "multiply-adds", "time per training", "differs in"])];
    for arm in arms {
        let seconds = arm.runs.iter().map(|run| run.seconds).sum::<f64>() / arm.runs.len().max(1) as f64;
        let edits = if arm.edits.is_empty() { "-".to_owned() } else { arm.edits.join(" ") };
        let edits = edits.replace('|', "\\|");
        rows.push(vec![
            arm.name.clone(),
            grouped(arm.parameters),
            grouped(arm.macs),
            duration(seconds),
            edits,
        ]);
    }
    format!("\n## Arms\n\n{}", table(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_of_bounds_is_called_a_bound() {
        let text = |with, without| {
            let both_early = with > 0 && without > 0;
            conclusion(&SeedPairs {
                unit: Unit::Epochs,
                pairs: Vec::new(),
                mean_difference: 8.0,
                interval: None,
                sign_flip: None,
                ratio: (!both_early).then_some(3.0),
                unreached: Unreached { with, without },
            })
        };
        assert!(text(0, 0).ends_with(" A factor of 3.00."), "{}", text(0, 0));
        let early = "ended before the training error had fallen to 25 %: the epochs are lower bounds.";
        let slow = text(0, 2);
        assert!(slow.ends_with(&format!(" A factor of at least 3.00. 2 training runs {early}")), "{slow}");
        let fast = text(1, 0);
        assert!(fast.ends_with(&format!(" A factor of at most 3.00. 1 training run {early}")), "{fast}");
        let both = text(1, 1);
        assert!(!both.contains("factor") && both.ends_with(&format!(" 2 training runs {early}")), "{both}");
    }
}
