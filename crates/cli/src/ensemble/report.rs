//! What was written, as text and as JSON.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::search::Search;
use super::source::Source;
use super::weights::Weights;
use crate::args::ensemble::EnsembleArgs;
use crate::output::{percent, printable};
use alexnet::error::shell;
use alexnet::eval::mixture::{Score, WeightSearch};
use alexnet::format::grouped;
use alexnet::model::WeightPrecision;
use alexnet::net::Views;

/// An ensemble and where its weights come from.
pub(super) struct Report<'a> {
    out: PathBuf,
    models: Vec<Row>,
    weights: &'a Weights,
    views: Views,
}

/// A model of the ensemble.
struct Row {
    path: String,
    recipe: String,
    precision: WeightPrecision,
    weight: f64,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        args: &EnsembleArgs,
        models: &[Source],
        values: &[f64],
        weights: &'a Weights,
        views: Views,
    ) -> Self {
        let row = |(source, &weight): (&Source, &f64)| Row {
            path: source.path.display().to_string(),
            recipe: source.model.recipe().name.clone(),
            precision: source.model.precision(),
            weight,
        };
        Self { out: args.out.clone(), models: models.iter().zip(values).map(row).collect(), weights, views }
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (i, row) in self.models.iter().enumerate() {
            let alone = match self.weights {
                Weights::Searched(search) => {
                    format!("  top-1 {}", percent(search.found.models[i].top1_share()))
                }
                Weights::Equal | Weights::Specified(_) => String::new(),
            };
            let _ = writeln!(out, "model     weight {:.4}{alone}  {}", row.weight, printable(&row.path));
        }
        let _ = writeln!(out, "views     {}", self.views.count());
        match self.weights {
            Weights::Searched(search) => out += &searched(search),
            Weights::Equal | Weights::Specified(_) => {}
        }
        let _ = writeln!(out, "use it    alexnet classify {} IMAGE", printable(&shell(&self.out)));
        out
    }

    pub(super) fn json(&self, seconds: f64) -> Value {
        let models = self.models.iter().map(|Row { path, recipe, precision, weight }| {
            json!({ "model": path, "recipe": recipe, "precision": precision, "weight": weight })
        });
        let (weights, search) = match self.weights {
            Weights::Equal => ("equal", Value::Null),
            Weights::Specified(_) => ("specified", Value::Null),
            Weights::Searched(search) => ("searched", search_json(search)),
        };
        json!({
            "out": self.out.display().to_string(),
            "models": models.collect::<Vec<_>>(),
            "views": self.views,
            "weights": weights,
            "search": search,
            "seconds": seconds,
        })
    }
}

/// The accuracy of equal weights and of the weights found.
fn searched(search: &Search) -> String {
    let WeightSearch { equal, searched, nested, .. } = &search.found;
    let mut out = format!(
        "images    {}, split {} of {}, {} skipped\n",
        grouped(equal.images),
        search.split,
        printable(&search.origin),
        grouped(search.skipped.len())
    );
    let rows = [
        ("equal", equal, "equal weights"),
        ("searched", searched, "on the images that the weights were searched on: optimistic"),
        (
            "nested",
            nested,
            "each half with weights searched on the other half: what to expect of other images",
        ),
    ];
    for (name, score, meaning) in rows {
        let (top1, top5) = (percent(score.top1_share()), percent(score.top5_share()));
        let _ = writeln!(out, "{name:<8}  top-1 {top1}, top-5 {top5}, loss {:.4}; {meaning}", score.loss);
    }
    let gain = |score: &Score| 100.0 * (score.top1_share() - equal.top1_share());
    let _ = writeln!(
        out,
        "gain      {:+.2} points of top-1 over equal weights; {:+.2} on the images searched on",
        gain(nested),
        gain(searched)
    );
    out
}

fn search_json(search: &Search) -> Value {
    let WeightSearch { weights: _, models, equal, searched, nested, half_weights } = &search.found;
    json!({
        "data": search.origin,
        "split": search.split,
        "images": equal.images,
        "skipped": search.skipped,
        "models": models.iter().map(score).collect::<Vec<_>>(),
        "equal": score(equal),
        "searched": score(searched),
        "nested": score(nested),
        "half_weights": half_weights,
    })
}

fn score(score: &Score) -> Value {
    json!({
        "top1": score.top1_share(),
        "top5": score.top5_share(),
        "top1_correct": score.top1,
        "top5_correct": score.top5,
        "loss": score.loss,
    })
}
