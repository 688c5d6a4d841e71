//! `alexnet data`: check, fix, pack, bench.

use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::args::{CheckArgs, DataBenchArgs, DataCommand, FixArgs, PackArgs};
use super::output::{Output, escaped, note, printable};
use super::{Ending, Stop};
use alexnet::data::check::plan::{Done, Left, Plan, Undone};
use alexnet::data::check::{Diagnosis, check};
use alexnet::data::pack::{Coding, Config, Manifest, check_outside, pack, recipe_of};
use alexnet::data::{Dataset, bench, digests};
use alexnet::error::{Kind, shell};
use alexnet::net::{Orientation, Recipe};
use alexnet::text::grouped;
use alexnet::train::progress::{Display, Progress};
use alexnet::train::signals::Interrupt;

pub(super) fn run(command: &DataCommand, out: &mut Output) -> Ending {
    match command {
        DataCommand::Check(args) => run_check(args, out)?,
        DataCommand::Fix(args) => return run_fix(args, out),
        DataCommand::Pack(args) => run_pack(args, out)?,
        DataCommand::Bench(args) => run_bench(args, out)?,
    }
    Ok(0)
}

/// Most files that a text lists; the JSON lists all.
const LISTED: usize = 20;

/// A progress that many threads advance.
struct Shared(Mutex<(Progress, bool)>);

impl Shared {
    fn new() -> Self {
        Self(Mutex::new((Progress::new(Display::detect(false)), false)))
    }

    /// `done` more of `total`; the first call begins the stretch `what`.
    fn advance(&self, what: &str, done: usize, total: usize) {
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !held.1 {
            held.0.start(what, total);
            held.1 = true;
        }
        held.0.advance(done, None);
    }
}

fn run_check(args: &CheckArgs, out: &mut Output) -> Result<(), Stop> {
    let progress = Shared::new();
    let found =
        check(&args.source, args.machine.threads(), &|done, all| progress.advance("check", done, all))?;
    drop(progress);
    let compared = if args.digests { digests::compare(&args.source)? } else { Vec::new() };
    if let Some(path) = &args.plan {
        let plan = Plan::of(&found, &args.source);
        plan.write(path)?;
        note(&format!(
            "planned {} steps: read or edit {}, then `alexnet data fix {} OUT`",
            plan.steps.len(),
            path.display(),
            shell(path)
        ));
    }
    if args.format.json {
        let mut value = serde_json::to_value(&found).expect("strings and numbers are JSON");
        value["splits"] = found.splits.iter().map(|(name, images)| (name.clone(), json!(images))).collect();
        value["class_names"] = std::mem::replace(&mut value["classes"], json!(found.classes.len()));
        value["digests"] = json!(compared);
        return out.json(&value);
    }
    let mut text = diagnosis(&found);
    for file in compared {
        let _ = writeln!(text, "digest    {}", printable(&file.to_string()));
    }
    out.text(&text)
}

/// What was found, a line for each kind of problem.
fn diagnosis(found: &Diagnosis) -> String {
    let mut text = format!("source    {}\n", escaped(&found.source));
    let splits: Vec<String> =
        found.splits.iter().map(|(name, n)| format!("{name} {}", grouped(*n))).collect();
    let _ = writeln!(text, "images  {}: {}", grouped(found.images), splits.join(", "));
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
    let width = kinds.iter().map(|(kind, ..)| kind.name().len()).max().unwrap_or(0);
    for (kind, count, first) in kinds {
        let more = if count == 1 { String::new() } else { format!(" (and {} more)", grouped(count - 1)) };
        let (file, detail) = (escaped(&first.file), escaped(&first.detail));
        let _ = writeln!(text, "{count:>8}  {:<width$}  {file}: {detail}{more}", kind.name());
    }
    text += "\n--json lists them all; --plan FILE writes down what can be done about them\n";
    text
}

fn run_fix(args: &FixArgs, out: &mut Output) -> Ending {
    let plan = Plan::read(&args.plan)?;
    let progress = Shared::new();
    let place = args.out.as_deref();
    let target = place.map_or_else(|| "--in-place".to_owned(), shell);
    let undo = format!("alexnet data fix {} {target} --undo", shell(&args.plan));
    if args.undo {
        let undone = plan.undo(place)?;
        match args.format.json {
            true => out.json(&serde_json::to_value(&undone).expect("strings and numbers are JSON"))?,
            false => out.text(&undone_text(&undone, &undo))?,
        }
        return Ok(if undone.left.is_empty() { 0 } else { Kind::Runtime.exit_code() });
    }
    let advance = |done: usize, all: usize| progress.advance("fix", done, all);
    let done = match place {
        Some(folder) => plan.copy_to(folder, &advance),
        None => plan.apply_in_place(&advance),
    };
    drop(progress);
    let Done { kept, mended, left_out } = done.clone().map_err(|error| match error.kind {
        // The file system failed half-way.
        Kind::Runtime => error.help(format!("to undo what was done so far: `{undo}`")),
        _ => error,
    })?;
    if args.format.json {
        out.json(&serde_json::to_value(&done?).expect("numbers are JSON"))?;
        return Ok(0);
    }
    let mut text = format!(
        "kept      {}\nmended    {}\nleft out  {}\n",
        grouped(kept),
        grouped(mended),
        grouped(left_out)
    );
    text += &match place {
        Some(folder) => format!("use it    alexnet train {} --recipe small\n", shell(folder)),
        None => format!("undo it   {undo}\n"),
    };
    out.text(&text)?;
    Ok(0)
}

/// What was undone, and the first few of what could not be.
fn undone_text(undone: &Undone, again: &str) -> String {
    let mut text = format!("undone    {} files\n", grouped(undone.undone));
    if undone.left.is_empty() {
        return text;
    }
    let _ = writeln!(text, "left      {} files, of which nothing is lost:", grouped(undone.left.len()));
    for Left { file, reason } in undone.left.iter().take(LISTED) {
        let _ = writeln!(text, "  {}: {}", escaped(file), escaped(reason));
    }
    if undone.left.len() > LISTED {
        let _ = writeln!(text, "  and {} more: --json lists them all", grouped(undone.left.len() - LISTED));
    }
    let _ = writeln!(text, "when their names are free: {again}");
    text
}

fn run_pack(args: &PackArgs, out: &mut Output) -> Result<(), Stop> {
    check_outside(&args.source, &args.out)?;
    let dataset = Dataset::open(&args.source)?;
    dataset.notes.iter().for_each(|text| note(text));
    let store = if args.store == "jpeg" { Coding::Jpeg } else { Coding::Raw };
    let config = Config {
        out: args.out.clone(),
        store,
        side: args.side as usize,
        orientation: if args.orientation == "stored" { Orientation::Stored } else { Orientation::Exif },
        workers: args.machine.threads(),
    };
    let all = dataset.splits.iter().filter(|split| split.name != "all").map(|split| split.len()).sum();
    let progress = Shared::new();
    let interrupt = Interrupt::on_signals();
    interrupt.listen()?;
    let packed = pack(&dataset, &config, &|done| {
        progress.advance("pack", done, all);
        interrupt.check()
    });
    drop(progress);
    let packed = packed.map_err(|error| match error.kind {
        Kind::Interrupted(_) => error.help("to go on where it stopped, run the same command again"),
        _ => error,
    })?;
    let bytes: u64 = packed.splits.iter().flat_map(|split| &split.shards).map(|shard| shard.bytes).sum();
    if args.format.json {
        let mut value = serde_json::to_value(&packed).expect("strings and numbers are JSON");
        value["bytes"] = json!(bytes);
        return out.json(&value);
    }
    out.text(&packed_text(&packed, bytes, &args.out))
}

fn packed_text(packed: &Manifest, bytes: u64, folder: &Path) -> String {
    let mut text =
        format!("packed    {}, {:.1} MB\n", escaped(&folder.display().to_string()), bytes as f64 / 1e6);
    for split in &packed.splits {
        let (images, shards) = (grouped(split.images), split.shards.len());
        let _ = writeln!(text, "{:<8}  {images} images in {shards} files", split.name);
    }
    if let Some(rotated) = packed.rotated.filter(|&rotated| rotated > 0) {
        let how = match packed.orientation {
            Orientation::Exif => "as their EXIF orientation says",
            Orientation::Stored => "only in their EXIF orientation: packed as stored",
        };
        let _ = writeln!(text, "rotated   {} {how}", grouped(rotated));
    }
    let _ = writeln!(text, "left out  {}", grouped(packed.skipped.len()));
    for skip in packed.skipped.iter().take(10) {
        let _ = writeln!(text, "  {}: {}", escaped(&skip.file), escaped(&skip.reason));
    }
    let changed = || format!("paper --set input.square={}", packed.side);
    let recipe = recipe_of(packed.side).map_or_else(changed, str::to_owned);
    let _ = writeln!(text, "use it    alexnet train {} --recipe {recipe}", shell(folder));
    text
}

fn run_bench(args: &DataBenchArgs, out: &mut Output) -> Result<(), Stop> {
    let recipe = Recipe::load(&args.recipe)?;
    let mut dataset = Dataset::open(&args.source)?;
    dataset.prepare(&recipe.input)?;
    let workers = args.workers.map_or_else(|| args.machine.threads(), usize::from);
    let split = dataset.train().or_else(|_| dataset.split(&dataset.splits[0].name))?;
    let speed =
        bench::bench(split, &recipe.input, &recipe.augment, recipe.optimizer.batch, workers, args.seconds)?;
    if args.format.json {
        let mut value: Value = serde_json::to_value(&speed).expect("numbers and names are JSON");
        value["recipe"] = json!(recipe.name);
        value["source"] = json!(dataset.origin);
        return out.json(&value);
    }
    let mut text = format!(
        "{} of {}, {:.0} KB an image, as recipe {} has them\n\n",
        split.name,
        printable(&dataset.origin),
        speed.bytes / 1e3,
        recipe.name
    );
    for step in &speed.steps {
        let share = 100.0 * step.share;
        let _ = writeln!(
            text,
            "{:<9} {:>9.0} images/s on one core  {share:>5.1} %",
            step.name, step.images_per_second
        );
    }
    let _ = writeln!(text, "{:<9} {:>9.0} images/s on one core", "all", speed.images_per_second_per_core);
    let _ = writeln!(
        text,
        "{:<9} {:>9.0} images/s with {workers} workers",
        "loader", speed.loader_images_per_second
    );
    let _ = writeln!(text, "\nbottleneck: {}", advice(speed.bottleneck));
    out.text(&text)
}

/// What the slowest step means.
fn advice(bottleneck: &str) -> &'static str {
    match bottleneck {
        "read" => {
            "read. Where the files are is slow: copy them to a local disk, or `alexnet data pack SRC OUT --store jpeg`"
        }
        "decode" => "decode. `alexnet data pack SRC OUT` decodes once, before all epochs",
        "square" => "square. `alexnet data pack SRC OUT` makes squares once, before all epochs",
        _ => "augment, which is done anew for every epoch: nothing before it is slow",
    }
}
