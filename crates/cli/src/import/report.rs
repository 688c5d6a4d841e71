//! What was imported, as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::squares::Origin;
use crate::args::interop::ImportArgs;
use crate::output::printable;
use alexnet::error::shell;
use alexnet::format::{counted, grouped};
use alexnet::interop::{Format, PeerDifference, PeerOutcome};
use alexnet::model::Model;

/// An imported model.
pub(super) struct Report<'a> {
    pub(super) args: &'a ImportArgs,
    pub(super) format: Format,
    pub(super) model: &'a Model,
    /// Where the golden samples are from.
    pub(super) origin: Origin,
    pub(super) outcome: &'a PeerOutcome,
    pub(super) notes: &'a [String],
    pub(super) seconds: f64,
}

impl Report<'_> {
    fn parameters(&self) -> usize {
        self.model.parameters.iter().map(|tensor| tensor.data.len()).sum()
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let files: Vec<String> = self.args.files.iter().map(|file| file.display().to_string()).collect();
        let _ = writeln!(out, "from     {}: {}", self.format.title(), printable(&files.join(", ")));
        let _ = writeln!(
            out,
            "network  {}, {} parameters, {}",
            printable(&self.model.recipe.name),
            grouped(self.parameters()),
            classes(self.model.classes.len())
        );
        let images = self.model.golden.images.len();
        let golden = match self.origin {
            Origin::Made => format!("{images} made by this program"),
            Origin::Files => counted(images, "image"),
        };
        let _ = writeln!(out, "golden   {golden}");
        let _ = match self.outcome {
            PeerOutcome::Compared(PeerDifference { program, images, relative_rms }) => writeln!(
                out,
                "checked  logits of {}, against {program}: relative RMS of the difference {relative_rms:.1e}",
                counted(*images, "image")
            ),
            PeerOutcome::NotCompared { reason, help } => {
                writeln!(
                    out,
                    "checked  not compared with the program that wrote the files: {}; {}",
                    printable(reason),
                    printable(help)
                )
            }
        };
        let model = printable(&shell(&self.args.out));
        let _ = writeln!(
            out,
            "use it   alexnet classify {model} IMAGE\n         alexnet train SRC --init {model}"
        );
        out
    }

    pub(super) fn json(&self) -> Value {
        let files: Vec<String> = self.args.files.iter().map(|file| file.display().to_string()).collect();
        json!({
            "out": self.args.out.display().to_string(),
            "files": files,
            "format": self.format,
            "recipe": self.model.recipe.name,
            "parameters": self.parameters(),
            "classes": self.model.classes.len(),
            "notes": self.notes,
            "golden": {
                "images": self.model.golden.images.len(),
                "from": match self.origin { Origin::Made => "made", Origin::Files => "files" },
            },
            "comparison": self.outcome,
            "seconds": self.seconds,
        })
    }
}

fn classes(count: usize) -> String {
    counted(count, "class")
}
