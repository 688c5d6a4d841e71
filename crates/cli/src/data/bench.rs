//! `alexnet data bench`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::args::data::DataBenchArgs;
use crate::exit::CommandResult;
use crate::output::{Output, printable};
use crate::recipe;
use alexnet::data::bench::{BenchOptions, LoadingSpeed, bench};
use alexnet::data::{Dataset, Split};

pub(super) fn run(args: &DataBenchArgs, out: &mut Output) -> CommandResult {
    let recipe = recipe::load(&args.recipe)?;
    let mut dataset = Dataset::open(&args.source)?;
    dataset.prepare(&recipe.input)?;
    let workers = args.workers.map_or_else(|| args.machine.threads(), usize::from);
    let split = dataset.train().or_else(|_| dataset.split(&dataset.splits[0].name))?;
    let options = BenchOptions { batch: recipe.optimizer.batch, workers, seconds: args.seconds };
    let speed = bench(split, &recipe.input, &recipe.augment, options)?;
    out.result(
        || text(&speed, split, &dataset.origin, &recipe.name, workers),
        || json(&speed, &dataset.origin, &recipe.name),
    )?;
    Ok(0)
}

fn json(speed: &LoadingSpeed, source: &str, recipe: &str) -> Value {
    let mut value = serde_json::to_value(speed).expect("numbers and names are JSON");
    value["recipe"] = json!(recipe);
    value["source"] = json!(source);
    value
}

fn text(speed: &LoadingSpeed, split: &Split, source: &str, recipe: &str, workers: usize) -> String {
    let mut text = format!(
        "split {} of {}, {:.0} KB per image, recipe {recipe}\n\n",
        split.name,
        printable(source),
        speed.bytes / 1e3,
    );
    for step in &speed.steps {
        let (name, rate, share) = (step.name, step.images_per_second, 100.0 * step.share);
        let _ = writeln!(text, "{name:<9} {rate:>9.0} images/s on one core  {share:>5.1} %");
    }
    let (core, loader) = (speed.images_per_second_per_core, speed.loader_images_per_second);
    let _ = writeln!(text, "{:<9} {core:>9.0} images/s on one core", "all");
    let _ = writeln!(text, "{:<9} {loader:>9.0} images/s with {workers} workers", "loader");
    let _ = writeln!(text, "\nbottleneck: {}", advice(speed.bottleneck));
    text
}

/// What to do about the slowest step.
fn advice(bottleneck: &str) -> &'static str {
    match bottleneck {
        "read" => {
            "read. The disk is slow: copy the files to a local disk, or run `alexnet data pack SRC OUT --store jpeg`"
        }
        "decode" => "decode. `alexnet data pack SRC OUT` decodes once instead of every epoch",
        "square" => "square. `alexnet data pack SRC OUT` resizes once instead of every epoch",
        _ => "augment. It differs in every epoch, so it cannot be done in advance",
    }
}
