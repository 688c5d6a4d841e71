//! `alexnet edit`: a change to a training under way.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Ending;
use super::args::EditArgs;
use super::output::Output;
use super::recipe::run_recipe;
use alexnet::error::shell;
use alexnet::net::Change;
use alexnet::train::journal::{self, Entry, Journal};
use alexnet::train::lock::is_in_use;
use alexnet::train::origin::Origin;
use alexnet::{Error, Result};

/// How long a running training is waited for: it makes changes between two steps.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(args: &EditArgs, out: &mut Output) -> Ending {
    Origin::read(&args.run)?;
    let recipe = run_recipe(&args.run)?;
    // All are checked before one is asked for.
    let changes = args.changes.iter().map(|text| Change::parse(text, &recipe)).collect::<Result<Vec<_>>>()?;
    check_each_once(&changes)?;
    let asked = changes
        .into_iter()
        .map(|change| {
            let path = journal::request_edit(&args.run, change.clone(), &args.reason)?;
            Ok((change, path.file_stem().unwrap_or_default().to_string_lossy().into_owned()))
        })
        .collect::<Result<Vec<(Change, String)>>>()?;
    let names: Vec<&str> = asked.iter().map(|(_, name)| name.as_str()).collect();
    let made = wait(&args.run, &names)?;
    let step = |name: &str| {
        made.iter().find(|entry| entry.request.as_deref() == Some(name)).map(|entry| entry.edit.step)
    };
    if args.format.json {
        let changes =
            asked.iter().map(|(change, name)| json!({ "change": change.to_string(), "step": step(name) }));
        out.json(&json!({ "changes": changes.collect::<Vec<_>>() }))?;
        return Ok(0);
    }
    for (change, name) in &asked {
        let when = match step(name) {
            Some(step) => format!("made after step {step}"),
            None if is_in_use(&args.run) => {
                "asked for: the training makes it before its next step".to_owned()
            }
            None => {
                format!("asked for: no training runs; `alexnet train --resume {}` makes it", shell(&args.run))
            }
        };
        out.text(&format!("{change}  {when}\n"))?;
    }
    Ok(0)
}

/// Refuses a change that undoes one before it in the same command.
fn check_each_once(changes: &[Change]) -> Result<()> {
    for (i, change) in changes.iter().enumerate() {
        if let Some(before) = changes[..i].iter().find(|before| before.is_undone_by(change)) {
            return Err(Error::usage(format!("`{before}` has no effect: `{change}` follows it"))
                .help("keep one of the two"));
        }
    }
    Ok(())
}

/// The entries of the journal that came of what was asked for, as far as a training that runs makes them in time.
fn wait(run: &Path, asked: &[&str]) -> Result<Vec<Entry>> {
    let begin = Instant::now();
    loop {
        let mut entries = Journal::read(run)?;
        entries.retain(|entry| entry.request.as_deref().is_some_and(|name| asked.contains(&name)));
        if entries.len() == asked.len() || begin.elapsed() > PATIENCE || !is_in_use(run) {
            return Ok(entries);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
