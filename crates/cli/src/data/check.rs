//! `alexnet data check`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::progress::SharedProgress;
use crate::args::data::CheckArgs;
use crate::exit::{CommandResult, with_code};
use crate::output::{Output, escaped, printable};
use alexnet::data::Problem;
use alexnet::data::check::{Diagnosis, KindSummary, check};
use alexnet::data::checksums;
use alexnet::data::fix::FixPlan;
use alexnet::error::{Kind, shell};
use alexnet::format::{counted, grouped};

/// Most files of a kind of problem that the text lists; the JSON lists all.
const LISTED: usize = 20;

pub(super) fn run(args: &CheckArgs, out: &mut Output) -> CommandResult {
    // First: the check of a large source takes long.
    args.plan.as_deref().map_or(Ok(()), FixPlan::check_free)?;
    // Without known checksums it fails at once.
    let digests = if args.digests { checksums::verify(&args.source)? } else { Vec::new() };
    let progress = SharedProgress::new(out.display());
    let found =
        check(&args.source, args.machine.threads(), &|done, all| progress.advance("check", done, all))?;
    drop(progress);
    if let Some(path) = &args.plan {
        let plan = FixPlan::of(&found, &args.source);
        plan.write(path)?;
        let (steps, path) = (counted(plan.steps.len(), "step"), shell(path));
        out.note(&format!(
            "wrote a plan of {steps}: edit {path} if you like, then run `alexnet data fix {path} OUT`"
        ));
    }
    let text = || {
        let digests = digests.iter().map(|file| format!("digest    {}\n", printable(&file.to_string())));
        text(&found) + &digests.collect::<String>()
    };
    let printed = out.result(text, || json(&found, json!(digests)));
    let is_damaged = digests.iter().any(|file| file.expected != file.found);
    let failed = args.strict && (is_damaged || !found.problems.is_empty());
    with_code(if failed { Kind::Data.exit_code() } else { 0 }, printed)
}

fn json(found: &Diagnosis, digests: Value) -> Value {
    let mut value = serde_json::to_value(found).expect("strings and numbers are JSON");
    value["splits"] = found.splits.iter().map(|split| (split.name.clone(), json!(split.images))).collect();
    value["class_names"] = std::mem::replace(&mut value["classes"], json!(found.classes.len()));
    value["digests"] = digests;
    value
}

/// The problems of each kind with the first few files.
fn text(found: &Diagnosis) -> String {
    let mut text = format!("source    {}\n", escaped(&found.source));
    let splits: Vec<String> =
        found.splits.iter().map(|split| format!("{} {}", split.name, grouped(split.images))).collect();
    let _ = writeln!(text, "images    {}: {}", grouped(found.images), splits.join(", "));
    let _ = writeln!(text, "classes   {}", grouped(found.classes.len()));
    for note in &found.notes {
        let _ = writeln!(text, "note      {}", escaped(note));
    }
    let kinds = found.by_kind();
    if kinds.is_empty() {
        text += "problems  none\n";
        return text;
    }
    let _ = writeln!(text, "problems  {}\n", grouped(found.problems.len()));
    let width = kinds.iter().map(|summary| summary.kind.name().len()).max().unwrap_or(0);
    for KindSummary { kind, count, .. } in kinds {
        let mut lead = format!("{count:>8}  {:<width$}", kind.name());
        let of_kind = found.problems.iter().filter(|problem| problem.kind == kind);
        for Problem { file, detail, .. } in of_kind.take(LISTED) {
            let _ = writeln!(text, "{lead}  {}: {}", escaped(file), escaped(detail));
            lead = " ".repeat(lead.chars().count());
        }
        if count > LISTED {
            let _ = writeln!(text, "{lead}  and {} more: --json lists all", grouped(count - LISTED));
        }
    }
    text += "\n--json lists all problems; --plan FILE writes a plan to fix them\n";
    text
}
