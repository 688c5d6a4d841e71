//! `alexnet inspect MODEL neighbors`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::images::{Shown, usable};
use crate::args::inspect::NeighborsArgs;
use crate::exit::{CommandResult, with_code};
use crate::output::{Output, printable};
use crate::ui::Progress;
use alexnet::Result;
use alexnet::data::Dataset;
use alexnet::eval::{LoadedModel, Predictor, model_path};
use alexnet::format::grouped;
use alexnet::inspect::figures;
use alexnet::inspect::neighbors::{Neighborhood, Search, hidden_layer, nearest};
use alexnet::train::signals::Interrupt;

/// Images per batch.
const BATCH: usize = 64;

pub(super) fn run(model: &Path, args: &NeighborsArgs, out: &mut Output) -> CommandResult {
    let path = model_path(model)?;
    let file = &args.out.out;
    file.check(args.files.iter().chain([&args.data]))?;
    let interrupt = Interrupt::on_signals();
    interrupt.listen()?;
    let data = Dataset::open(&args.data)?;
    data.notes.iter().for_each(|text| out.note(text));
    let threads = args.machine.threads();
    let mut model = Predictor::load(&path, &args.precision.options(BATCH, threads))?;
    let layer = layer(model.single_member()?, args).map_err(|error| error.context(path.display()))?;
    let shown = match args.files.as_slice() {
        [] => Shown::of_source(&data, &args.data, &args.sample, &model, out)?,
        files => Shown::of_files(files, &model, out)?,
    };
    let train = usable(data.train()?, &data, &model, out)?;
    let Shown { images, skipped, origin } = shown;
    let mut progress = Progress::new(out.display());
    progress.start("search", train.len());
    let search =
        Search { split: &train, layer: &layer, neighbors: args.neighbors as usize, workers: threads };
    let mut before = 0;
    let (rows, unreadable) = nearest(&mut model, images, search, &mut |done| {
        progress.advance(done - before, None);
        before = done;
        interrupt.check()
    })?;
    progress.finish();
    let title = format!("{}: {}", path.display(), origin.text(rows.len()));
    let measure = format!(
        "Euclidean distance of the activations of {layer}, center crops, among {} training images",
        grouped(train.len() - unreadable.len())
    );
    file.write(&figures::neighbors(&rows, &model.classes, &title, &measure), out)?;
    let report = Report { model: path, out: &file.path, layer: &layer, classes: &model.classes, rows: &rows };
    let printed = out.result(
        || report.text(&origin.text(rows.len())),
        || {
            let mut value = report.json();
            value["source"] = origin.json();
            value["skipped"] = json!(skipped.iter().chain(&unreadable).collect::<Vec<_>>());
            value
        },
    );
    with_code(origin.exit_code(&skipped), printed)
}

/// The layer whose activations are compared.
fn layer(model: &mut LoadedModel, args: &NeighborsArgs) -> Result<String> {
    let network = model.classifier().engine.network();
    match &args.layer {
        Some(layer) => network.layer_position(layer).map(|_| layer.clone()),
        None => hidden_layer(network).map(str::to_owned),
    }
}

struct Report<'a> {
    model: PathBuf,
    out: &'a Path,
    layer: &'a str,
    classes: &'a [String],
    rows: &'a [Neighborhood],
}

impl Report<'_> {
    fn json(&self) -> Value {
        let row = |row: &Neighborhood| {
            let neighbors = row.neighbors.iter().map(|neighbor| {
                json!({
                    "file": neighbor.file,
                    "label": self.classes[neighbor.label],
                    "distance": neighbor.distance,
                })
            });
            json!({
                "file": row.file,
                "label": row.label.map(|label| &self.classes[label]),
                "neighbors": neighbors.collect::<Vec<_>>(),
            })
        };
        json!({
            "model": self.model.display().to_string(),
            "out": self.out.display().to_string(),
            "layer": self.layer,
            "images": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    fn text(&self, images: &str) -> String {
        let mut out = format!("model    {}\n", printable(&self.model.display().to_string()));
        let _ = writeln!(out, "images   {}\nlayer    {}", printable(images), printable(self.layer));
        for row in self.rows {
            let name = |label: usize| self.classes[label].as_str();
            let own = row.label.map_or(String::new(), |label| format!(" ({})", name(label)));
            let near: Vec<String> = row
                .neighbors
                .iter()
                .map(|neighbor| format!("{} {:.2}", name(neighbor.label), neighbor.distance))
                .collect();
            let _ = writeln!(out, "  {}", printable(&format!("{}{own}: {}", row.file, near.join(", "))));
        }
        let labeled = self.rows.iter().filter_map(|row| Some((row.label?, row)));
        let (mut same, mut all) = (0, 0);
        for (label, row) in labeled {
            same += row.neighbors.iter().filter(|neighbor| neighbor.label == label).count();
            all += row.neighbors.len();
        }
        if all > 0 {
            let _ = writeln!(out, "same class  {same} of {all} neighbors");
        }
        let _ = writeln!(out, "figure   {}", printable(&self.out.display().to_string()));
        out
    }
}
