//! `alexnet edit`: a change to a run while it trains.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::training::EditArgs;
use super::epochs::scheduled_epochs;
use super::exit::CommandResult;
use super::output::Output;
use super::recipe::run_recipe;
use alexnet::error::shell;
use alexnet::model::{Summary, layout};
use alexnet::net::{Change, Recipe};
use alexnet::train::journal::{self, Entry, Journal};
use alexnet::train::lock::is_in_use;
use alexnet::train::origin::Origin;
use alexnet::{Error, Result};

/// How long to wait for a running training, which applies edits between two steps.
const PATIENCE: Duration = Duration::from_secs(30);

/// An edit that was requested, and the name of its request.
struct Requested {
    change: Change,
    name: String,
}

pub(crate) fn run(args: &EditArgs, out: &mut Output) -> CommandResult {
    Origin::read(&args.run)?;
    let recipe = run_recipe(&args.run)?;
    // All are checked before the first is requested.
    let changes = args.changes.iter().map(|text| Change::parse(text, &recipe)).collect::<Result<Vec<_>>>()?;
    check_each_once(&changes)?;
    let requested = changes
        .into_iter()
        .map(|change| {
            let path = journal::request_edit(&args.run, change.clone(), &args.reason)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Requested { change, name })
        })
        .collect::<Result<Vec<Requested>>>()?;
    let applied = wait(&args.run, &requested)?;
    let step = |request: &Requested| {
        applied
            .iter()
            .find(|entry| entry.request.as_ref() == Some(&request.name))
            .map(|entry| entry.edit.step)
    };
    let complete = completed_epochs(&args.run, &recipe)?;
    let text = || requested.iter().map(|request| line(request, step(request), complete, &args.run)).collect();
    let json = || {
        let changes = requested
            .iter()
            .map(|request| json!({ "change": request.change.to_string(), "step": step(request) }));
        json!({ "changes": changes.collect::<Vec<_>>() })
    };
    out.result(text, json)?;
    Ok(0)
}

/// When an edit took effect, or will.
fn line(request: &Requested, step: Option<usize>, complete: Option<usize>, run: &Path) -> String {
    let when = match (step, complete) {
        (Some(step), _) => format!("applied after step {step}"),
        (None, Some(epochs)) => format!(
            "queued: the run is complete; takes effect only if it is extended: `alexnet edit {} stop-after={}`",
            shell(run),
            2 * epochs
        ),
        (None, None) if is_in_use(run) => "queued: takes effect before the next step".to_owned(),
        (None, None) => {
            format!("queued: takes effect when you resume with `alexnet train --resume {}`", shell(run))
        }
    };
    format!("{}  {when}\n", request.change)
}

/// The epochs of a run that has trained all of them, with the edits that are waiting; `None` if some are left.
fn completed_epochs(run: &Path, recipe: &Recipe) -> Result<Option<usize>> {
    let epochs = scheduled_epochs(recipe, Some(run))?;
    let last = Summary::read(&run.join(layout::LAST));
    Ok(last.ok().map(|model| model.epochs).filter(|&done| done >= epochs))
}

/// Rejects a change that overrides an earlier one of the same command.
fn check_each_once(changes: &[Change]) -> Result<()> {
    for (i, change) in changes.iter().enumerate() {
        if let Some(before) = changes[..i].iter().find(|before| before.is_undone_by(change)) {
            return Err(Error::usage(format!("`{before}` has no effect: `{change}` overrides it"))
                .help("keep one of the two"));
        }
    }
    Ok(())
}

/// Waits until a running training has applied the edits, and returns their journal entries: all, or those applied
/// in time.
fn wait(run: &Path, requested: &[Requested]) -> Result<Vec<Entry>> {
    let begin = Instant::now();
    loop {
        let mut entries = Journal::read(run)?;
        entries.retain(|entry| requested.iter().any(|request| entry.request.as_ref() == Some(&request.name)));
        if entries.len() == requested.len() || begin.elapsed() > PATIENCE || !is_in_use(run) {
            return Ok(entries);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
